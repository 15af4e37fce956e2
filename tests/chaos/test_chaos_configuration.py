"""kill -9 of a gateway while it is configured: it begins with the old version or with the new one."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.config import load_config
from edge_agent.configuring.beginning import begin
from edge_agent.configuring.kept import Kept, KeptFile
from edge_agent.configuring.overlay import overlay
from edge_agent.configuring.switch import Switch
from edge_agent.running_drivers import RunningDrivers
from foundation.broker import BrokerSettings, connect
from telemetry.topics import topic
from tests.chaos.hooks import CONFIGURATION_POINTS
from tests.chaos.restless_site import Nurseling, Nursery, pause, rounds
from tests.conftest import Mosquitto
from tests.edge.configuring_parts import CollectorDouble, bus, write_gateway
from tests.edge.edge_parts import GATEWAY, SCHOOL
from tests.line.running_site import eventually

RANDOM_ROUNDS = rounds(5)
NEW = {
    "before the driver is made": False,
    "before the version is written": False,
    "before the new file is in place": False,
    "before its place is durable": True,
    "after the version is written": True,
    "between the old drivers and the new": True,
    "after the new drivers have begun": True,
}
"""Where the gateway dies → whether it then begins with the new version."""


class Configured:
    """A gateway that is offered a version a life."""

    def __init__(self, folder: Path, broker: Mosquitto, nursery: Nursery) -> None:
        self.folder = folder
        self.broker = broker
        self.nursery = nursery
        self.collector = CollectorDouble()
        tables = "[uplink]\nstatus_interval_s = 1\n" + bus("hall", 1) + bus("lab", 2)
        self.file = write_gateway(folder, self.collector.signer, tables, broker_port=broker.port)
        self.local = load_config(self.file)
        self.life: Nurseling | None = None

    def live(self, **hooks: object) -> Nurseling:
        life = Nurseling(
            self.nursery, self.folder / "gateway.log", dict(hooks), "edge", "run", str(self.file)
        )
        self.life = life
        eventually(lambda: life.said("gateway running"), "it works")
        return life

    def kept(self) -> Kept:
        """What the gateway would begin with: a version, and the whole of it."""
        beginning = begin(
            self.local, KeptFile(self.local.gateway.data_dir, self.local.collector.public_key), look_only=True
        )
        used = beginning.kept.used
        assert beginning.refused is None
        assert used.sections == self.collector.versions[used.version]
        assert beginning.config == overlay(self.local, used.sections)
        return beginning.kept

    async def offer(self, base: int) -> int:
        """A new version that changes the driver of `lab` and adds one; its number."""
        number = self.collector.newest + 1
        version = self.collector.make(bus("lab", 100 + number) + bus(f"new-{number}", 200 + number))
        data = self.collector.wrap(self.collector.offer(version, base))
        async with connect(BrokerSettings(host="127.0.0.1", port=self.broker.port), "collector") as link:
            await link.subscribe([topic(SCHOOL, GATEWAY, "status")])
            async for _ in link.chunks():  # it says something, so it listens too
                await link.publish(topic(SCHOOL, GATEWAY, "config"), data)
                return version
        raise AssertionError("the link has ended")

    def close(self) -> None:
        if self.life is not None:
            self.life.kill()


@pytest.fixture
def configured(tmp_path: Path, mosquitto: Mosquitto, nursery: Nursery) -> Iterator[Configured]:
    made = Configured(tmp_path, mosquitto, nursery)
    yield made
    made.close()


async def test_a_gateway_killed_while_it_is_configured_begins_with_the_old_or_the_new(
    configured: Configured,
) -> None:
    assert NEW.keys() == CONFIGURATION_POINTS.keys()
    for point, is_new in NEW.items():
        before = configured.kept()
        # Of a version on probation it is written first how often it has begun.
        writes = (
            1 + before.on_probation if CONFIGURATION_POINTS[point][0] not in {Switch, RunningDrivers} else 1
        )
        life = configured.live(die_at=point, nth=writes)
        version = await configured.offer(before.used.version)
        life.await_death()
        assert configured.kept().used.version == (version if is_new else before.used.version), point
    await settle(configured)


async def test_a_gateway_killed_at_any_moment_begins_with_the_old_or_the_new(
    configured: Configured, chance: random.Random
) -> None:
    for _ in range(RANDOM_ROUNDS):
        before = configured.kept()
        life = configured.live()
        version = await configured.offer(before.used.version)
        pause(chance, 0.2)
        life.kill()
        # Or with the one before the old, where that has seen too many ends.
        proven = before.used if before.proven is None else before.proven
        assert configured.kept().used.version in {before.used.version, version, proven.version}
    await settle(configured)


async def settle(configured: Configured) -> None:
    """In the end it takes a version, and stops in good order."""
    before = configured.kept()
    life = configured.live()
    version = await configured.offer(before.used.version)
    eventually(lambda: life.said("configuration in use"), "the last version")
    assert life.stop() == 0
    assert configured.kept().used.version == version
