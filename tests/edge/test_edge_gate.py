"""The gate: what passes, in which form, and what is counted instead."""

from __future__ import annotations

import pytest
import structlog

from edge_agent.counters import Counters
from edge_agent.identity.credentials import MapUnusableError
from telemetry.quantities import QUANTITIES, Lane
from telemetry.readings import Chunk, SeriesKey
from telemetry.records import AccessEvent, MealRecord, MorningCheck, SafetyEvent
from tests.edge.edge_parts import NOW_MS
from tests.edge.gate_parts import CARD, DAY_MS, REFUSING, STRANGER, Door, changed_policy, school_map
from tests.edge.maps import make_map, person


def checks(door: Door) -> list[tuple[str | None, str | None, bool]]:
    """Pseudonym, class and alarm of every morning check that passed."""
    found = [(record, alarm) for _, records, alarm in door.behind.urgents for record in records]
    assert all(isinstance(record, MorningCheck) for record, _ in found)
    return [(record.pseudonym, record.class_id, alarm) for record, alarm in found]


def test_a_known_card_becomes_a_pseudonym() -> None:
    door = Door(school_map())
    door.check(36.5)
    door.check(38.4)
    assert checks(door) == [("P-H", "c-1", False), ("P-H", "c-1", True)]


@pytest.mark.parametrize("card", [STRANGER, None])
def test_an_unknown_card_is_worth_telling_only_with_a_fever(card: str | None) -> None:
    door = Door(school_map())
    door.check(36.5, card)
    door.check(38.4, card)
    assert checks(door) == [(None, None, True)]
    assert door.counters.dropped == {"unknown_card": 1}


def test_without_consent_nothing_passes() -> None:
    door = Door(school_map())
    door.check(36.5, REFUSING)
    door.check(38.4, REFUSING)
    door.tap(REFUSING)
    door.tap(REFUSING, "counter-1")
    assert not door.behind.all_records
    assert door.counters.dropped == {"no_consent": 4}


@pytest.mark.parametrize(("until_ms", "passes"), [(NOW_MS + 1, True), (NOW_MS, False)])
def test_a_permit_ends_to_the_millisecond(until_ms: int, *, passes: bool) -> None:
    until = ("P", until_ms)
    door = Door(make_map([person(1, {"health": until, "access": until, "nutrition": until})], {CARD: 1}))
    door.check(38.4)
    door.tap()
    door.tap(device="counter-1")
    assert len(door.behind.all_records) == 3 * passes
    assert door.counters.dropped == ({} if passes else {"consent_ended": 3})


@pytest.mark.parametrize("issued_ms", [NOW_MS - 7 * DAY_MS - 1, NOW_MS + DAY_MS + 1])
def test_a_map_that_cannot_be_believed_makes_checks_anonymous(issued_ms: int) -> None:
    door = Door(school_map(issued_ms=issued_ms))
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            door.check(36.5)
        door.check(38.4)
        door.tap()
        door.tap(device="counter-1")
    assert checks(door) == [(None, None, True)]
    assert door.counters.dropped == {"map_unusable": 5}
    assert [one["log_level"] for one in logs] == ["error"], "said once"
    with pytest.raises(MapUnusableError, match="days"):
        door.credentials.describe(NOW_MS)


def test_a_new_map_is_in_force_at_once() -> None:
    door = Door()
    door.check(36.5)
    door.credentials.map = school_map()
    door.check(36.6)
    door.credentials.map = make_map([person(1)], {CARD: 1}, version=2)
    door.check(36.7)
    assert checks(door) == [("P-H", "c-1", False)]
    assert door.counters.dropped == {"map_unusable": 1, "no_consent": 1}


def test_a_tap_is_an_access_event_and_at_the_counter_a_meal() -> None:
    door = Door(school_map())
    door.tap(time_ms=NOW_MS + 1_234)
    door.tap(device="counter-1", place="canteen/1", time_ms=NOW_MS + 4 * 3_600_000 + 61_234)
    event, meal = door.behind.later
    assert event == AccessEvent(NOW_MS + 1_000, "door-1", "main/gate", 2, "P-A", "c-1")
    noon_ms = NOW_MS + 4 * 3_600_000 + 60_000
    assert meal == MealRecord(noon_ms, "counter-1", "canteen/1", "lunch", None, "P-N", "c-1")
    assert not door.behind.urgents, "one batch an interval is enough"


@pytest.mark.parametrize("card", [STRANGER, None])
def test_a_stranger_leaves_no_event(card: str | None) -> None:
    door = Door(school_map())
    door.tap(card)
    door.tap(card, "counter-1")
    assert not door.behind.later
    assert door.counters.dropped == {"unknown_card": 2}


def test_a_stranger_leaves_an_anonymous_event_where_the_policy_says_so() -> None:
    door = Door(
        school_map(),
        policy=changed_policy(
            (
                '"access"\nwindow = "always"\nunknown = "drop"',
                '"access"\nwindow = "always"\nunknown = "anonymous"',
            )
        ),
    )
    door.tap(STRANGER)
    assert door.behind.later == [AccessEvent(NOW_MS, "door-1", "main/gate", 2)]


def weigh(door: Door, kg: float, time_ms: int, place: str = "canteen/1") -> None:
    door.read("mass", kg, "scale-1", place, time_ms)


@pytest.mark.parametrize(
    ("kg", "place", "age_ms", "mass_g"),
    [
        (0.4126, "canteen/1", 10_000, 413),
        (0.4126, "canteen/1", 10_001, None),
        (0.4126, "canteen/2", 0, None),
        (0.0, "canteen/1", 0, None),
    ],
)
def test_the_weight_on_the_scale_is_the_portions(
    kg: float, place: str, age_ms: int, mass_g: float | None
) -> None:
    door = Door(school_map())
    weigh(door, kg, NOW_MS - age_ms, place)
    for _ in range(2):
        door.tap(device="counter-1", place="canteen/1")
    first, second = door.behind.later
    assert isinstance(first, MealRecord)
    assert isinstance(second, MealRecord)
    assert (first.mass_g, second.mass_g) == (mass_g, None), "a weight is one meal's"
    assert door.passed() == [("scale-1", "mass")], "a weight alone says nothing about anybody"


def test_an_empty_scale_forgets_what_stood_on_it() -> None:
    door = Door(school_map())
    weigh(door, 0.4, NOW_MS - 2_000)
    weigh(door, 0.0, NOW_MS - 1_000)
    door.tap(device="counter-1", place="canteen/1")
    [meal] = door.behind.later
    assert isinstance(meal, MealRecord)
    assert meal.mass_g is None


def test_only_registered_ambient_quantities_pass() -> None:
    door = Door()
    personal = [one.name for one in QUANTITIES.values() if one.lane is not Lane.AMBIENT]
    names = ["co2", "shoe_size", "smoke", *personal]
    chunk = Chunk()
    for name in names:
        chunk.append(door.table.index(SeriesKey(name, f"d-{name}", "main/1", "m")), NOW_MS, 1.0)
    with structlog.testing.capture_logs() as logs:
        door.gate.readings(chunk)
        door.gate.readings(chunk)
    assert door.passed() == [("d-co2", "co2")] * 2 + [("d-smoke", "smoke")] * 2
    assert all(alarm for _, _, alarm in door.behind.urgents)
    assert door.counters.dropped["quantity_not_registered"] == 2
    assert sum(door.counters.dropped.values()) == 2 * (1 + len(personal))
    assert len(logs) == 3, "each kind is told of once"


@pytest.mark.parametrize(
    ("quantity", "reason"),
    [
        ("body_temperature", "thermometer_without_check"),
        ("body_mass", "not_in_policy"),
        ("steps", "not_in_policy"),
        ("heart_rate", "map_unusable"),
    ],
)
def test_what_is_measured_at_a_body_is_no_reading(quantity: str, reason: str) -> None:
    door = Door()
    door.read(quantity, 80.0)
    assert not door.passed()
    assert door.counters.dropped == {reason: 1}


def test_of_what_people_wear_not_even_the_battery_passes() -> None:
    door = Door(bands={})
    chunk = Chunk()
    for device, names in (
        ("strap-1", ("heart_rate", "battery")),
        ("room", ("smoke", "body_mass", "battery")),
    ):
        for name in names:
            chunk.append(door.table.index(SeriesKey(name, device, "main/1", "m")), NOW_MS, 0.0)
    door.gate.readings(chunk)
    assert door.passed() == [("room", "smoke"), ("room", "battery")]
    assert door.counters.dropped == {"not_in_policy": 1, "device_is_worn": 1, "map_unusable": 1}


def test_a_battery_is_a_bands_as_soon_as_the_band_is_known() -> None:
    door = Door(bands={})
    door.read("battery", 80.0, "later-1")
    door.read("heart_rate", 80.0, "later-1")
    door.read("battery", 79.0, "later-1")
    door.read("battery", 80.0, "later-2")
    door.carriers.add("later-2", "A4:C1:38:00:11:33")
    door.read("battery", 79.0, "later-2")
    assert door.passed() == [("later-1", "battery"), ("later-2", "battery")]
    assert door.counters.dropped["device_is_worn"] == 2


def test_a_danger_in_a_room_is_a_reading_and_a_record_in_one_batch() -> None:
    door = Door()
    door.read("smoke", 1.0, "smoke-1", "main/301")
    [(chunk, records, alarm)] = door.behind.urgents
    assert chunk is not None
    assert len(chunk) == 1
    assert records == (SafetyEvent(NOW_MS, "main/301", "smoke", "smoke-1"),)
    assert alarm


def test_a_call_for_help_of_a_band_tells_who_and_where_but_not_which_band() -> None:
    door = Door(school_map())
    door.read("panic", 1.0)
    door.read("panic", 0.0)
    assert door.behind.urgents == [
        (None, (SafetyEvent(NOW_MS, "main/1", "panic", None, "P-X", "c-1"),), True)
    ]
    assert not door.passed()
    assert door.counters.dropped == {"device_is_worn": 1}


@pytest.mark.parametrize("found", [None, make_map([person(1)], {CARD: 1})], ids=["no map", "not on it"])
def test_a_call_for_help_of_nobody_known_passes_too(found: object) -> None:
    door = Door(found, bands={"band-9": "A4:C1:38:00:99:99"})  # type: ignore[arg-type]  # None or a map
    door.read("heart_rate", 80.0, "strap-2")
    door.read("panic", 1.0, "band-9")
    door.read("panic", 1.0, "strap-2")
    assert door.behind.urgents == [(None, (SafetyEvent(NOW_MS, "main/1", "panic"),), True)] * 2
    assert not door.passed()


def test_an_event_that_is_over_is_not_urgent() -> None:
    door = Door()
    door.read("smoke", 0.0, "smoke-1")
    assert len(door.behind.bulks) == 1
    assert not door.behind.urgents


def test_a_card_is_in_no_log_and_no_text() -> None:
    door = Door(school_map())
    with structlog.testing.capture_logs() as logs:
        for card in (CARD, STRANGER, REFUSING):
            door.check(38.4, card)
            door.tap(card)
        door.gate.refused("station-1", "bad_card", 90)
    text = f"{door.behind.all_records} {door.credentials!r} {logs} {door.counters.drops({})}"
    for card in (CARD, STRANGER, REFUSING):
        assert card not in text


@pytest.mark.parametrize("time_ms", [-1, 32_503_680_000_000])
def test_a_time_that_would_spoil_a_batch_is_refused(time_ms: int) -> None:
    door = Door(school_map())
    door.check(38.4, time_ms=time_ms)
    door.tap(time_ms=time_ms)
    assert not door.behind.all_records
    assert door.counters.dropped == {"time_out_of_bounds": 2}


def test_drops_of_the_gate_and_of_the_buffer_add_up() -> None:
    counters = Counters()
    counters.dropped["disk_full"] = 3
    counters.refused["air-1", "not_json"] = 2
    counters.refused["air-2", "not_json"] = 1
    assert counters.drops({"disk_full": 4, "thinned": 5}) == {"disk_full": 7, "not_json": 3, "thinned": 5}


def test_new_series_are_judged_when_they_come() -> None:
    door = Door()
    for number in range(3):
        door.read("smoke", 1.0, f"smoke-{number}")
    assert len(door.behind.urgents) == 3
