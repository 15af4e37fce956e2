"""The gateway asks the vault for its credential map, on real sockets and with a real buffer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.buffer import SqliteBuffer
from edge_agent.counters import Counters
from edge_agent.identity.credentials import Credentials
from edge_agent.identity.map_file import MapFile
from edge_agent.identity.puller import SAVE_INTERVAL_MS, Puller
from edge_agent.identity.vault_link import VaultLink
from foundation.httppost import HttpPost, Times, parse_target
from foundation.keyfiles import parse_public
from telemetry.batch import Header, decode_body
from telemetry.batch_builder import BatchBuilder
from telemetry.credential_map import MapUpdate
from telemetry.envelope import Signer
from telemetry.exchange import MapQuestion
from telemetry.readings import SeriesTable
from telemetry.records import MorningCheck, Record
from tests.edge import vault_double
from tests.edge.edge_parts import BYTES_MAX, GATEWAY, NOW_MS, SCHOOL, FickleBuffer, HandClock, item
from tests.edge.maps import DAY_MS, make_update, person
from tests.edge.vault_double import Trouble, VaultDouble, serving

CARD = "04A2B31C"
GATEWAY_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ANSWER_BYTES_MAX = 50_000


def update(version: int = 1, **settings: Any) -> MapUpdate:
    """Two people; the first has a card."""
    return make_update([person(1, {"health": "P-1"}), person(2)], {CARD: 1}, version=version, **settings)


class Rig:
    """A puller with all its parts, and the vault it asks."""

    def __init__(
        self, vault: VaultDouble, folder: Path, buffer: FickleBuffer, vault_key: str, **settings: Any
    ) -> None:
        self.vault = vault
        self.hands = HandClock()
        self.counters = Counters()
        self.buffer = buffer
        clock = self.hands.clock()
        self.credentials = Credentials(clock_known=lambda: clock.known)
        self.file = MapFile(folder, GATEWAY_KEY, SCHOOL, GATEWAY)
        post = HttpPost(
            parse_target(vault.url), answer_bytes_max=ANSWER_BYTES_MAX, times=Times(step_s=0.2, total_s=2)
        )
        link = VaultLink(
            post,
            school=SCHOOL,
            gateway=GATEWAY,
            signer=Signer(GATEWAY_KEY),
            vault_key=parse_public(vault_key),
        )
        self.puller = Puller(
            link,
            self.file,
            self.credentials,
            buffer,
            clock,
            self.counters,
            **({"refresh_s": 60.0, "settle_s": 0.0} | settings),
        )

    @property
    def version(self) -> int:
        return self.credentials.map.version if self.credentials.map else 0

    def saved_version(self) -> int:
        found = self.file.read()
        return found.version if found else 0

    async def buffered(self) -> list[Record]:
        records: list[Record] = []
        for one in await self.buffer.lease(100):
            found = one.item
            header = Header(
                1, SCHOOL, GATEWAY, found.stream, "-", 1, found.time_base_ms, found.clock, "", "",
                found.readings, found.records,
            )  # fmt: skip
            records += decode_body(header, found.body).records
        await self.buffer.keep()
        return records


@asynccontextmanager
async def rig(folder: Path, first: MapUpdate, *, vault_key: str = "", **settings: Any) -> AsyncIterator[Rig]:
    async with (
        serving(VaultDouble(GATEWAY_KEY.public_key(), first)) as vault,
        await FickleBuffer.open(folder / "buffer.db", bytes_max=BYTES_MAX) as buffer,
    ):
        yield Rig(vault, folder, buffer, vault_key or vault.public_key, **settings)


async def test_the_whole_map_first_then_what_changed(tmp_path: Path) -> None:
    async with rig(tmp_path, update(3)) as one:
        assert 50 < await one.puller.refresh() <= 60
        assert one.version == one.saved_version() == one.counters.map_version == 3
        await one.puller.refresh()
        assert one.credentials.find(CARD, NOW_MS) == person(1, {"health": "P-1"})
        one.vault.update = update(4)
        one.vault.answers_with = lambda _: make_update(
            people_gone=[1], credentials_gone=[CARD], version=4, base=3, issued_ms=NOW_MS + 5
        )
        await one.puller.refresh()
        assert one.vault.asked == [0, 3, 3]
        assert one.version == one.saved_version() == 4
        assert one.counters.map_issued_ms == NOW_MS + 5
        assert not isinstance(one.credentials.find(CARD, NOW_MS), type(person(1)))
        assert one.counters.map_refreshes == 3
        assert not one.counters.map_failures


async def test_changes_to_another_version_lead_to_the_whole_map_at_once(tmp_path: Path) -> None:
    async with rig(tmp_path, update(3)) as one:
        await one.puller.refresh()

        def forgetful(question: MapQuestion) -> MapUpdate:
            return make_update(version=9, base=8) if question.have else update(9)

        one.vault.answers_with = forgetful
        await one.puller.refresh()
        assert one.vault.asked == [0, 3, 0]
        assert one.version == 9
        one.vault.answers_with = lambda _: make_update(version=12, base=11)
        await one.puller.refresh()
        assert one.version == 9
        assert one.counters.map_failures == {"map_unusable": 1}


async def test_a_restarted_gateway_begins_with_the_map_of_its_disk(tmp_path: Path) -> None:
    async with rig(tmp_path, update(3)) as one:
        await one.puller.refresh()
    async with rig(tmp_path, update(3)) as again:
        again.puller.load()
        assert again.version == 3
        await again.puller.refresh()
        assert again.vault.asked == [3]


@pytest.mark.parametrize("damage", [b"", b"rubbish", None])
async def test_a_damaged_file_is_put_aside_and_the_whole_map_asked(
    tmp_path: Path, damage: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    async with rig(tmp_path, update(3)) as one:
        await one.puller.refresh()
        data = one.file.path.read_bytes()
        one.file.path.write_bytes(data[:-1] if damage is None else damage)
    async with rig(tmp_path, update(3)) as again:
        again.puller.load()
        assert again.version == 0
        await again.puller.refresh()
        assert again.vault.asked == [0]
        assert again.saved_version() == 3
        assert (tmp_path / "credentials.map.damaged").exists()
    assert "put aside" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (vault_double.answers_500, "away"),
        (vault_double.redirects, "refused"),
        (vault_double.answers_garbage, "not_signed"),
        (vault_double.says_nothing, "away"),
        (vault_double.never_ends, "garbage"),
    ],
)
async def test_a_vault_that_misbehaves_costs_a_count_and_the_map_stays(
    tmp_path: Path, trouble: Trouble, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with rig(tmp_path, update(3)) as one:
        await one.puller.refresh()
        one.vault.trouble = trouble
        waits = [await one.puller.refresh() for _ in range(3)]
        assert one.counters.map_failures == {reason: 3}
        assert one.version == 3
        assert all(0 < wait <= 60 for wait in waits)
        assert (waits[0] < 5) == (reason not in {"refused", "not_signed"}), "a person is needed: no hurry"
        one.vault.trouble = None
        await one.puller.refresh()
        assert one.counters.map_refreshes == 2
    said = capsys.readouterr().out
    assert said.count("[warning") == said.count("refreshed again") == 1


async def test_a_vault_that_is_not_there(tmp_path: Path) -> None:
    async with rig(tmp_path, update(3)) as one:
        pass
    one.buffer = await FickleBuffer.open(tmp_path / "buffer.db", bytes_max=BYTES_MAX)
    async with one.buffer:
        await one.puller.refresh()
    assert one.counters.map_failures == {"away": 1}


async def test_only_our_vault_is_believed(tmp_path: Path) -> None:
    other = VaultDouble(GATEWAY_KEY.public_key(), update()).public_key
    async with rig(tmp_path, update(3), vault_key=other) as one:
        await one.puller.refresh()
        assert one.version == 0
        assert one.counters.map_failures == {"not_signed": 1}
        assert not one.file.path.exists()


async def test_a_map_for_another_gateway_is_not_taken(tmp_path: Path) -> None:
    async with rig(tmp_path, update(3, gateway="gw-other")) as one:
        await one.puller.refresh()
        assert one.version == 0
        assert one.counters.map_failures == {"map_unusable": 1}


async def test_an_answer_recorded_earlier_is_not_believed_again(tmp_path: Path) -> None:
    async with rig(tmp_path, update(3)) as one:
        await one.puller.refresh()

        async def record(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(one.vault.answered[0])

        one.vault.update = update(4)
        await one.puller.refresh()
        one.vault.trouble = record
        await one.puller.refresh()
        assert one.version == 4
        assert one.counters.map_failures == {"not_signed": 1}


async def test_an_old_copy_of_the_vault_brings_no_consent_back(tmp_path: Path) -> None:
    """A lower version is believed as a whole map that was made later, and not else."""
    async with rig(tmp_path, update(30)) as one:
        await one.puller.refresh()
        one.vault.update = update(20, issued_ms=NOW_MS)
        await one.puller.refresh()
        assert one.version == 30
        assert one.counters.map_failures == {"older": 1}
        one.vault.update = update(20, issued_ms=NOW_MS + 1)
        await one.puller.refresh()
        assert one.version == one.saved_version() == 20


@pytest.mark.parametrize(("hours", "usable"), [(0, True), (23, True), (25, False)])
async def test_a_map_made_in_the_future_is_kept_and_not_believed(
    tmp_path: Path, hours: int, *, usable: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    async with rig(tmp_path, update(3, issued_ms=NOW_MS + hours * 3_600_000)) as one:
        await one.puller.refresh()
        assert (one.credentials.current(NOW_MS) is not None) is usable
        assert one.saved_version() == 3
    assert ("made in the future" in capsys.readouterr().out) is not usable


async def test_while_the_time_is_not_known_everybody_is_anonymous(tmp_path: Path) -> None:
    async with rig(tmp_path, update(3)) as one:
        one.hands.synced = False
        one.credentials = Credentials(clock_known=lambda: False)
        await one.puller.refresh()
        assert one.credentials.current(NOW_MS) is None


async def test_a_map_without_news_is_not_written_again_and_again(tmp_path: Path) -> None:
    async with rig(tmp_path, update(3)) as one:
        await one.puller.refresh()
        written = one.file.path.read_bytes()
        for issued_ms in (NOW_MS + 60_000, NOW_MS + 120_000):
            one.vault.update = update(3, issued_ms=issued_ms)
            await one.puller.refresh()
            assert one.counters.map_issued_ms == issued_ms
        assert one.file.path.read_bytes() == written
        one.vault.update = update(3, issued_ms=NOW_MS + SAVE_INTERVAL_MS)
        await one.puller.refresh()
        assert one.file.path.read_bytes() != written
        one.vault.update = update(3, issued_ms=NOW_MS + SAVE_INTERVAL_MS, school_days=[(0, DAY_MS)])
        await one.puller.refresh()
        found = one.file.read()
        assert found is not None
        assert found.school_days == [(0, DAY_MS)]


async def test_what_the_disk_did_not_take_is_in_use_but_not_confirmed(tmp_path: Path) -> None:
    async with rig(tmp_path, update(3)) as one:
        await one.puller.refresh()
        (tmp_path / "credentials.map.new").mkdir()
        one.vault.update = update(4)
        await one.puller.refresh()
        assert one.version == 4
        assert one.saved_version() == 3
        await one.puller.refresh()
        assert one.vault.asked == [0, 3, 0]
        (tmp_path / "credentials.map.new").rmdir()
        await one.puller.refresh()
        await one.puller.refresh()
        assert one.vault.asked == [0, 3, 0, 0, 4]
        assert one.counters.map_failures == {"disk": 2}


def check(pseudonym: str | None) -> MorningCheck:
    return MorningCheck(NOW_MS, "station-1", "main/gate", "ear", 36.5, pseudonym=pseudonym, class_id="c-1")


async def fill(buffer: SqliteBuffer) -> None:
    """Batches with records of P-1, of others, of both, and readings."""
    builder = BatchBuilder(SeriesTable())
    for pseudonym in ("P-1", "P-2", None, "P-1"):
        builder.add_record(check(pseudonym))
    both = item("urgent")._replace(body=builder.close(NOW_MS), readings=0, records=4)
    await buffer.append(
        [item("urgent", record=check("P-1"), alarm=True), both, item("urgent", record=check("P-2")), item()]
    )


async def test_who_is_to_be_forgotten_leaves_the_buffer_before_the_version_is_confirmed(
    tmp_path: Path,
) -> None:
    async with rig(tmp_path, update(3)) as one:
        await one.puller.refresh()
        await fill(one.buffer)
        one.vault.update = update(4, erased=["P-1", "P-9"])
        one.buffer.full = frozenset({"erase"})
        await one.puller.refresh()
        one.vault.update = update(5, erased=["P-1", "P-9"])
        await one.puller.refresh()
        assert one.vault.asked == [0, 3, 0], "nothing is confirmed while somebody is left"
        assert one.version == 5, "but consent ends all the same"
        assert one.counters.map_failures == {"disk": 2}
        one.buffer.full = frozenset()
        await one.puller.refresh()
        assert one.vault.asked == [0, 3, 0, 5]
        assert [record.pseudonym for record in await one.buffered()] == ["P-2", None, "P-2"]
        assert one.counters.records_erased == 3
        # Who comes later under that name came before the map: once is enough.
        await fill(one.buffer)
        await one.puller.refresh()
        assert one.counters.records_erased == 3
        one.vault.update = update(6)
        await one.puller.refresh()
        one.vault.update = update(7, erased=["P-1"])
        await one.puller.refresh()
        assert one.counters.records_erased == 6, "agreed again, and withdrawn again"


async def test_what_was_under_way_when_the_map_came_is_waited_for(tmp_path: Path) -> None:
    async with rig(tmp_path, update(3, erased=["P-1"]), settle_s=3_600.0) as one:
        await one.puller.refresh()
        assert one.vault.asked == [0]
        wait_s = await one.puller.refresh()
        assert 3_000 < wait_s <= 3_600
        assert one.vault.asked == [0], "neither asked nor confirmed"


async def test_a_fault_of_ours_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with rig(tmp_path, update(3)) as one:
        waited: list[float] = []

        class Enough(BaseException):
            pass

        async def sleep(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 2:
                raise Enough

        monkeypatch.setattr(one.buffer, "erase", None)
        monkeypatch.setattr("edge_agent.identity.puller.asyncio.sleep", sleep)
        one.vault.update = update(3, erased=["P-1"])
        with pytest.raises(Enough):
            await one.puller.run()
        assert one.counters.map_failures == {"fault": 2}
