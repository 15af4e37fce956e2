"""Whatever does not fit is refused with a reason, counted, and answered only where that is safe."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.intake.contract import Incoming
from collector.intake.objections import FUTURE_MS_MAX, GAP_READINGS_MAX, TIME_MS_MIN, at_arrival, objection
from collector.intake.opening import open_some
from collector.intake.registry import Registry
from collector.records import tables
from collector.records.dead_letters import DeadLetter
from collector.records.enrolment import Registered
from telemetry.batch import Body, Gap, Header, decode_body, decode_payload
from telemetry.decoding import INT_MAX
from telemetry.envelope import Kind
from telemetry.quality import ClockQuality
from telemetry.quantities import QUANTITIES, Lane
from telemetry.readings import SeriesKey
from telemetry.topics import Address
from tests.collector.conftest import CO2, NOW_MS, SCHOOL, MakeLab, Sender, check, column, eventually
from tests.collector.record_databases import RecordsDatabase, on_both

Make = Callable[[Sender], Incoming]


def _long(**names: str) -> Make:
    return lambda sender: sender.batch(7, column(CO2._replace(**names)))


def _record(**fields: object) -> Make:
    return lambda sender: sender.batch(7, stream="urgent", records=[check(**fields)])


def _gap(gap: Gap) -> Make:
    return lambda sender: sender.batch(7, column(), gaps=(gap,))


REJECTED: dict[str, tuple[Make, str]] = {
    "long device": (_long(device="x" * 257), "name_not_allowed"),
    "control character": (_long(place="main\n301"), "name_not_allowed"),
    "unknown quantity": (_long(quantity="shoe_size"), "quantity_not_registered"),
    "quantity of a body": (_long(quantity="heart_rate"), "personal_quantity"),
    "long boot id": (lambda sender: sender.batch(7, column(), boot="b" * 65), "name_not_allowed"),
    "long policy": (lambda sender: sender.batch(7, column(), policy="p" * 65), "name_not_allowed"),
    "before 2000": (lambda sender: sender.batch(7, column(time_ms=TIME_MS_MIN - 1)), "time_too_old"),
    "future": (lambda sender: sender.batch(7, column(time_ms=NOW_MS + FUTURE_MS_MAX + 1)), "time_in_future"),
    "negative time": (lambda sender: sender.batch(7, column(time_ms=-5)), "undecodable"),
    "record on bulk": (lambda sender: sender.batch(7, records=[check()]), "record_on_bulk"),
    "long pseudonym": (_record(pseudonym="p" * 65), "bad_pseudonym"),
    "endless symptoms": (_record(symptoms=("cough",) * 50), "name_not_allowed"),
    "no number": (_record(temperature_c=float("nan")), "undecodable"),
    "absurd gap": (_gap(Gap("bulk", "g0", 1, INT_MAX, "dropped", GAP_READINGS_MAX + 1)), "absurd_gap"),
    "gap too rich": (_gap(Gap("bulk", "g0", 1, 1, "dropped", 100_001)), "absurd_gap"),
    "unknown format": (lambda sender: sender.batch(7, column(), format=99), "undecodable"),
    "counts disagree": (lambda sender: sender.batch(7, column(), readings=5), "undecodable"),
}


@pytest.mark.parametrize("name", REJECTED)
async def test_a_known_gateway_is_told_and_the_batch_is_kept(make_lab: MakeLab, name: str) -> None:
    make, reason = REJECTED[name]
    sender = Sender()
    lab = await make_lab(sender)
    bad = make(sender)
    neighbour = sender.batch(8, column(), stream="urgent") if bad.address.leaf == "urgent" else None
    await lab.send(sender.batch(6, column()), bad, neighbour or sender.batch(8, column()))
    await eventually(lambda: lab.rejected() and lab.stored() >= {6, 8})
    assert lab.rejected() == {7: reason}
    assert lab.refused(reason) == 1 == lab.overview.refusals[reason]
    assert [(letter.reason, letter.envelope) for letter in await lab.records.dead_letters()] == [
        (reason, bad.data)
    ]


async def test_times_at_the_bounds_are_taken(make_lab: MakeLab) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    await lab.send(
        sender.batch(1, column(time_ms=TIME_MS_MIN)),
        sender.batch(2, column(time_ms=NOW_MS + FUTURE_MS_MAX)),
        sender.batch(3, column(CO2._replace(device="x" * 256, place="教学楼　301"))),
    )
    await eventually(lambda: lab.stored() == {1, 2, 3})


async def test_a_collector_without_time_judges_no_future(make_lab: MakeLab) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    lab.now_ms = 1_000_000_000_000
    await lab.send(sender.batch(1, column()))
    await eventually(lambda: lab.stored() == {1})


UNSIGNED: dict[str, tuple[Make, str]] = {
    "urgent on batch": (lambda sender: sender.batch(7, stream="urgent", leaf="batch"), "wrong_topic"),
    "bulk on urgent": (lambda sender: sender.batch(7, column(), leaf="urgent"), "wrong_topic"),
    "batch on status": (lambda sender: sender.batch(7, column(), leaf="status"), "wrong_topic"),
    "status on batch": (
        lambda sender: sender.status()._replace(address=Address(SCHOOL, "gw-1", "batch")),
        "wrong_topic",
    ),
    "acknowledgement": (lambda sender: sender.wrap(b"", "batch", Kind.ACK), "wrong_topic"),
    "other topic": (
        lambda sender: sender.batch(7, column())._replace(address=Address(SCHOOL, "gw-2", "batch")),
        "wrong_sender",
    ),
    "header of another": (lambda sender: sender.batch(7, column(), gateway="gw-2"), "wrong_sender"),
    "no topic of ours": (
        lambda sender: sender.batch(7, column())._replace(address=Address("", "", "")),
        "bad_topic",
    ),
    "rubbish": (lambda sender: sender.batch(7)._replace(data=b"rubbish"), "bad_envelope"),
    "forged": (
        lambda sender: sender.batch(7)._replace(data=sender.batch(7).data[:-1] + b"?"),
        "wrong_signature",
    ),
    "status of another": (lambda sender: sender.status(gateway="gw-2"), "wrong_sender"),
    "status with endless reasons": (
        lambda sender: sender.status(dropped={str(n): 1 for n in range(200)}),
        "bad_status",
    ),
    "status no calendar shows": (lambda sender: sender.status(time_ms=10**17), "bad_status"),
    "status with a negative count": (lambda sender: sender.status(buffer_bytes=-1), "bad_status"),
}


@pytest.mark.parametrize("name", UNSIGNED)
async def test_what_a_publisher_can_bring_about_deletes_nothing(make_lab: MakeLab, name: str) -> None:
    """Whoever can publish can put a good batch on a wrong topic: a rejection would delete it."""
    make, reason = UNSIGNED[name]
    sender = Sender()
    lab = await make_lab(sender, Sender("gw-2"))
    await lab.send(make(sender), sender.batch(8, column()))
    await eventually(lambda: lab.refused(reason) == 1 and lab.stored() == {8})
    assert lab.rejected() == {}
    assert await lab.records.dead_letters() == []


async def test_a_repeated_status_does_not_make_a_gateway_look_alive(make_lab: MakeLab) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    first, second = sender.status(), sender.status(time_ms=NOW_MS + 10_000, buffer_batches=2)
    seen = lab.overview.of(SCHOOL, "gw-1")
    await lab.send(first, second)
    await eventually(lambda: seen.status and seen.status.buffer_batches == 2)
    lab.now_ms += 60_000
    await lab.send(first, second, sender.batch(1, column()))
    await eventually(lambda: lab.stored() == {1})
    assert (seen.status_ms, seen.status.buffer_batches) == (NOW_MS, 2)
    await lab.send(sender.status(started_ms=NOW_MS + 5, time_ms=NOW_MS, buffer_batches=0))
    await eventually(lambda: seen.status.buffer_batches == 0, "a gateway that has started again")


async def test_names_invented_by_strangers_silence_nothing(
    make_lab: MakeLab, capsys: pytest.CaptureFixture[str]
) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    await lab.send(*(Sender(f"stranger-{n}").batch(1, column()) for n in range(300)))
    await lab.send(*2 * [sender.batch(7, column(), boot="b" * 65)])
    await eventually(lambda: lab.refused("name_not_allowed") == 2 and lab.refused("unknown_key") == 300)
    lines = capsys.readouterr().out.splitlines()
    assert len([line for line in lines if "unknown_key" in line]) == 100, "bounded"
    assert len([line for line in lines if "name_not_allowed" in line]) == 1, "once, in spite of that"


def test_no_quantity_of_the_personal_lane_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    personal = QUANTITIES["co2"]._replace(name="personal_example", lane=Lane.PERSONAL)
    monkeypatch.setitem(QUANTITIES, "personal_example", personal)
    message = Sender().batch(1, column(SeriesKey("personal_example", "band", "gym")))
    header, packed = decode_payload(message.data[76:])
    found = objection(header, decode_body(header, packed))
    assert found is not None
    assert found[0] == "personal_quantity"


@pytest.fixture(scope="module")
def registry_parts() -> tuple[Sender, Registry]:
    sender = Sender()
    registry = Registry(None)  # type: ignore[arg-type]  # never refreshed here
    registry._take(Registered([sender.row], [], []))
    return sender, registry


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_opening_takes_any_bytes(registry_parts: tuple[Sender, Registry], data: st.DataObject) -> None:
    """Signed rubbish and mutilated batches are refused; the sound message beside them is not."""
    sender, registry = registry_parts
    payload = bytearray(
        sender.batch(1, column(values=[1, 2.5, 3]), stream="urgent", records=[check()]).data[76:]
    )
    for at in data.draw(st.lists(st.integers(0, len(payload) - 1), max_size=4)):
        payload[at] = data.draw(st.integers(0, 255))
    cut = payload[: data.draw(st.integers(0, len(payload)))]
    messages = [
        sender.wrap(bytes(cut), "urgent"),
        sender.wrap(data.draw(st.binary(max_size=60)), "status", Kind.STATUS),
        sender.batch(2, column()),
    ]
    opening = open_some(messages, registry, NOW_MS)
    assert opening.taken == 3
    assert len(opening.batches) + len(opening.refused) + len(opening.statuses) == 3
    assert any(batch.header.sequence == 2 and batch.header.stream == "bulk" for batch in opening.batches)
    assert not [one for one in opening.refused if one.reason == "fault"]


async def test_an_unreadable_registration_harms_no_other(make_lab: MakeLab) -> None:
    broken, sender = Sender("gw-0"), Sender()
    broken.row = dataclasses.replace(broken.row, public_key="rubbish")
    lab = await make_lab(broken, sender)
    await lab.send(broken.batch(1, column()), sender.batch(2, column()))
    await eventually(lambda: lab.stored() == {2} and lab.refused("unknown_key") == 1)


@pytest.mark.parametrize(("bound", "most"), [("OPENED_READINGS_MAX", 5), ("OPENED_SERIES_MAX", 2)])
def test_a_chunk_is_opened_in_parts_when_it_holds_many_readings_or_series(
    registry_parts: tuple[Sender, Registry], monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    sender, registry = registry_parts
    monkeypatch.setattr(f"collector.intake.opening.{bound}", most)
    messages = [sender.batch(n, column(values=[1, 2, 3])) for n in range(1, 6)]
    taken = []
    while messages:
        opening = open_some(messages, registry, NOW_MS)
        taken.append(opening.taken)
        messages = messages[opening.taken :]
    assert taken == [2, 2, 1]


times = st.lists(st.integers(0, INT_MAX), min_size=1, max_size=5)


@given(readings=times, records=times)
def test_a_batch_moved_to_its_arrival_ends_now(readings: list[int], records: list[int]) -> None:
    header = Header(1, SCHOOL, "gw", "urgent", "g", 1, 0, ClockQuality.UNSYNCED, "", "", len(readings), 0)
    body = Body([CO2], [len(readings)], readings, [1.0] * len(readings), [0] * len(readings), [])
    body = body._replace(records=[check(time_ms=time_ms) for time_ms in records])
    moved_header, moved = at_arrival(header, body, NOW_MS)
    found = [*moved.time_ms, *(record.time_ms for record in moved.records)]
    assert max(found) == NOW_MS
    assert min(found) >= TIME_MS_MIN
    assert moved_header.clock == ClockQuality.UNSYNCED


@on_both
async def test_dead_letters_are_bounded_in_number_and_in_bytes(
    database: RecordsDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = database.open()
    letter = partial(DeadLetter, 1, SCHOOL, "gw-1", "undecodable")
    monkeypatch.setattr("collector.records.dead_letters.DEAD_LETTERS_MAX", 5)
    monkeypatch.setattr("collector.records.dead_letters.DEAD_LETTERS_BYTES_MAX", 100)
    for n in range(8):
        await records.add_dead_letters([letter(f"letter {n}", b"x")])
    assert [one.detail for one in await records.dead_letters()] == [f"letter {n}" for n in range(7, 2, -1)]
    await records.add_dead_letters([letter("large", bytes(98))])
    assert [one.detail for one in await records.dead_letters()] == ["large", "letter 7", "letter 6"]
    await records.add_dead_letters([letter("too large", bytes(101))])
    assert await records.dead_letters() == []
    await records.close()
    assert tables.DEAD_LETTERS_BYTES_MAX >= 4 * 1024 * 1024, "the largest envelope fits"
