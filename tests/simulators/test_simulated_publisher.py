"""The publisher against a real broker: what it counts is what subscribers get."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt

from foundation.broker import BrokerSettings, connect
from simulators.devices import Simulation
from simulators.publisher import LATE_MS_MAX, Publisher
from simulators.school import School
from simulators.timetable import FIRST_MORNING_MS, Timeline
from tests.conftest import MakeMosquitto, Mosquitto
from tests.simulators.reading_back import Reader

SCHOOL = School(seed=7)
READER = Reader(SCHOOL)
WALL_MS = 1_790_000_000_000
BOUND_S = 20.0


class HastyClock:
    """A wall clock that runs ahead of real time, so that a test needs no minutes. Where the machine stands
    still it waits: what is late for that is no fault of the publisher.
    """

    def __init__(self, times: float = 10.0) -> None:
        self._times = times
        self._looked_s: float | None = None
        self._ms = float(WALL_MS)

    def __call__(self) -> int:
        now_s = asyncio.get_running_loop().time()
        passed_ms = (now_s - (self._looked_s or now_s)) * 1_000 * self._times
        self._looked_s = now_s
        self._ms += min(passed_ms, LATE_MS_MAX / 4)
        return int(self._ms)


def publisher(broker: Mosquitto) -> Publisher:
    simulation = Simulation(SCHOOL, Timeline(WALL_MS, FIRST_MORNING_MS, 60), check_every_s=0.5)
    return Publisher(simulation, settings(broker), clock_ms=HastyClock())


def settings(broker: Mosquitto) -> BrokerSettings:
    return BrokerSettings(host=broker.host, port=broker.port)


async def until(holds: Callable[[], bool]) -> None:
    """Returns as soon as a condition holds."""
    async with asyncio.timeout(BOUND_S):
        while not holds():  # noqa: ASYNC110  # counters have no event to wait for
            await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(broker: Mosquitto) -> AsyncIterator[list[tuple[str, bytes]]]:
    """Everything published meanwhile."""
    heard: list[tuple[str, bytes]] = []
    async with connect(settings(broker), "listener") as link:
        await link.subscribe(["#"])

        async def listen() -> None:
            async for chunk in link.chunks():
                heard.extend((one.topic, one.payload) for one in chunk)

        task = asyncio.create_task(listen(), name="listener")
        try:
            yield heard
        finally:
            task.cancel()
            await asyncio.wait({task})


def count_readings(heard: list[tuple[str, bytes]]) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Messages, readings and checks by device, as gateways would read them."""
    messages: Counter[str] = Counter()
    readings: Counter[str] = Counter()
    checks: Counter[str] = Counter()
    for topic, payload in heard:
        (found,) = READER.read(topic, payload, WALL_MS + 120_000)
        messages[found.device] += 1
        readings[found.device] += len(found.readings)
        checks[found.device] += found.outcome.check is not None
    return messages, +readings, +checks


async def test_a_subscriber_gets_exactly_what_was_counted(mosquitto: Mosquitto) -> None:
    one = publisher(mosquitto)
    async with listening(mosquitto) as heard:
        await one.run(duration_s=15)
        await until(lambda: len(heard) >= one.totals.messages.total())
    assert one.totals.missed == 0
    assert set(one.totals.messages) == {device.id for device in SCHOOL.on("mqtt")}
    assert count_readings(heard) == (one.totals.messages, one.totals.readings, one.totals.checks)
    assert one.totals.checks.total() in range(29, 32)
    expected = list(one.simulation.messages(WALL_MS, WALL_MS + 15_000))
    assert abs(len(expected) - len(heard)) <= 60  # the first look at the clock is not quite at 0
    assert sum(message.check.has_fever for message in expected if message.check) == one.totals.fevers


def has_published(one: Publisher, messages: int) -> Callable[[], bool]:
    return lambda: one.totals.messages.total() >= messages


def has_connected(one: Publisher, times: int) -> Callable[[], bool]:
    return lambda: one.totals.connections == times


async def test_cancellation_leaves_nothing_uncounted(mosquitto: Mosquitto) -> None:
    end = ("last/word", b"")
    async with listening(mosquitto) as heard:
        for _ in range(3):
            one = publisher(mosquitto)
            work = asyncio.create_task(one.run())
            await until(has_published(one, 40))
            work.cancel()
            await asyncio.wait({work})
            assert work.cancelled()
            async with connect(settings(mosquitto), "last-word") as link:
                await link.publish(*end)
            await until(lambda: end in heard)
            assert count_readings(heard[: heard.index(end)])[0] == one.totals.messages
            heard.clear()


async def test_every_counted_message_arrives_over_restarts_of_the_broker(
    make_mosquitto: MakeMosquitto, tmp_path: Path
) -> None:
    # The broker keeps what the listener has not had yet: PUBACK alone would not make it durable.
    broker = make_mosquitto("persistence true", f"persistence_location {tmp_path}/", "max_queued_messages 0")
    heard: list[tuple[str, bytes]] = []
    subscribed = asyncio.Event()
    listener = asyncio.create_task(listen_for_ever(broker, heard, subscribed))
    await subscribed.wait()
    one = publisher(broker)
    work = asyncio.create_task(one.run())
    for restarts in (1, 2):
        await until(has_published(one, one.totals.messages.total() + 150))
        broker.stop()
        broker.start()
        await until(has_connected(one, restarts + 1))
    await until(has_published(one, one.totals.messages.total() + 50))
    work.cancel()
    await asyncio.wait({work})

    def all_arrived() -> bool:
        arrived = count_readings(heard)[0]
        return all(number <= arrived[device] for device, number in one.totals.messages.items())

    await until(all_arrived)
    listener.cancel()
    await asyncio.wait({listener})
    assert one.totals.messages.total() > 300


async def listen_for_ever(
    broker: Mosquitto, heard: list[tuple[str, bytes]], subscribed: asyncio.Event
) -> None:
    """A subscriber whose session outlives its connection."""
    while True:
        with contextlib.suppress(aiomqtt.MqttError):
            async with aiomqtt.Client(
                broker.host,
                broker.port,
                identifier="listener",
                protocol=aiomqtt.ProtocolVersion.V311,
                clean_session=False,
            ) as client:
                await client.subscribe("#", qos=1)
                subscribed.set()
                async for message in client.messages:
                    assert isinstance(message.payload, bytes)
                    heard.append((message.topic.value, message.payload))
        await asyncio.sleep(0.05)


async def test_a_run_without_a_broker_ends_all_the_same(mosquitto: Mosquitto) -> None:
    mosquitto.stop()
    one = publisher(mosquitto)
    await one.run(duration_s=1)
    assert one.totals.connections == 0
    assert not one.totals.messages


async def test_what_falls_due_while_no_broker_is_there_counts_as_missed(mosquitto: Mosquitto) -> None:
    one = publisher(mosquitto)
    work = asyncio.create_task(one.run())
    await until(has_published(one, 100))
    mosquitto.stop()
    away_ms = one.clock_ms()
    await until(lambda: one.clock_ms() > away_ms + 3 * LATE_MS_MAX)
    mosquitto.start()
    await until(has_connected(one, 2))
    await until(has_published(one, one.totals.messages.total() + 50))
    work.cancel()
    await asyncio.wait({work})
    assert one.totals.missed > 100
