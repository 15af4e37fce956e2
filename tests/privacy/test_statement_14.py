"""14. Break-glass needs a reason, expires in at most 60 minutes, and appears in the next review."""

from __future__ import annotations

from pathlib import Path

import pytest

from identity_vault.names import NamesDesk, review, unreviewed
from tests.vault.names_parts import COLLECTOR, REASON, Browser, Clock, pseudonym, refusal, rows_of
from tests.vault.vault_parts import NOW_MS, add_somebody, make_vault


class Emergency:
    """A panic button was pressed; facilities have no names until they break the glass."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock(NOW_MS)
        self.vault = make_vault(folder, now_ms=self.clock.wall_ms)
        self.pseudonym = pseudonym(self.vault, "safety", add_somebody(self.vault, 1))
        desk = NamesDesk(self.vault, COLLECTOR.public_key(), now_s=self.clock.monotonic_s)
        self.guard = Browser(desk, self.clock, "facilities", "safety")

    async def sees(self) -> bool:
        return bool(await self.guard.ask(self.pseudonym))

    async def sees_nothing(self) -> None:
        with refusal(403):
            await self.guard.ask(self.pseudonym)


@pytest.fixture
async def emergency(tmp_path: Path) -> Emergency:
    made = Emergency(tmp_path)
    await made.sees_nothing()
    return made


@pytest.mark.parametrize("reason", ["", "找人", " " * 30, "急" * 9, "急" * 501])
async def test_14_without_a_reason_there_is_no_grant(emergency: Emergency, reason: str) -> None:
    with refusal(422, "reason"):
        await emergency.guard.break_glass("safety", reason=reason)
    await emergency.sees_nothing()


@pytest.mark.parametrize("minutes", [61, 0, -1, 10_000])
async def test_14_no_grant_is_longer_than_60_minutes(emergency: Emergency, minutes: int) -> None:
    with refusal(422, "minutes"):
        await emergency.guard.break_glass("safety", minutes=minutes)
    await emergency.sees_nothing()


async def test_14_a_grant_ends_by_itself(emergency: Emergency) -> None:
    answer = await emergency.guard.break_glass("safety", minutes=60)
    assert answer.expires_ms == NOW_MS + 3_600_000
    emergency.clock.go_on(59.99)
    assert await emergency.sees()
    emergency.clock.go_on(0.01)
    await emergency.sees_nothing()


async def test_14_every_grant_appears_in_the_next_review_with_its_reason(emergency: Emergency) -> None:
    grant = (await emergency.guard.break_glass("safety", minutes=5)).grant
    await emergency.sees()
    emergency.clock.go_on(24 * 60)
    with emergency.vault.begin() as connection:
        (waiting,) = unreviewed(emergency.vault, connection)
        assert (waiting.id, waiting.role, waiting.purpose) == (grant, "facilities", "safety")
        assert (waiting.reason, waiting.names) == (REASON, 1)
        assert review(emergency.vault, connection, grant, accepted=True, reviewer="张老师", actor="command:x")
        assert unreviewed(emergency.vault, connection) == []


async def test_14_the_audit_has_the_grant_and_each_name_under_it(emergency: Emergency) -> None:
    grant = (await emergency.guard.break_glass("safety")).grant
    await emergency.sees()
    (given,) = rows_of(emergency.vault, "break_glass")
    (seen,) = rows_of(emergency.vault, "resolve")
    assert f'"grant":"{grant}"' in given.detail
    assert f'"grant":"{grant}"' in seen.detail


async def test_14_the_reason_rests_encrypted(emergency: Emergency) -> None:
    await emergency.guard.break_glass("safety")
    emergency.vault.close()
    rest = b"".join(file.read_bytes() for file in emergency.vault.config.vault.data_dir.iterdir())
    assert b"facilities" in rest
    assert REASON.encode() not in rest
