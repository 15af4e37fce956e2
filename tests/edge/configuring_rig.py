"""A configurator with all that it changes, as an agent has it, without the agent."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from device_profiles.registry import Catalogue
from edge_agent.batcher import Batcher
from edge_agent.config import GatewayConfig
from edge_agent.configuring.beginning import begin
from edge_agent.configuring.configurator import Configurator
from edge_agent.configuring.kept import KeptFile
from edge_agent.configuring.offers import Offers
from edge_agent.configuring.switch import Parts, Switch
from edge_agent.counters import Counters
from edge_agent.drivers import DriverMaker, sources_of
from edge_agent.failing_drivers import FailingFile
from edge_agent.reporting import DeviceWatch, Reporter
from edge_agent.reporting.devices import watched_devices
from edge_agent.running_drivers import RunningDrivers
from telemetry.configuration import Running
from telemetry.readings import SeriesTable
from tests.driver_rig import Kept as KeptReadings
from tests.edge.configuring_parts import CollectorDouble
from tests.edge.edge_parts import GATEWAY, SCHOOL, FickleBuffer, Outlook, eventually


class Rig:
    """Runs while the context `configuring` lasts."""

    def __init__(
        self, local: GatewayConfig, collector: CollectorDouble, buffer: FickleBuffer, probation_s: float
    ) -> None:
        self.local = local
        self.collector = collector
        self.file = KeptFile(local.gateway.data_dir, local.collector.public_key)
        self.beginning = begin(local, self.file)
        config = self.beginning.config
        self.outlook = Outlook(buffer, **config.uplink.model_dump())
        self.sink = KeptReadings()
        self.counters: Counters = self.outlook.counters
        self.catalogue = Catalogue(config.profile_dirs)
        table = self.sink.table
        watch = DeviceWatch(watched_devices(config, self.catalogue), table, self.counters, 0.0)
        self.reporter = Reporter(
            self.sink,
            config.report,
            watch,
            table=table,
            clock=self.outlook.clock,
            counters=self.counters,
        )
        self.batcher = Batcher(
            SeriesTable(),
            self.outlook.clock,
            buffer,
            self.counters,
            **config.batch.model_dump(),
            policy="test",
            committed=lambda _: None,
            uncommitted=lambda _: None,
        )
        self.drivers = RunningDrivers(
            DriverMaker(
                config,
                catalogue=self.catalogue,
                table=table,
                clock=self.outlook.clock,
                counters=self.counters,
            ),
            self.counters,
            FailingFile(local.gateway.data_dir),
        )
        self.switch = Switch(
            Parts(self.drivers, self.reporter, self.batcher, self.outlook.forwarder, buffer),
            config,
            catalogue=self.catalogue,
            counters=self.counters,
        )
        offers = Offers(SCHOOL, GATEWAY, collector.signer.public_key, self.counters.configuration_offers)
        self.configurator = Configurator(
            local, self.beginning, self.file, offers, self.counters, probation_s=probation_s
        )
        self.drivers.failed = self.configurator.driver_failed

    @property
    def running(self) -> Running:
        return self.configurator.running()

    def outcome(self, reason: str) -> int:
        return self.counters.configuration_offers[reason]

    async def offer(self, version: int, base: int = 0) -> None:
        """Returns once something has become of it."""
        await self.offers([(version, base)])

    async def offers(self, burst: Sequence[tuple[int, int]]) -> None:
        """The same of several, each a version and its base, that come at once."""
        outcomes = self.counters.configuration_offers
        wanted = outcomes.total() + len(burst)
        for version, base in burst:
            self.configurator.offered(self.collector.envelope(version, base))
        await eventually(lambda: outcomes.total() >= wanted, "the offers were looked at")


@contextlib.asynccontextmanager
async def configuring(
    local: GatewayConfig, collector: CollectorDouble, *, probation_s: float = 3_600.0
) -> AsyncIterator[Rig]:
    local.gateway.data_dir.mkdir(exist_ok=True)
    path = Path(local.gateway.data_dir, "buffer.db")
    async with await FickleBuffer.open(path, bytes_max=8 * 1024 * 1024) as buffer:
        rig = Rig(local, collector, buffer, probation_s)
        async with asyncio.TaskGroup() as group:
            rig.drivers.enter(group, rig.reporter)
            rig.drivers.start_new(rig.drivers.prepare(sources_of(rig.beginning.config)))
            task = group.create_task(rig.configurator.run(rig.switch), name="configuration")
            try:
                yield rig
            finally:
                task.cancel()
                await asyncio.wait([task])
                await rig.drivers.stop()
