"""13. Roles: a class teacher sees the status of their class, not temperatures; a PE teacher sees heart
rate only during the lesson; the district sees aggregates only.

First who gets names, at the vault; then what of the collector's records its page and API show to whom.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from collector.accounts.permissions import PERMISSIONS, ROLE_PERMISSIONS, ROLES
from identity_vault.names import NamesDesk
from telemetry.names import PupilName
from telemetry.purposes import PURPOSE_NAMES, Purpose
from tests.accounts.accounts_bench import Bench
from tests.vault.names_parts import COLLECTOR, Browser, Clock, add_lesson, pseudonym, refusal
from tests.vault.vault_parts import NOW_MS, add_somebody, make_vault
from tests.web import conftest as web


class School:
    """Two classes with a pupil each. It is Thursday, 08:00; 3-2 has PE from 08:10 to 08:50, 4-1 music."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock(NOW_MS)
        self.vault = make_vault(folder, now_ms=self.clock.wall_ms)
        self.desk = NamesDesk(self.vault, COLLECTOR.public_key(), now_s=self.clock.monotonic_s)
        self.pupils = {
            one: add_somebody(self.vault, at, class_id=one) for at, one in enumerate(("3-2", "4-1"))
        }
        add_lesson(self.vault, "3-2", 4, "08:10", "08:50")
        add_lesson(self.vault, "4-1", 4, "08:00", "09:50", subject="music")

    def browser(self, role: str, purpose: Purpose, *classes: str) -> Browser:
        return Browser(self.desk, self.clock, role, purpose, classes=classes or None)

    def everybody(self, purpose: Purpose) -> list[str]:
        return [pseudonym(self.vault, purpose, pupil) for pupil in self.pupils.values()]


@pytest.fixture
def school(tmp_path: Path) -> School:
    return School(tmp_path)


async def test_13_a_class_teacher_has_names_of_the_own_class_only(school: School) -> None:
    own, _ = school.everybody("health")
    assert list(await school.browser("class_teacher", "health", "3-2").ask(*school.everybody("health"))) == [
        own
    ]


@pytest.mark.parametrize(("role", "purpose"), [("class_teacher", "health"), ("pe_teacher", "sport")])
async def test_13_who_has_no_class_has_no_names(school: School, role: str, purpose: Purpose) -> None:
    school.clock.go_on(20)
    with refusal(403):
        await school.browser(role, purpose).ask(*school.everybody(purpose))


async def test_13_a_class_teacher_has_no_names_for_heart_rates_or_doors(school: School) -> None:
    for purpose in PURPOSE_NAMES:
        if purpose != "health":
            with refusal(403):
                await school.browser("class_teacher", purpose, "3-2").ask(*school.everybody(purpose))


def test_13_with_a_name_comes_the_class_and_nothing_else() -> None:
    assert set(PupilName.__struct_fields__) == {"name", "class_id", "class_zh", "class_en"}


@pytest.mark.parametrize(
    ("minutes_after_8", "sees"), [(0, False), (4, False), (5, True), (30, True), (54, True), (55, False)]
)
async def test_13_a_pe_teacher_has_names_during_the_lesson_only(
    school: School, minutes_after_8: int, *, sees: bool
) -> None:
    school.clock.go_on(minutes_after_8)
    teacher = school.browser("pe_teacher", "sport", "3-2", "4-1")
    if sees:
        # 4-1 is the teacher's too, but has no PE now.
        assert list(await teacher.ask(*school.everybody("sport"))) == school.everybody("sport")[:1]
    else:
        with refusal(403):
            await teacher.ask(*school.everybody("sport"))


@pytest.mark.parametrize("purpose", PURPOSE_NAMES)
async def test_13_the_district_has_no_name_at_all(school: School, purpose: Purpose) -> None:
    district = school.browser("district", purpose)
    with refusal(403):
        await district.ask(*school.everybody(purpose))
    with refusal(403):
        await district.break_glass(purpose)


class Console:
    """The collector's page with a fever in 3-2 and one in 4-1, and members of staff who look at it."""

    def __init__(self, school: web.School) -> None:
        self.school = school
        self.bench = Bench(school.records)
        school.change(accounts=self.bench.accounts)

    async def sees(self, role: str, *classes: str) -> tuple[list[dict[str, object]], str]:
        """Alerts by the API, and everything that the pages say."""
        if role == "admin":
            secret, _ = await self.bench.add_with_totp(role, role)
        else:
            secret = (await self.bench.add(role.replace("_", "-"), role, classes=classes or None)).secret
        transport = httpx.ASGITransport(app=self.school.app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", cookies={"session": secret}
        ) as client:
            answer = await client.get("/api/v1/alerts")
            pages = [await client.get(path) for path in ("/", "/parts/alerts", "/parts/rooms")]
        items = answer.json()["items"] if answer.status_code == 200 else []
        return items, answer.text + "".join(page.text for page in pages)


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    school = await web.School.open(tmp_path, lambda: web.NOW_MS)
    for class_id, value in (("3-2", 38.7), ("4-1", 39.1)):
        await school.add_alert(class_id=class_id, value=value)
    yield Console(school)
    await school.close()


async def test_13_a_class_teacher_sees_that_somebody_of_the_own_class_is_ill(console: Console) -> None:
    (found,), everything = await console.sees("class_teacher", "3-2")
    assert (found["class_id"], found["value"], found["limit"], found["site"]) == ("3-2", None, None, None)
    assert found["pseudonym"], "for whom the vault may tell the teacher a name"
    for temperature in ("38.7", "39.1", "37.3"):
        assert temperature not in everything
    assert "4-1" not in everything


@pytest.mark.parametrize("role", [role for role in ROLES if role not in {"nurse", "class_teacher"}])
async def test_13_nobody_else_sees_that_anybody_is_ill(console: Console, role: str) -> None:
    found, everything = await console.sees(role, "3-2")
    assert found == []
    for word in ("38.7", "39.1", web.PSEUDONYM, web.PSEUDONYM[:4], "发热"):
        assert word not in everything


async def test_13_a_nurse_sees_it(console: Console) -> None:
    """The search above can find something."""
    found, everything = await console.sees("nurse")
    assert sorted(str(one["value"]) for one in found) == ["38.7", "39.1"]
    assert "发热" in everything
    assert "38.7" in everything


def test_13_what_each_role_may_is_written_down_once() -> None:
    assert {role for role in ROLES if "alerts.health" in ROLE_PERMISSIONS[role]} == {"nurse"}
    assert {role for role in ROLES if "records.health" in ROLE_PERMISSIONS[role]} == {"nurse"}
    assert {role for role in ROLES if "exports.records" in ROLE_PERMISSIONS[role]} == {"nurse", "pe_teacher"}
    assert {role for role in ROLES if "records.sport" in ROLE_PERMISSIONS[role]} == {"pe_teacher"}
    assert {role for role in ROLES if "accounts.manage" in ROLE_PERMISSIONS[role]} == {"admin"}
    assert ROLE_PERMISSIONS["district"] == frozenset()
    assert set().union(*ROLE_PERMISSIONS.values()) == set(PERMISSIONS)
