"""A store that needs a while until what it took is durable: nothing is acknowledged early, nothing waits behind."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from collector.intake import line as line_module
from collector.intake import storing as storing_module
from collector.series.contract import BatchesRefusedError, SeriesBatch, StoreAwayError
from tests.collector.conftest import CO2, SMOKE, Lab, MakeLab, Sender, check, column, eventually


class Slow:
    """Stands before a real store: what it took is durable when the test says so."""

    def __init__(self, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
        self._append = lab.store.append
        self.appended: list[int] = []
        self.durable: list[asyncio.Future[None]] = []
        self.refused: dict[int, str] = {}
        monkeypatch.setattr(lab.store, "append", self.append)

    async def append(self, batches: Sequence[SeriesBatch]) -> Any:
        refused = {
            one.key: self.refused[one.key.sequence] for one in batches if one.key.sequence in self.refused
        }
        if refused:
            raise BatchesRefusedError(refused)
        await self._append(batches)
        self.appended += [batch.key.sequence for batch in batches]
        self.durable.append(asyncio.get_running_loop().create_future())
        return self.durable[-1]


async def settled(lab: Lab) -> None:
    """Time for what should not happen."""
    for _ in range(20):
        await asyncio.sleep(0.005)


async def test_stored_is_said_when_it_is_durable_and_the_next_does_not_wait(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    store = Slow(lab, monkeypatch)
    for sequence in (1, 2, 3):
        await lab.send(sender.batch(sequence, column()))
        await eventually(lambda n=sequence: n in store.appended)  # type: ignore[misc]
    await settled(lab)
    assert lab.stored() == set()
    waiting = lab.line._lanes["bulk"].storing._waiting._queue
    assert [one.batches[0].body.value for one in waiting] == [[], []]  # not kept meanwhile
    await lab.send(sender.batch(2, column()))  # the gateway sends again what it has no answer to
    await settled(lab)
    assert store.appended == [1, 2, 3]
    for durable in store.durable:
        durable.set_result(None)
    await eventually(lambda: lab.stored() == {1, 2, 3})
    await eventually(lambda: lab.count("campus_intake_readings_total") == 3)
    lab.acks.clear()
    await lab.send(sender.batch(2, column()))
    await eventually(lambda: lab.stored() == {2})
    assert store.appended == [1, 2, 3]


async def test_records_without_readings_do_not_wait_for_the_store(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    store = Slow(lab, monkeypatch)
    await lab.send(
        sender.batch(1, stream="urgent", records=[check()]),
        sender.batch(2, column(SMOKE, [1]), stream="urgent"),
    )
    await eventually(lambda: lab.received() == {1, 2} and lab.stored() == {1})
    await eventually(lambda: store.appended == [2])
    store.durable[0].set_result(None)
    await eventually(lambda: lab.stored() == {1, 2})


async def test_what_never_became_durable_is_taken_when_it_comes_again(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "UNAVAILABLE_PAUSE_S", 0.01)
    sender = Sender()
    lab = await make_lab(sender)
    store = Slow(lab, monkeypatch)
    await lab.send(sender.batch(1, column()))
    await eventually(lambda: store.appended == [1])
    store.durable[0].set_exception(StoreAwayError("gone"))
    await eventually(lambda: lab.line.health()["series"] == "gone")
    await lab.send(sender.batch(1, column()))
    await eventually(lambda: len(store.durable) == 2)
    assert lab.stored() == set()
    store.durable[1].set_result(None)
    await eventually(lambda: lab.stored() == {1})
    assert await lab.store.point_count() == 1


async def test_a_batch_the_store_refuses_goes_to_the_dead_letters_at_once(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    store = Slow(lab, monkeypatch)
    store.refused = {2: "a time further ahead than the series store takes"}
    await lab.send(*(sender.batch(n, column(CO2, [float(n)])) for n in (1, 2, 3)))
    await eventually(lambda: lab.rejected() == {2: "not_storable"} and len(store.appended) == 2)
    for durable in store.durable:
        durable.set_result(None)
    await eventually(lambda: lab.stored() == {1, 3})
    assert lab.refused("not_storable") == 1


async def test_groups_that_wait_are_bounded(make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storing_module, "WAITING_MAX", 2)
    sender = Sender()
    lab = await make_lab(sender)
    store = Slow(lab, monkeypatch)
    for sequence in range(1, 9):
        await lab.send(sender.batch(sequence, column()))
        await settled(lab)
    # One is looked at, two wait, one more has been appended and waits for its place.
    assert store.appended == [1, 2, 3, 4]
    while len(lab.stored()) < 8:
        for durable in store.durable:
            if not durable.done():
                durable.set_result(None)
        await asyncio.sleep(0.01)
    assert set(store.appended) == set(range(1, 9))


async def test_a_collector_starts_while_its_store_is_away(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender()
    lab = await make_lab(sender)

    async def away(*_: Any) -> Any:
        raise StoreAwayError("127.0.0.1:8428 cannot be reached")

    with monkeypatch.context() as patched:
        patched.setattr(lab.store, "series", away)
        patched.setattr(lab.store, "append", away)
        await lab.line.load()
        assert "cannot be reached" in lab.line.health()["series"]
        await lab.send(sender.batch(1, column(SMOKE, [1]), stream="urgent", records=[check()]))
        await eventually(lambda: lab.received() == {1})
        assert len(await lab.records.find_alerts()) == 2
    assert lab.stored() == set()
