"""Wires the gateway together, starts it and stops it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import Iterator, Sequence

import structlog

from device_profiles.registry import Catalogue
from edge_agent.alarm import LocalAlarm
from edge_agent.batcher import Batcher
from edge_agent.buffer import SqliteBuffer
from edge_agent.buffer.contract import BatchId, Buffer, BufferFullError, Item
from edge_agent.clock import Clock
from edge_agent.config import GatewayConfig
from edge_agent.configuring.beginning import Beginning, begin, tell
from edge_agent.configuring.configurator import Configurator
from edge_agent.configuring.kept import KeptFile
from edge_agent.configuring.offers import Offers
from edge_agent.configuring.switch import Parts, Switch
from edge_agent.counters import Counters, DeviceCounters
from edge_agent.drivers import DriverMaker, sources_of
from edge_agent.failing_drivers import FailingFile
from edge_agent.folderlock import folder_locked
from edge_agent.gate import Gate, load_policy
from edge_agent.identity.carriers import Carriers
from edge_agent.identity.credentials import Credentials
from edge_agent.identity.overheard import Overheard
from edge_agent.own_status import own_status
from edge_agent.reporting import DeviceWatch, Reporter
from edge_agent.reporting.devices import watched_devices, worn_devices
from edge_agent.running_drivers import Change, DriverFaultError, RunningDrivers
from edge_agent.starting import StartError, metrics_served, open_buffer
from edge_agent.uplink.choice import make_uplink
from edge_agent.uplink.forwarder import Forwarder
from foundation.keyfiles import load_signing_key, parse_public
from foundation.memory import give_back
from telemetry.envelope import Signer
from telemetry.limits import default_limits
from telemetry.readings import SeriesTable

FIRST_MAP_S = 2.0
DRAIN_S = 3.0
"""How long a stop waits for acknowledgements of what is on its way; the buffer keeps the rest."""

log = structlog.get_logger()


class Agent:
    """One gateway. `run` works until `stop` is called, then commits what it has and returns.

    config: gateway.toml; `run` lays over it what the collector has said of it so far. clock: another than the machine's, for whoever lets time run otherwise.
    """

    def __init__(self, config: GatewayConfig, clock: Clock | None = None) -> None:
        self.config = config
        self.counters = Counters()
        self.clock = clock or Clock(config.gateway.clock)
        self._private_key = load_signing_key(config.gateway.key_file)
        self.signer = Signer(self._private_key)
        self._table = SeriesTable()
        self._started_ms = self.clock.now_ms()
        self._catalogue = Catalogue(config.profile_dirs)
        self.credentials = Credentials(
            age_days_max=config.personal.age_days_max if config.personal else 0.0,
            clock_known=lambda: self.clock.known,
        )
        self._carriers = Carriers()
        self._policy = load_policy(config.personal.policy if config.personal else None)
        self._kept = KeptFile(config.gateway.data_dir, config.collector.public_key)
        self._stop = asyncio.Event()
        self._vault_asked: asyncio.Event | None = None
        self.batches_left = 0
        """What was still in the buffer when `run` returned."""
        self.running = asyncio.Event()
        """Set once drivers and uplink work."""

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        """Raises StartError or UsageError; anything else is a fault of the program."""
        with folder_locked(self.config.gateway.data_dir):
            tell(beginning := begin(self.config, self._kept))
            async with await open_buffer(beginning.config) as buffer:
                async with metrics_served(self.config.metrics, self.counters, buffer.stats):
                    await self._work(beginning, buffer)
                self.batches_left = buffer.stats().batches

    async def _work(self, beginning: Beginning, buffer: SqliteBuffer) -> None:
        config = beginning.config
        school, gateway = config.gateway.school, config.gateway.id
        alarm = await self._alarm(buffer)
        collector_key = parse_public(config.collector.public_key)
        configurator = Configurator(
            self.config,
            beginning,
            self._kept,
            Offers(school, gateway, collector_key, self.counters.configuration_offers),
            self.counters,
        )
        forwarder = Forwarder(
            school=school,
            gateway=gateway,
            buffer=buffer,
            clock=self.clock,
            signer=self.signer,
            collector_key=collector_key,
            counters=self.counters,
            alarm=alarm,
            status=lambda: own_status(
                config.gateway,
                self.clock,
                self.counters,
                buffer.stats(),
                configurator.running(),
                started_ms=self._started_ms,
            ),
            offered=configurator.offered,
            **config.uplink.model_dump(),
        )

        def committed(batches: Sequence[tuple[BatchId, Item]]) -> None:
            for id_, item in batches:
                if item.alarm:
                    alarm.watch(id_)
            forwarder.wake()

        batcher = Batcher(
            self._table,
            self.clock,
            buffer,
            self.counters,
            **config.batch.model_dump(),
            policy=self._policy.version,
            committed=committed,
            uncommitted=alarm.unbuffered,
        )
        gate = self._gate(batcher)
        reporter = self._reporter(config, gate)
        drivers, first = self._drivers(config)
        drivers.failed = configurator.driver_failed
        switch = Switch(
            Parts(drivers, reporter, batcher, forwarder, buffer),
            config,
            catalogue=self._catalogue,
            counters=self.counters,
        )
        uplink = make_uplink(config.collector, school, gateway, signer=self.signer, counters=self.counters)
        async with asyncio.TaskGroup() as group:
            behind = [
                group.create_task(uplink.run(forwarder), name="uplink"),
                group.create_task(alarm.run(), name="alarm"),
                group.create_task(self.clock.run(), name="clock"),
                *self._refreshing(group, buffer),
            ]
            if config.collector.certificate_file:
                behind.append(group.create_task(self._renew_certificate(), name="certificate"))
            if broker := self.config.alarm_broker:  # of the file alone
                announcing = alarm.announce(broker, f"campus-alarm-{school}-{gateway}")
                behind.append(group.create_task(announcing, name="alarm-topic"))
            writing = group.create_task(batcher.run(), name="batcher")
            await self._first_map()
            drivers.enter(group, reporter)
            drivers.start_new(first)
            reading = [
                group.create_task(reporter.run(), name="reporter"),
                group.create_task(gate.run(), name="gate"),
            ]
            configuring = group.create_task(configurator.run(switch), name="configuration")
            gc.collect()
            give_back()  # what reading the configuration took
            log.info("gateway running", school=school, gateway=gateway, drivers=len(drivers))
            self.running.set()
            await self._stop.wait()
            await _end([configuring])
            await configurator.end()
            await drivers.stop()
            await _end(reading)
            reporter.flush()
            gate.flush()
            batcher.stop()
            await writing
            forwarder.wake()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    await forwarder.drained()
            await _end(behind)
        log.info("gateway stopped", batches_kept=buffer.stats().batches)

    def _drivers(self, config: GatewayConfig) -> tuple[RunningDrivers, Change]:
        """And those to start with, made. Raises StartError."""
        drivers = RunningDrivers(
            DriverMaker(
                config,
                catalogue=self._catalogue,
                table=self._table,
                clock=self.clock,
                counters=self.counters,
                overheard=Overheard(self.credentials, self._carriers, self.counters),
            ),
            self.counters,
            FailingFile(config.gateway.data_dir),
        )
        try:
            return drivers, drivers.prepare(sources_of(config), at_start=True)
        except DriverFaultError as error:
            raise StartError(str(error)) from error

    def _reporter(self, config: GatewayConfig, gate: Gate) -> Reporter:
        for device in worn_devices(config, self._catalogue):
            self.counters.devices.setdefault(device, DeviceCounters()).worn = True
        watch = DeviceWatch(
            watched_devices(config, self._catalogue), self._table, self.counters, time.monotonic()
        )
        return Reporter(
            gate,
            config.report,
            watch,
            table=self._table,
            clock=self.clock,
            counters=self.counters,
        )

    async def _alarm(self, buffer: Buffer) -> LocalAlarm:
        """It knows of what was there before. Raises StartError."""
        alarm = LocalAlarm(
            self.counters,
            after_s=self.config.alarm.after_s,
            topic=self.config.alarm.topic or f"campus/local/{self.config.gateway.id}/alarm",
        )
        try:
            for id_ in await buffer.unreceived_alarms():
                alarm.watch(id_)
        except BufferFullError as error:
            raise StartError(f"{error}; make room on the disk") from error
        return alarm

    def _gate(self, batcher: Batcher) -> Gate:
        personal = self.config.personal
        return Gate(
            self._table,
            self.clock,
            self.credentials,
            self._carriers,
            batcher,
            self.counters,
            default_limits(),
            policy=self._policy,
            meals=personal.meals if personal else (),
            zone=self.config.zone,
        )

    async def _renew_certificate(self) -> None:
        # Loaded only where there is one: its libraries take memory.
        from edge_agent.enrolment.renewal import Renewal  # noqa: PLC0415  # said above

        await Renewal(self.config, self.clock, self.counters).run()

    def _refreshing(self, group: asyncio.TaskGroup, buffer: Buffer) -> Iterator[asyncio.Task[None]]:
        """The task that keeps the credential map fresh, where there is a vault."""
        personal = self.config.personal
        if personal is None:
            return
        # Loaded only where there is a vault: its libraries take memory.
        from edge_agent.identity import parts  # noqa: PLC0415  # said above

        parts.add_configured(self._carriers, self.config, self._catalogue)
        puller = parts.make_puller(
            self.config,
            personal,
            self._private_key,
            credentials=self.credentials,
            buffer=buffer,
            clock=self.clock,
            counters=self.counters,
        )
        self._vault_asked = puller.asked
        yield group.create_task(puller.run(), name="credentials")

    async def _first_map(self) -> None:
        """Where no map of an earlier run is there, the vault is given a moment: the first cards would be
        nobody's.
        """
        if self._vault_asked is not None and self.credentials.map is None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_MAP_S):
                    await self._vault_asked.wait()


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks) if tasks else None
