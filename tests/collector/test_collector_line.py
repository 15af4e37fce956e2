"""The batch line: what is acknowledged when, and what one lane or batch may do to another."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from collector.intake import line as line_module
from collector.intake.contract import Incoming
from collector.intake.lane_queue import LaneQueue
from collector.scenarios import Finding
from telemetry.batch import Body
from telemetry.quality import ClockQuality
from telemetry.topics import Address
from tests.collector.conftest import NOW_MS, SMOKE, MakeLab, Sender, check, column, eventually
from tests.collector.record_databases import on_both


@on_both
async def test_a_batch_counts_once_however_often_it_comes(make_lab: MakeLab) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    batch = sender.batch(1, column(values=[600, 601]))
    await lab.send(batch, batch)
    await eventually(lambda: lab.stored() == {1})
    lab.acks.clear()
    await lab.send(batch)
    await eventually(lambda: lab.stored() == {1})
    assert await lab.store.point_count() == 2
    assert lab.count("campus_intake_readings_total") == 2
    assert lab.overview.of(sender.school, sender.gateway).readings_stored == 2


@on_both
async def test_the_same_finding_alerts_once_although_the_marks_are_lost(make_lab: MakeLab) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    urgent = sender.batch(1, column(SMOKE, [1]), stream="urgent", records=[check()])
    await lab.send(urgent, urgent)
    await eventually(lambda: lab.stored() == {1})
    lab.line._marks.load({})
    lab.acks.clear()
    await lab.send(urgent)
    await eventually(lambda: lab.stored() == {1} and lab.received() == {1})
    assert sorted(alert.kind for alert in await lab.records.find_alerts()) == ["fever", "smoke"]
    assert lab.count("campus_intake_records_total") == 1


async def test_alerts_do_not_wait_for_the_series_store(make_lab: MakeLab) -> None:
    """Nor for the batch before it, nor for a bulk lane that is full."""
    sender = Sender()
    lab = await make_lab(sender)
    lab.store.hold = asyncio.Event()
    bulk = [sender.batch(n, column()) for n in range(1, 300)]
    flood = asyncio.create_task(lab.send(*bulk), name="flood")
    for sequence in (1, 2, 3):
        urgent = sender.batch(sequence, column(SMOKE, [1]), stream="urgent", records=[check()])
        await lab.send(urgent)
        await eventually(lambda n=sequence: n in lab.received())  # type: ignore[misc]
    assert len(await lab.records.find_alerts()) == 6
    assert lab.stored() == set()
    lab.store.hold.set()
    await eventually(lambda: lab.stored() >= set(range(1, 300)))
    await flood


async def test_nothing_is_stored_or_said_while_the_store_is_away(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "UNAVAILABLE_PAUSE_S", 0.01)
    sender = Sender()
    lab = await make_lab(sender)
    lab.store.away = True
    urgent = sender.batch(1, column(SMOKE, [1]), stream="urgent", records=[check()])
    await lab.send(sender.batch(1, column()), sender.batch(2, column()), urgent)
    await eventually(lambda: lab.line.health()["series"] != "ok" and lab.received() == {1})
    assert lab.stored() == set()
    assert lab.line.health()["records"] == "ok"
    await eventually(lambda: lab.count("campus_intake_given_back_total", reason="series") == 3)
    lab.store.away = False
    again = [sender.batch(n, column()) for n in (1, 2)]
    await lab.send(*again, urgent)
    await eventually(lambda: lab.count("campus_intake_batches_total", outcome="stored") == 3)
    assert lab.stored() == {1, 2}
    assert lab.line.health()["series"] == "ok"
    assert await lab.store.point_count() == 3


async def test_a_batch_no_store_takes_is_set_aside_and_harms_no_other(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "UNAVAILABLE_PAUSE_S", 0.01)
    sender = Sender()
    lab = await make_lab(sender)
    lab.store.poison = frozenset({1, 2, 3, 4})

    def settled() -> float:
        given_back: float = lab.count("campus_intake_given_back_total", reason="series")
        return len(lab.stored()) + len(lab.rejected()) + given_back

    sent = 0
    for sequence in itertools.count(10, 3):
        good = [sender.batch(n, column()) for n in range(sequence, sequence + 3)]
        poison = [sender.batch(n, column()) for n in sorted(lab.store.poison - set(lab.rejected()))]
        if not poison:
            break
        assert sequence < 100, "never set aside"
        await lab.send(*poison, *good)
        sent += len(poison) + len(good)
        await eventually(lambda n=sent: settled() >= n)  # type: ignore[misc]
    assert set(lab.rejected().values()) == {"not_storable"}
    assert not lab.stored() & lab.store.poison
    assert {letter.reason for letter in await lab.records.dead_letters()} == {"not_storable"}


async def test_a_store_that_takes_nothing_blames_no_batch(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "UNAVAILABLE_PAUSE_S", 0.0)
    sender = Sender()
    lab = await make_lab(sender)
    lab.store.away = True
    for number in range(20):
        await lab.send(sender.batch(1, column()), sender.batch(2, column()))
        given_back = 2 * (number + 1)
        await eventually(
            lambda n=given_back: lab.count("campus_intake_given_back_total", reason="series") >= n  # type: ignore[misc]
        )
    assert lab.rejected() == {}


@on_both
async def test_a_row_the_database_refuses_costs_only_its_own_batch(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No such row passes the objections today: checks are switched off to have one."""
    monkeypatch.setattr("telemetry.packed.is_finite", lambda record: True)
    monkeypatch.setattr("collector.intake.objections.record_objection", lambda record: None)
    sender = Sender()
    lab = await make_lab(sender)
    bad = sender.batch(2, stream="urgent", records=[check(temperature_c=float("nan"))])
    good = [sender.batch(n, stream="urgent", records=[check()]) for n in (1, 3)]
    await lab.send(good[0], bad, good[1])
    await eventually(lambda: lab.stored() == {1, 3} and lab.rejected() == {2: "not_storable"})
    assert len(await lab.records.find_alerts()) == 2
    assert [letter.envelope for letter in await lab.records.dead_letters()] == [bad.data]


async def test_a_rule_that_fails_costs_neither_record_nor_line(make_lab: MakeLab) -> None:
    class Broken:
        def findings(self, body: Body) -> Iterator[Finding]:
            raise ZeroDivisionError

    sender = Sender()
    lab = await make_lab(sender, rules=[Broken()])
    await lab.send(sender.batch(1, stream="urgent", records=[check()]))
    await eventually(lambda: lab.stored() == {1})
    assert lab.count("campus_intake_records_total") == 1
    assert lab.count("campus_rule_failures_total", rule="Broken") == 1


async def test_the_line_survives_a_fault_of_its_own(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "UNAVAILABLE_PAUSE_S", 0.01)
    sender = Sender()
    lab = await make_lab(sender)
    objection = lab.line._quotas.objection

    def faulty(batch: Any) -> Any:
        if batch.header.sequence == 1:
            raise KeyError("made to fail")
        return objection(batch)

    monkeypatch.setattr(lab.line._quotas, "objection", faulty)
    await lab.send(sender.batch(1, column()))
    await eventually(lambda: lab.line.health()["line"].startswith("KeyError in test_collector_line.py:"))
    await lab.send(sender.batch(2, column()))
    await eventually(lambda: lab.stored() == {2} and lab.line.health()["line"] == "ok")


async def test_an_urgent_batch_without_time_still_alerts_at_its_arrival(make_lab: MakeLab) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    late = check(time_ms=70_000)
    smoke = column(SMOKE, [0, 1], time_ms=60_000)
    await lab.send(
        sender.batch(
            1, smoke, stream="urgent", records=[late], time_base_ms=60_000, clock=ClockQuality.UNSYNCED
        )
    )
    await eventually(lambda: lab.stored() == {1})
    at = {alert.kind: alert.at_ms for alert in await lab.records.find_alerts()}
    assert at == {"fever": NOW_MS, "smoke": NOW_MS - 10_000}
    (info,) = await lab.store.series()
    assert info.latest.quality >> 4 == ClockQuality.UNSYNCED


@on_both
async def test_a_revoked_gateway_is_refused_and_an_added_one_taken_while_running(make_lab: MakeLab) -> None:
    sender, other = Sender(), Sender("gw-2")
    lab = await make_lab(sender)
    await lab.send(sender.batch(1, column()), other.batch(1, column()))
    await eventually(lambda: lab.stored() == {1} and lab.refused("unknown_key") == 1)
    lab.records.add_gateway(other.row)
    lab.records.revoke_gateway(sender.school, sender.gateway, NOW_MS)
    numbers = itertools.count(2)

    async def exchanged() -> None:
        while not (lab.refused("revoked") and lab.count("campus_intake_batches_total", outcome="stored") > 3):
            number = next(numbers)
            await lab.send(sender.batch(number, column()), other.batch(number, column()))
            await asyncio.sleep(0.1)

    await asyncio.wait_for(exchanged(), 20)
    assert lab.rejected() == {}, "a revoked gateway keeps what it has"


async def test_strangers_cost_no_query_each(make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = await make_lab(Sender())
    await lab.line.registry.refresh()
    asked = 0
    look = lab.records.look

    async def counted(work: Any) -> Any:
        nonlocal asked
        asked += 1
        return await look(work)

    monkeypatch.setattr(lab.records, "look", counted)
    monkeypatch.setattr("collector.intake.registry.REFRESH_S", 1e9)
    for n in range(300):
        await lab.send(Sender(f"stranger-{n}").batch(1, column()))
    await eventually(lambda: lab.refused("unknown_key") == 300)
    assert asked == 0
    assert lab.overview._gateways == {}, "nothing is remembered of strangers"
    assert await lab.records.dead_letters() == []


async def test_a_full_lane_waits_in_messages_and_in_bytes() -> None:
    async def answer(address: Address, data: bytes) -> None: ...

    queue = LaneQueue(messages_max=3, bytes_max=100)
    small = Incoming(Address("s", "g", "batch"), b"x")
    for _ in range(3):
        await queue.put([small], answer)
    waiting = asyncio.create_task(queue.put([small], answer), name="put")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done()
    assert len((await queue.take())[answer]) == 3
    await waiting
    await queue.put([small._replace(data=bytes(200))], answer)
    waiting = asyncio.create_task(queue.put([small], answer), name="put")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done(), "201 bytes wait already"
    await queue.take()
    await waiting
    assert (len(queue), queue.bytes) == (1, 1)


async def test_a_chunk_that_is_longer_than_a_lane_passes_in_parts() -> None:
    """Whoever waits for the first message is told before there is no room for the last."""

    async def answer(address: Address, data: bytes) -> None: ...

    queue = LaneQueue(messages_max=3)
    taking = asyncio.create_task(queue.take(), name="take")
    await asyncio.sleep(0)
    message = Incoming(Address("s", "g", "batch"), b"x")
    putting = asyncio.create_task(queue.put([message] * 5, answer), name="put")
    async with asyncio.timeout(20):
        assert len((await taking)[answer]) == 3
        await putting
    assert (len(queue), queue.bytes) == (2, 2)


async def test_gateways_take_turns() -> None:
    async def answer(address: Address, data: bytes) -> None: ...

    queue = LaneQueue()
    sent = [Incoming(Address("s", gateway, "urgent"), data) for gateway, data in
            [("busy", b"%d" % number) for number in range(100)] + [("quiet", b"a"), ("quiet", b"b")]]  # fmt: skip
    await queue.put(sent, answer)
    first, rest = [(await queue.take())[answer] for _ in range(2)]
    assert [one.data for one in first[:5]] == [b"0", b"a", b"1", b"b", b"2"]
    assert [one.data for one in first + rest if one.address.gateway == "busy"] == [
        b"%d" % number for number in range(100)
    ]
    assert (len(queue), queue.bytes, queue.wait_s) == (0, 0, 0.0)
