"""13. Roles: a class teacher sees the status of their class, not temperatures; a PE teacher sees heart
rate only during the lesson; the district sees aggregates only.

Here: who gets names. Without a name a record is about nobody; what of a record a page shows is the
collector's.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from identity_vault.names import NamesDesk
from telemetry.names import PupilName
from telemetry.purposes import PURPOSE_NAMES, Purpose
from tests.vault.names_parts import COLLECTOR, Browser, Clock, add_lesson, pseudonym, refusal
from tests.vault.vault_parts import NOW_MS, add_somebody, make_vault


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
