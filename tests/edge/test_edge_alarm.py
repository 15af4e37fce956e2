"""The local alarm with a real broker, as a siren sees it."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path

from edge_agent.alarm import WATCHED_MAX, LocalAlarm
from edge_agent.buffer.contract import BatchId
from edge_agent.counters import Counters
from foundation.broker import BrokerSettings
from telemetry.ack import Rejection
from telemetry.ranges import RangeSet
from tests.conftest import Mosquitto
from tests.edge.edge_parts import BYTES_MAX, WAIT_S_MAX, FickleBuffer, Outlook, eventually, item

TOPIC = "campus/local/gw-test/alarm"


async def state(broker: Mosquitto) -> dict[str, object]:
    """The retained message."""
    command = ["mosquitto_sub", "-p", str(broker.port), "-t", TOPIC, "-C", "1", "-W", str(int(WAIT_S_MAX))]
    answer = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
    found: dict[str, object] = json.loads(answer.stdout or b"{}")
    return found


async def says(broker: Mosquitto, wanted: dict[str, object]) -> None:
    async with asyncio.timeout(WAIT_S_MAX):
        while await state(broker) != wanted:
            pass


async def test_raised_cleared_and_told_again_to_a_restarted_broker(mosquitto: Mosquitto) -> None:
    alarm = LocalAlarm(Counters(), after_s=0.05, topic=TOPIC)
    settings = BrokerSettings(host=mosquitto.host, port=mosquitto.port)
    tasks = [
        asyncio.create_task(alarm.run(), name="alarm"),
        asyncio.create_task(alarm.announce(settings, "siren"), name="announce"),
    ]
    await says(mosquitto, {"state": "cleared", "events": 0})
    alarm.watch(BatchId("urgent", "g", 1))
    alarm.watch(BatchId("urgent", "g", 2))
    await says(mosquitto, {"state": "raised", "events": 2})
    mosquitto.kill()
    mosquitto.start()
    await says(mosquitto, {"state": "raised", "events": 2})
    alarm.received("urgent", "g", RangeSet([(2, 9)]))
    await says(mosquitto, {"state": "raised", "events": 1})
    alarm.received("urgent", "g-other", RangeSet([(1, 9)]))
    alarm.received("bulk", "g", RangeSet([(1, 9)]))
    assert alarm.raised == 1
    alarm.received("urgent", "g", RangeSet([(1, 1)]))
    await says(mosquitto, {"state": "cleared", "events": 0})
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_an_event_received_in_time_raises_nothing() -> None:
    counters = Counters()
    alarm = LocalAlarm(counters, after_s=0.05, topic=TOPIC)
    task = asyncio.create_task(alarm.run(), name="alarm")
    alarm.watch(BatchId("urgent", "g", 1))
    alarm.watch(BatchId("urgent", "g", 2))
    alarm.received("urgent", "g", RangeSet([(1, 1)]))
    await eventually(lambda: alarm.raised, "the other one")
    assert (alarm.raised, counters.local_alarms) == (1, 1)
    task.cancel()
    await asyncio.wait([task])


async def test_memory_is_bounded() -> None:
    alarm = LocalAlarm(Counters(), after_s=0.0, topic=TOPIC)
    task = asyncio.create_task(alarm.run(), name="alarm")
    for number in range(1, WATCHED_MAX + 1):
        alarm.watch(BatchId("urgent", "g", number))
    await eventually(lambda: alarm.raised == WATCHED_MAX, "all fell due")
    alarm.watch(BatchId("urgent", "g", WATCHED_MAX + 1))
    assert not alarm._deadline_s
    alarm.received("urgent", "g", RangeSet([(1, WATCHED_MAX)]))
    assert alarm.raised == 0
    task.cancel()
    await asyncio.wait([task])


async def test_after_a_restart_only_what_nobody_received_alarms(tmp_path: Path) -> None:
    path = tmp_path / "buffer.db"
    async with await FickleBuffer.open(path, bytes_max=BYTES_MAX) as buffer:
        heard, unheard, _ = await buffer.append(
            [item("urgent", alarm=True), item("urgent", alarm=True), item()]
        )
        await Outlook(buffer).answer("urgent", heard.generation, received=((1, 1),))
    async with await FickleBuffer.open(path, bytes_max=BYTES_MAX) as buffer:
        assert await buffer.unreceived_alarms() == [unheard]


async def test_a_refused_event_was_seen_by_nobody(tmp_path: Path) -> None:
    async with await FickleBuffer.open(tmp_path / "buffer.db", bytes_max=BYTES_MAX) as buffer:
        outlook = Outlook(buffer)
        task = asyncio.create_task(outlook.alarm.run(), name="alarm")
        [id_] = await buffer.append([item("urgent", alarm=True)])
        outlook.alarm.watch(id_)
        await outlook.sent()
        await outlook.answer("urgent", id_.generation, rejected=(Rejection(1, "bad_format"),))
        assert buffer.stats().batches == 0
        await eventually(lambda: outlook.alarm.raised, "the alarm")
        task.cancel()
        await asyncio.wait([task])
