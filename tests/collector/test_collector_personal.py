"""Records of every type: kept with what they say, written once, refused where nothing can mean them."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from collector.intake.objections import at_arrival
from collector.intake.record_bounds import record_objection
from collector.records import tombstones
from collector.records.tables import RECORD_TABLES
from collector.scenarios.health import FeverRule
from collector.scenarios.safety import SafetyRule
from telemetry.batch import Body, Header
from telemetry.limits import default_limits
from telemetry.quality import ClockQuality
from telemetry.records import (
    RECORD_TYPES,
    AccessEvent,
    Danger,
    HeartRateWindow,
    MealRecord,
    Record,
    SafetyEvent,
    name_of,
)
from tests.collector.conftest import (
    CO2,
    NOW_MS,
    PSEUDONYM,
    SMOKE,
    Lab,
    MakeLab,
    Sender,
    check,
    column,
    eventually,
)
from tests.collector.kept_records import RECORDS, WHO
from tests.collector.record_databases import on_both

DAY_MS = 86_400_000
BARE: tuple[Record, ...] = (
    check(pseudonym=None, class_id=None),
    AccessEvent(NOW_MS, "gate-1", "gate/east"),
    HeartRateWindow(NOW_MS, "sports", 151.5, 140.0, 163.0, 15),
    MealRecord(NOW_MS, "counter-1", "canteen/1", "other"),
    SafetyEvent(NOW_MS, "main/301", "smoke", "smoke-301"),
)
BY_TYPE = [pytest.param(one, id=name_of(one)) for one in RECORDS]


async def rows(lab: Lab, name: str) -> list[dict[str, Any]]:
    table = RECORD_TABLES[name]

    def work(connection: Connection) -> list[dict[str, Any]]:
        return [dict(row) for row in connection.execute(select(table).order_by(table.c.id)).mappings()]

    return await lab.records.run(work)


def test_every_type_has_a_table_with_a_column_a_field() -> None:
    assert set(RECORD_TABLES) == set(RECORD_TYPES) == set(map(name_of, RECORDS))
    for name, table in RECORD_TABLES.items():
        fields = {field.name for field in msgspec.structs.fields(RECORD_TYPES[name].type)}
        assert fields <= set(table.c.keys())


@on_both
@pytest.mark.parametrize("given_records", [RECORDS, BARE], ids=["whole", "bare"])
async def test_a_batch_of_all_types_is_kept_as_it_was_sent(
    make_lab: MakeLab, given_records: tuple[Record, ...]
) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    await lab.send(sender.batch(1, stream="urgent", records=given_records))
    await eventually(lambda: lab.stored() == {1})
    for position, record in enumerate(given_records):
        (row,) = await rows(lab, name_of(record))
        expected = msgspec.structs.asdict(record)
        if "symptoms" in expected:
            expected["symptoms"] = ",".join(expected["symptoms"])
        assert {name: row[name] for name in expected} == expected
        assert (row["sequence"], row["position"], row["gateway"]) == (1, position, "gw-1")
        assert row["clock"] == ClockQuality.SYNCED
    assert lab.count("campus_intake_records_total") == 5


@on_both
async def test_a_batch_that_comes_again_is_written_once_even_when_its_marks_are_lost(
    make_lab: MakeLab,
) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    await lab.send(*(sender.batch(n, stream="urgent", records=RECORDS) for n in (1, 1, 2)))
    await eventually(lambda: lab.stored() == {1, 2})
    lab.line._marks.load({})
    lab.acks.clear()
    await lab.send(sender.batch(1, stream="urgent", records=RECORDS))
    await eventually(lambda: lab.received() == {1})
    for name in RECORD_TABLES:
        assert [row["sequence"] for row in await rows(lab, name)] == [1, 2], name
    assert len(await lab.records.find_alerts()) == 4, "a fever and a panic each"


@on_both
async def test_a_carried_button_raises_an_alert_with_pseudonym_and_class_and_without_a_device(
    make_lab: MakeLab,
) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    await lab.send(sender.batch(1, stream="urgent", records=[RECORDS[4]]))
    await eventually(lambda: lab.received() == {1})
    (alert,) = await lab.records.find_alerts()
    assert (alert.kind, alert.device, alert.pseudonym, alert.class_id) == ("panic", None, PSEUDONYM, "3-2")
    assert alert.record_type == "safety_event"


def _body(records: list[Record], *columns: Any) -> Body:
    return Body(
        [one[0] for one in columns],
        [len(one[1]) for one in columns],
        [time_ms for one in columns for time_ms in one[1]],
        [value for one in columns for value in one[2]],
        [0] * sum(len(one[1]) for one in columns),
        records,
    )


def test_an_event_and_the_reading_beside_it_are_one_alert() -> None:
    event = SafetyEvent(NOW_MS, "main/301", "smoke", "smoke-301")
    found = list(SafetyRule().findings(_body([event], column(SMOKE, [1]))))
    assert [(one.kind, one.cause) for one in found] == [("smoke", "record:0")]


@pytest.mark.parametrize(
    "other",
    [
        column(SMOKE, [1], NOW_MS + 1),
        column(SMOKE._replace(device="smoke-302"), [1]),
        column(SMOKE._replace(quantity="gas_alarm"), [1]),
    ],
    ids=["another time", "another device", "another danger"],
)
def test_a_reading_that_no_event_covers_is_an_alert_of_its_own(other: Any) -> None:
    event = SafetyEvent(NOW_MS, "main/301", "smoke", "smoke-301")
    assert len(list(SafetyRule().findings(_body([event], other)))) == 2


def test_a_fever_is_looked_for_in_morning_checks_only() -> None:
    assert [one.cause for one in FeverRule(default_limits()).findings(_body(list(RECORDS)))] == ["record:0"]


@pytest.mark.parametrize("record", BY_TYPE)
@pytest.mark.parametrize(
    "pseudonym",
    [PSEUDONYM[:-1], PSEUDONYM + "0", PSEUDONYM.lower(), "I" + PSEUDONYM[1:], PSEUDONYM[:-1] + "\n", ""],
)
def test_only_a_pseudonym_is_taken_for_one(record: Record, pseudonym: str) -> None:
    changed = msgspec.structs.replace(record, pseudonym=pseudonym)
    assert (record_objection(changed) or ("",))[0] == "bad_pseudonym"


@pytest.mark.parametrize("record", BY_TYPE)
def test_texts_are_bounded_and_plain(record: Record) -> None:
    assert record_objection(record) is None
    for field, chars_max in (("place", 256), ("class_id", 64), ("device", 256)):
        if field in record.__struct_fields__:
            for text, fits in (("x" * chars_max, True), ("x" * (chars_max + 1), False), ("a\x00", False)):
                changed = msgspec.structs.replace(record, **{field: text})
                assert (record_objection(changed) is None) == fits, (field, text)


@pytest.mark.parametrize(
    ("record", "field", "bad"),
    [
        (RECORDS[0], "temperature_c", (1e9, -51.0)),
        (RECORDS[0], "ambient_c", (1e9, float("inf"))),
        (RECORDS[1], "door", (-1, 2**63)),
        (RECORDS[2], "mean_bpm", (-0.5, 401.0)),
        (RECORDS[2], "min_bpm", (-1.0, 164.0)),
        (RECORDS[2], "max_bpm", (401.0, 139.0)),
        (RECORDS[2], "samples", (0, 2**40)),
        (RECORDS[2], "contact", (-0.01, 1.01)),
        (RECORDS[2], "above_limit_s", (-1.0, 15.1)),
        (RECORDS[3], "mass_g", (1e7, -1_001.0)),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_numbers_that_nothing_can_have_measured(record: Record, field: str, bad: tuple[float, ...]) -> None:
    for value in bad:
        changed = msgspec.structs.replace(record, **{field: value})
        assert (record_objection(changed) or ("",))[0] == "number_out_of_bounds", value


@given(st.sampled_from(RECORDS + BARE), st.integers(-(10**9), 10**9))
def test_at_arrival_moves_every_type_and_nothing_else(record: Record, shift_ms: int) -> None:
    moved = msgspec.structs.replace(record, time_ms=NOW_MS + shift_ms)
    header = Header(1, "s", "g", "urgent", "g1", 1, NOW_MS, ClockQuality.SYNCED, "b", "p", 0, 2)
    later = msgspec.structs.replace(moved, time_ms=moved.time_ms - 500)
    header, body = at_arrival(header, _body([moved, later], column(CO2, [600.0], 0)), NOW_MS)
    assert [one.time_ms for one in body.records] == [NOW_MS, NOW_MS - 500]
    assert msgspec.structs.replace(body.records[0], time_ms=0) == msgspec.structs.replace(record, time_ms=0)
    assert header.clock == ClockQuality.UNSYNCED


@on_both
async def test_what_comes_of_somebody_who_was_erased_is_dropped_and_acknowledged(make_lab: MakeLab) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    await lab.records.run(lambda connection: tombstones.add(connection, [PSEUDONYM], NOW_MS, for_ever=True))
    other = check(36.5, pseudonym=PSEUDONYM[::-1])
    await lab.send(sender.batch(1, stream="urgent", records=[*RECORDS, other]))
    await eventually(lambda: lab.stored() == {1})
    assert [row["pseudonym"] for row in await rows(lab, "morning_check")] == [PSEUDONYM[::-1]]
    for name in set(RECORD_TABLES) - {"morning_check"}:
        assert await rows(lab, name) == []
    assert lab.count("campus_intake_records_dropped_total", reason="erased") == 5
    alerts = await lab.records.find_alerts()
    assert {one.kind for one in alerts} == {"fever", "panic"}, "somebody needs help, whoever it is"
    assert {(one.pseudonym, one.class_id, one.value) for one in alerts} == {(None, None, None)}


@on_both
async def test_a_consent_given_anew_counts_once_no_gateway_can_be_behind(make_lab: MakeLab) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    erased_ms = NOW_MS - 8 * DAY_MS
    await lab.records.run(
        lambda connection: tombstones.add(connection, [PSEUDONYM], erased_ms, for_ever=False)
    )
    stale = AccessEvent(erased_ms + tombstones.UNHEARD_MS, "gate-1", "gate/east", None, **WHO)
    anew = msgspec.structs.replace(stale, time_ms=stale.time_ms + 1)
    await lab.send(sender.batch(1, stream="urgent", records=[stale, anew]))
    await eventually(lambda: lab.stored() == {1})
    assert [row["time_ms"] for row in await rows(lab, "access_event")] == [anew.time_ms]


@on_both
async def test_a_batch_from_before_the_holidays_brings_nothing_that_is_over_its_time(
    make_lab: MakeLab,
) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    old = [msgspec.structs.replace(one, time_ms=NOW_MS - 31 * DAY_MS) for one in RECORDS]
    await lab.send(sender.batch(1, stream="urgent", records=old))
    await eventually(lambda: lab.stored() == {1})
    kept = {name: len(await rows(lab, name)) for name in RECORD_TABLES}
    assert kept == {
        "morning_check": 0, "access_event": 0, "heart_rate_window": 0, "meal_record": 1, "safety_event": 1,
    }  # fmt: skip
    assert lab.count("campus_intake_records_dropped_total", reason="over_retention") == 3
    fever = next(one for one in await lab.records.find_alerts() if one.kind == "fever")
    assert (fever.value, fever.pseudonym) == (None, None)


def test_the_dangers_are_urgent_quantities() -> None:
    for danger in get_args(Danger):
        event = SafetyEvent(NOW_MS, "main/301", danger, "d")
        (found,) = SafetyRule().findings(_body([event]))
        assert (found.kind, found.unit, found.value) == (danger, "bool", 1.0)
