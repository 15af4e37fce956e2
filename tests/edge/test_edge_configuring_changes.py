"""Parts of a gateway that are told other figures while they run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from edge_agent.counters import DeviceCounters
from edge_agent.reporting import ReportRule, WatchedDevice
from edge_agent.uplink.mqtt import MqttUplink
from foundation.broker import BrokerMessage, BrokerSettings, BrokerUnavailableError
from tests.edge.edge_parts import BYTES_MAX, GATEWAY, SCHOOL, FickleBuffer, Outlook, eventually, item
from tests.edge.test_edge_batcher import Line, working
from tests.edge.test_edge_reporting import START_MS, Desk

AIR = WatchedDevice("air-301", "main/301", "json/environment", 0.0)


@pytest.fixture
async def buffer(tmp_path: Path) -> AsyncIterator[FickleBuffer]:
    async with await FickleBuffer.open(tmp_path / "buffer.db", bytes_max=BYTES_MAX) as opened:
        yield opened


def test_a_rule_that_stays_keeps_what_it_has_collected() -> None:
    power = ReportRule(mode="aggregate", quantities=("power",), interval_s=60)
    desk = Desk(power, ReportRule(mode="aggregate", quantities=("voltage",), interval_s=60))
    desk.say("power", 10.0, START_MS)
    desk.say("voltage", 230.0, START_MS)
    desk.reporter.renew((power,), [AIR])
    assert desk.behind.told() == [("voltage", 230.0), ("voltage_min", 230.0), ("voltage_max", 230.0)], (
        "what had been collected under a rule that is gone is handed on"
    )
    desk.say("voltage", 231.0, START_MS + 1)
    assert desk.behind.told()[3:] == [("voltage", 231.0)]
    desk.say("power", 20.0, START_MS + 1_000)
    desk.say("power", 1.0, START_MS + 60_000)
    assert desk.behind.told()[4:] == [("power", 15.0), ("power_min", 10.0), ("power_max", 20.0)]


def test_a_new_rule_holds_for_series_that_were_there_before() -> None:
    desk = Desk()
    desk.say("co2", 600.0, START_MS)
    desk.reporter.renew((ReportRule(mode="on-change", dead_band=20),), [AIR])
    for at in range(1, 4):
        desk.say("co2", 600.0 + at, START_MS + at)
    assert desk.behind.told() == [("co2", 600.0), ("co2", 601.0)]
    assert desk.counters.thinned == 2


def test_of_devices_that_stay_it_is_known_whether_they_are_silent() -> None:
    desk = Desk(after_s=10.0)
    changes = desk.watch.changes(20.0, START_MS)
    assert [one.value for one in changes.readings(desk.table)] == [1.0]
    stays = AIR._replace(silent_after_s=10.0)
    new = WatchedDevice("air-302", "main/302", "json/environment", 10.0)
    desk.watch.renew([stays, new], 20.0)
    assert not desk.watch.changes(21.0, START_MS), "told already; and the new one has time"
    changes = desk.watch.changes(40.0, START_MS)
    assert [one.series.device for one in changes.readings(desk.table)] == ["air-302"]
    desk.watch.renew([stays._replace(place="main/303")], 40.0)
    changes = desk.watch.changes(60.0, START_MS)
    assert [one.series.place for one in changes.readings(desk.table)] == ["main/303"], "another series"
    desk.watch.renew([], 60.0)
    assert not desk.watch.changes(100.0, START_MS)
    desk.watch.heard("air-302", 100.0, START_MS)


def test_figures_of_devices_that_are_gone_are_dropped_and_the_totals_stay() -> None:
    counters = Desk().counters
    counters.devices |= {"old": DeviceCounters(), "new": DeviceCounters()}
    counters.refused["old", "garbled"] += 2
    counters.refused["new", "garbled"] += 3
    counters.refused["unknown", "no_device"] += 4
    before = counters.drops({})
    for _ in range(2):
        counters.forget_devices({"new"})
    assert set(counters.devices) == {"new"}
    assert dict(counters.refused) == {
        ("removed", "garbled"): 2,
        ("new", "garbled"): 3,
        ("unknown", "no_device"): 4,
    }
    assert counters.drops({}) == before


async def test_a_shorter_interval_closes_the_batch_that_is_open(buffer: FickleBuffer) -> None:
    line = Line(buffer, interval_s=3_600.0)
    async with working(line):
        line.read(3)
        line.batcher.tune(interval_s=0.1, readings_max=5_000)
        await eventually(lambda: line.counters.readings_buffered == 3, "it is closed")
        line.batcher.tune(interval_s=3_600.0, readings_max=2)
        line.read(2)
        await eventually(lambda: line.counters.readings_buffered == 5, "and by size")


async def test_another_window_and_a_status_at_once(buffer: FickleBuffer) -> None:
    outlook = Outlook(buffer, window_batches=1)
    await buffer.append([item() for _ in range(4)])
    assert len(await outlook.sent()) == 1
    assert await outlook.sends_nothing()
    outlook.forwarder.tune(window_batches=3, resend_s=3_600, late_after_s=60, status_interval_s=3_600)
    assert len(await outlook.sent()) == 2
    waiting = asyncio.create_task(outlook.forwarder.next(), name="next")
    outlook.forwarder.tell_status()
    (status,) = await waiting
    assert status.leaf == "status"


class Guarded:
    """A link to a broker whose access list does not know the topic of configurations; mosquitto's file of
    topics refuses no subscription.
    """

    def __init__(self, *, refused: bool) -> None:
        self.refused = refused
        self.subscribed: list[str] = []

    async def subscribe(self, filters: Sequence[str], qos: int = 1) -> None:
        if any(one.endswith("/config") for one in filters):
            raise BrokerUnavailableError("subscription refused", refused=self.refused)
        self.subscribed += filters

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        raise AssertionError("nothing is published")

    async def chunks(self) -> AsyncIterator[list[BrokerMessage]]:
        raise BrokerUnavailableError("the end of the test")
        yield []

    overflowed = 0


@pytest.mark.parametrize(("refused", "goes_on"), [(True, True), (False, False)])
async def test_a_broker_that_does_not_grant_the_topic_costs_the_line_nothing(
    buffer: FickleBuffer, *, refused: bool, goes_on: bool
) -> None:
    uplink = MqttUplink(BrokerSettings(host="127.0.0.1", port=1), SCHOOL, GATEWAY)
    link = Guarded(refused=refused)
    with pytest.raises(BrokerUnavailableError, match="the end of the test" if goes_on else "refused"):
        await uplink._session(Outlook(buffer).forwarder, link)
    assert link.subscribed == [f"campus/v1/{SCHOOL}/{GATEWAY}/ack"]
