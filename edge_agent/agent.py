"""Wires the gateway together, starts it and stops it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import version
from pathlib import Path

import structlog

from device_profiles.registry import Catalogue
from edge_agent.alarm import LocalAlarm
from edge_agent.batcher import Batcher
from edge_agent.buffer import SqliteBuffer
from edge_agent.buffer.contract import BatchId, Buffer, BufferFullError, Item
from edge_agent.clock import Clock
from edge_agent.config import GatewayConfig
from edge_agent.counters import Counters, DeviceCounters
from edge_agent.drivers import make_drivers
from edge_agent.drivers.contract import Driver
from edge_agent.folderlock import folder_locked
from edge_agent.gate import Credentials, Gate, MapUnusableError
from edge_agent.reporting import DeviceWatch, Reporter
from edge_agent.reporting.devices import watched_devices, worn_devices
from edge_agent.uplink.forwarder import Forwarder
from edge_agent.uplink.mqtt import MqttUplink
from foundation.broker import BrokerSettings
from foundation.keyfiles import load_signing_key, parse_public
from telemetry.envelope import Signer
from telemetry.limits import default_limits
from telemetry.readings import SeriesTable
from telemetry.status import FORMAT as STATUS_FORMAT
from telemetry.status import Status

CLOCK_INTERVAL_S = 5.0
CREDENTIALS_INTERVAL_S = 5.0
DRAIN_S = 3.0
"""How long a stop waits for acknowledgements of what is on its way; the buffer keeps the rest."""

log = structlog.get_logger()


class StartError(Exception):
    """The gateway cannot start; the message names the cause and, where there is one, the remedy."""


class Agent:
    """One gateway. `run` works until `stop` is called, then commits what it has and returns."""

    def __init__(self, config: GatewayConfig) -> None:
        self.config = config
        self.counters = Counters()
        self.clock = Clock(config.gateway.clock)
        self.signer = Signer(load_signing_key(config.gateway.key_file))
        self._table = SeriesTable()
        self._started_ms = self.clock.now_ms()
        self._catalogue = Catalogue(config.profile_dirs)
        self._drivers: Sequence[Driver] = make_drivers(
            config,
            catalogue=self._catalogue,
            table=self._table,
            clock=self.clock,
            counters=self.counters,
        )
        self._stop = asyncio.Event()
        self.batches_left = 0
        """What was still in the buffer when `run` returned."""
        self.running = asyncio.Event()
        """Set once drivers and uplink work."""

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        """Raises StartError or UsageError; anything else is a fault of the program."""
        with folder_locked(self.config.gateway.data_dir):
            async with await self._open_buffer() as buffer, self._metrics(buffer):
                await self._work(buffer)
                self.batches_left = buffer.stats().batches

    async def _open_buffer(self) -> SqliteBuffer:
        folder, settings = self.config.gateway.data_dir, self.config.buffer
        try:
            return await SqliteBuffer.open(
                folder / "buffer.db",
                bytes_max=settings.bytes_max,
                disk_free_bytes_min=settings.disk_free_bytes_min,
            )
        except BufferFullError as error:
            raise StartError(f"{error}; make room on the disk") from error
        except OSError as error:
            raise StartError(f"gateway.data_dir {folder} cannot be used: {error}") from error

    async def _work(self, buffer: Buffer) -> None:
        config = self.config
        school, gateway = config.gateway.school, config.gateway.id
        alarm = LocalAlarm(
            self.counters,
            after_s=config.alarm.after_s,
            topic=config.alarm.topic or f"campus/local/{gateway}/alarm",
        )
        try:
            for id_ in await buffer.unreceived_alarms():
                alarm.watch(id_)
        except BufferFullError as error:
            raise StartError(f"{error}; make room on the disk") from error
        forwarder = Forwarder(
            school=school,
            gateway=gateway,
            buffer=buffer,
            clock=self.clock,
            signer=self.signer,
            collector_key=parse_public(config.collector.public_key),
            counters=self.counters,
            alarm=alarm,
            status=lambda: self._status(buffer),
            window_batches=config.uplink.window_batches,
            resend_s=config.uplink.resend_s,
            late_after_s=config.uplink.late_after_s,
            status_interval_s=config.uplink.status_interval_s,
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
            interval_s=config.batch.interval_s,
            readings_max=config.batch.readings_max,
            committed=committed,
            uncommitted=alarm.unbuffered,
        )
        gate = Gate(self._table, self.clock, self._credentials(), batcher, self.counters, default_limits())
        reporter = self._reporter(gate)
        uplink = MqttUplink(config.collector.mqtt, school, gateway)
        async with asyncio.TaskGroup() as group:
            behind = [
                group.create_task(uplink.run(forwarder), name="uplink"),
                group.create_task(alarm.run(), name="alarm"),
                group.create_task(self._keep_time(), name="clock"),
                group.create_task(self._keep_credentials(gate), name="credentials"),
            ]
            if broker := self._alarm_broker():
                announcing = alarm.announce(broker, f"campus-alarm-{school}-{gateway}")
                behind.append(group.create_task(announcing, name="alarm-topic"))
            writing = group.create_task(batcher.run(), name="batcher")
            reading = [
                group.create_task(driver.run(reporter), name=f"driver-{driver.name}")
                for driver in self._drivers
            ]
            reading.append(group.create_task(reporter.run(), name="reporter"))
            log.info("gateway running", school=school, gateway=gateway, drivers=len(self._drivers))
            self.running.set()
            await self._stop.wait()
            await _end(reading)
            reporter.flush()
            batcher.stop()
            await writing
            forwarder.wake()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_S):
                    await forwarder.drained()
            await _end(behind)
        log.info("gateway stopped", batches_kept=buffer.stats().batches)

    def _reporter(self, gate: Gate) -> Reporter:
        for device in worn_devices(self.config, self._catalogue):
            self.counters.devices.setdefault(device, DeviceCounters()).worn = True
        watch = DeviceWatch(
            watched_devices(self.config, self._catalogue), self._table, self.counters, time.monotonic()
        )
        return Reporter(
            gate,
            self.config.report,
            watch,
            table=self._table,
            clock=self.clock,
            counters=self.counters,
        )

    async def _keep_time(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_INTERVAL_S)
            before = self.clock.quality
            self.clock.refresh()
            if self.clock.quality is not before:
                log.info("clock", quality=self.clock.quality.name.lower())

    async def _keep_credentials(self, gate: Gate) -> None:
        """Takes a new credential map into use soon after it has been put in the place of the old one.

        Of a map that cannot be used the old one stays in force, until it is too old to be believed.
        """
        if self.config.personal is None:
            return
        file = self.config.personal.credential_map
        seen = _modified_ns(file)
        while True:
            await asyncio.sleep(CREDENTIALS_INTERVAL_S)
            if (modified := _modified_ns(file)) == seen:
                continue
            seen = modified
            try:
                gate.credentials = load_credentials(self.config)
            except MapUnusableError as error:
                log.error("new credential map unusable: the old one stays", error=str(error))
            else:
                log.info("credential map loaded", entries=gate.credentials.entries)

    def _credentials(self) -> Credentials:
        try:
            found = load_credentials(self.config)
        except MapUnusableError as error:
            log.error("credential map unusable: every card is unknown", error=str(error))
            return Credentials.none()
        if self.config.personal:
            log.info("credential map loaded", entries=found.entries)
        return found

    def _alarm_broker(self) -> BrokerSettings | None:
        if self.config.alarm.mqtt:
            return self.config.alarm.mqtt
        return self.config.mqtt[0].broker if self.config.mqtt else None

    def _status(self, buffer: Buffer) -> Status:
        stats, counters = buffer.stats(), self.counters
        return Status(
            format=STATUS_FORMAT,
            school=self.config.gateway.school,
            gateway=self.config.gateway.id,
            time_ms=self.clock.now_ms(),
            clock=self.clock.quality,
            software=version("campus-pulse"),
            started_ms=self._started_ms,
            buffer_batches=stats.batches,
            buffer_bytes=stats.size_bytes,
            buffer_oldest_ms=stats.oldest_ms,
            readings_in=counters.readings_in,
            readings_stored=counters.readings_stored,
            dropped=counters.drops(stats.given_up),
        )

    @contextlib.asynccontextmanager
    async def _metrics(self, buffer: Buffer) -> AsyncIterator[None]:
        """Serves Prometheus metrics, if a port is configured."""
        settings = self.config.metrics
        if not settings.port:
            yield
            return
        # Loaded only where somebody asks: 3 MB of a gateway's little memory.
        from edge_agent.metrics import served  # noqa: PLC0415  # said above

        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(served(settings.host, settings.port, self.counters, buffer.stats))
            except OSError as error:
                reason = f"metrics.port {settings.port} on {settings.host}: {error.strerror}"
                raise StartError(reason) from error
            yield


def _modified_ns(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def load_credentials(config: GatewayConfig) -> Credentials:
    """The credential map that a configuration with a personal section names. Raises MapUnusableError."""
    personal, gateway = config.personal, config.gateway
    if personal is None:
        return Credentials.none()
    return Credentials.load(
        personal.credential_map,
        personal.blinding_key_file,
        gateway.school,
        gateway.id,
        personal.age_days_max,
    )


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks) if tasks else None
