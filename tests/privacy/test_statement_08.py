"""8. Band data outside a timetabled PE lesson ± 5 min is rejected."""

from __future__ import annotations

import pytest

from telemetry.credential_map import Lesson, normalise_band
from telemetry.readings import Chunk, SeriesKey
from telemetry.records import HeartRateWindow
from tests.edge.edge_parts import NOW_MS
from tests.edge.gate_parts import BAND_ADDRESS, MINUTE_MS, Door
from tests.edge.maps import make_map, person

START_MS, END_MS = NOW_MS, NOW_MS + 40 * MINUTE_MS
MARGIN_MS = 5 * MINUTE_MS


def door(*lessons: Lesson, class_id: str = "3-2") -> Door:
    pupil = person(1, {"sport": "P-S", "health": "P-H"}, class_id=class_id)
    return Door(make_map([pupil], {normalise_band(BAND_ADDRESS): 1}, lessons={"3-2": lessons}))


def beat(at: Door, time_ms: int) -> list[HeartRateWindow]:
    """What passes of one heart rate and one skin contact at a time."""
    at.hands.pass_ms(time_ms - at.hands.wall_ms)
    chunk = Chunk()
    for quantity in ("heart_rate", "skin_contact"):
        chunk.append(at.table.index(SeriesKey(quantity, "band-1", "field/1", "m")), time_ms, 120.0)
    at.gate.readings(chunk)
    at.gate.flush()
    found = list(at.behind.all_records)
    assert all(isinstance(one, HeartRateWindow) for one in found)
    assert not at.passed(), "never a reading"
    return found  # type: ignore[return-value]  # just asserted


@pytest.mark.parametrize(
    ("time_ms", "accepted"),
    [
        (START_MS - MARGIN_MS - 1, False),
        (START_MS - MARGIN_MS, True),
        (START_MS, True),
        ((START_MS + END_MS) // 2, True),
        (END_MS, True),
        (END_MS + MARGIN_MS, True),
        (END_MS + MARGIN_MS + 1, False),
        (START_MS - 24 * 60 * MINUTE_MS, False),
    ],
)
def test_08_to_the_millisecond(time_ms: int, accepted: bool) -> None:  # noqa: FBT001  # a case
    at = door(Lesson(START_MS, END_MS, "pe", "field/1"))
    assert len(beat(at, time_ms)) == accepted
    assert at.counters.dropped == ({} if accepted else {"outside_pe_lesson": 2})


@pytest.mark.parametrize(
    ("lessons", "class_id"),
    [
        ([], "3-2"),
        ([Lesson(START_MS, END_MS, "maths", "main/301")], "3-2"),
        ([Lesson(START_MS, END_MS, "pe", "field/1")], "3-3"),
    ],
    ids=["no lesson", "maths", "another class's"],
)
def test_08_only_the_pe_lesson_of_ones_own_class(lessons: list[Lesson], class_id: str) -> None:
    at = door(*lessons, class_id=class_id)
    assert not beat(at, START_MS + MINUTE_MS)
    assert at.counters.dropped == {"outside_pe_lesson": 2}


def test_08_a_window_across_the_edge_holds_only_what_is_inside() -> None:
    at = door(Lesson(START_MS + 7_000, END_MS, "pe", "field/1"))
    edge_ms = START_MS + 7_000 - MARGIN_MS
    for time_ms in (edge_ms - 2, edge_ms - 1, edge_ms, edge_ms + 1):
        at.hands.pass_ms(time_ms - at.hands.wall_ms)
        at.read("heart_rate", 120.0)
    at.gate.flush()
    [window] = at.behind.all_records
    assert isinstance(window, HeartRateWindow)
    assert window.samples == 2
    assert at.counters.dropped == {"outside_pe_lesson": 2}


@pytest.mark.parametrize("quantity", ["steps", "energy_expended", "running_speed", "cadence", "battery"])
def test_08_what_else_a_band_says_passes_not_even_in_the_lesson(quantity: str) -> None:
    at = door(Lesson(START_MS, END_MS, "pe", "field/1"))
    at.read(quantity, 10.0)
    at.gate.flush()
    assert not at.behind.all_records
    assert not at.passed()
    assert sum(at.counters.dropped.values()) == 1
