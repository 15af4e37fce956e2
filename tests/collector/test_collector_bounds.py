"""What one gateway may make the collector remember, and what a group may do to a member."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from collector.intake.marks import Marks
from collector.intake.opening import Opened
from collector.intake.quotas import HOLES_MAX, Quotas
from collector.intake.suspects import FAILURES_MAX, Suspects
from collector.records import StreamKey, StreamMarks
from telemetry.batch import Body, Header
from telemetry.quality import ClockQuality
from telemetry.ranges import RangeSet
from telemetry.topics import Address
from tests.collector.conftest import CO2, SCHOOL, MakeLab, Sender, column, eventually


def opened(
    sequence: int, generation: str = "g1", gateway: str = "gw-1", devices: Sequence[str] = ()
) -> Opened:
    header = Header(
        1, SCHOOL, gateway, "bulk", generation, sequence, 0, ClockQuality.SYNCED, "", "", len(devices), 0
    )
    series = [CO2._replace(device=device) for device in devices]
    count = len(devices)
    body = Body(series, [1] * count, [1] * count, [1.0] * count, [0] * count, [])
    key = StreamKey(SCHOOL, gateway, "bulk", generation)
    return Opened(Address(SCHOOL, gateway, "batch"), key, header, body, b"")


def test_series_are_bounded_for_each_gateway_by_itself() -> None:
    quotas = Quotas(Marks(), series_max=3)
    assert quotas.objection(opened(1, devices=["a", "b"])) is None
    against = quotas.objection(opened(2, devices=["c", "d"]))
    assert against is not None
    assert against[0] == "too_many_series"
    assert quotas.objection(opened(3, devices=["a", "c"])) is None, "a refused batch has used nothing up"
    assert quotas.objection(opened(4, devices=["a", "b", "c"])) is None
    assert quotas.objection(opened(1, gateway="gw-2", devices=["d", "e", "f"])) is None


def test_a_batch_does_not_name_more_series_than_a_gateway_may_have() -> None:
    quotas = Quotas(Marks(), series_max=3)
    against = quotas.objection(opened(1, devices=["a"] * 4))
    assert against is not None
    assert against[0] == "too_many_series"


def test_generations_are_bounded_and_known_ones_go_on() -> None:
    marks = Marks()
    quotas = Quotas(marks, generations_max=2)
    for generation in ("g1", "g2"):
        assert quotas.objection(opened(1, generation)) is None
        marks.keep("stored", marks.after("stored", [opened(1, generation)]))
    against = quotas.objection(opened(1, "g3"))
    assert against is not None
    assert against[0] == "too_many_generations"
    assert quotas.objection(opened(2, "g2")) is None
    assert quotas.objection(opened(1, "g3", "gw-2")) is None


def test_holes_are_bounded() -> None:
    marks = Marks()
    odd = RangeSet((number, number) for number in range(1, 2 * HOLES_MAX + 3, 2))
    marks.load({opened(1).key: StreamMarks(stored=odd)})
    against = Quotas(marks).objection(opened(10**6))
    assert against is not None
    assert against[0] == "too_many_holes"


async def test_the_bounds_are_known_again_after_a_restart(make_lab: MakeLab) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    await lab.send(*(sender.batch(n, column(CO2._replace(device=f"air-{n}"))) for n in (1, 2)))
    await eventually(lambda: lab.stored() == {1, 2})
    marks = Marks()
    marks.load(await lab.records.load_streams())
    quotas = Quotas(marks, series_max=2, generations_max=1)
    await quotas.load(lab.store)
    assert quotas.objection(opened(3, devices=["air-3"])) is not None
    assert quotas.objection(opened(4, "g2")) is not None


async def test_a_batch_beyond_a_bound_is_rejected_and_kept(make_lab: MakeLab) -> None:
    sender = Sender()
    lab = await make_lab(sender)
    lab.line._quotas._series_max = 1
    await lab.send(sender.batch(1, column()), sender.batch(2, column(CO2._replace(device="air-2"))))
    await eventually(lambda: lab.stored() == {1} and lab.rejected() == {2: "too_many_series"})
    assert len(await lab.records.dead_letters()) == 1


def test_marks_in_memory_change_only_when_kept() -> None:
    marks = Marks()
    changed = marks.after("received", [opened(1), opened(2)])
    assert not marks.has("received", opened(1))
    assert marks.is_new(opened(1).key)
    marks.keep("received", changed)
    assert marks.has("received", opened(2))
    assert not marks.has("stored", opened(2))
    marks.keep("stored", marks.after("stored", [opened(2)]))
    assert marks.has("received", opened(1)), "one kind of mark leaves the other alone"


@given(st.lists(st.sampled_from(["other stored", "failed"]), max_size=60))
def test_a_batch_is_blamed_only_for_failures_between_successes(story: list[str]) -> None:
    suspects, suspect, other = Suspects(), opened(1), opened(2)
    counted, fresh, blamed = 0, True, False
    for event in story:
        if event == "failed":
            counted += fresh
            fresh = False
            blamed = suspects.failed(suspect)
            assert blamed == (counted > FAILURES_MAX)
            if blamed:
                return
        else:
            suspects.stored([other])
            fresh = True
    assert not blamed


def test_a_batch_that_is_stored_is_suspected_no_more() -> None:
    suspects = Suspects()
    for number in range(20):
        assert not suspects.failed(opened(1))
        suspects.stored([opened(1)] if number % 3 == 0 else [opened(2)])
    assert not suspects.failed(opened(3))
    assert suspects.in_order([opened(3), opened(2)])[0] == opened(2)
