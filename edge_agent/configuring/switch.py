"""Puts a configuration in the place of another in parts that run: drivers whose source has changed are
stopped and started, everything else is told its new figures. The buffer's file stays open.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterable
from typing import NamedTuple

import structlog

from device_profiles.registry import Catalogue
from edge_agent.batcher import Batcher
from edge_agent.buffer import SqliteBuffer
from edge_agent.buffer.disk import free_bytes
from edge_agent.config import GatewayConfig
from edge_agent.configuring.refusal import RefusedError
from edge_agent.counters import Counters
from edge_agent.drivers import sources_of
from edge_agent.drivers.http_push.config import HttpSource
from edge_agent.reporting import Reporter
from edge_agent.reporting.devices import watched_devices
from edge_agent.running_drivers import Change, DriverFaultError, RunningDrivers
from edge_agent.uplink.forwarder import Forwarder

log = structlog.get_logger()


class Parts(NamedTuple):
    """What a configuration changes."""

    drivers: RunningDrivers
    reporter: Reporter
    batcher: Batcher
    forwarder: Forwarder
    buffer: SqliteBuffer


class Prepared(NamedTuple):
    """A configuration that can be put to use."""

    config: GatewayConfig
    change: Change


class Switch:
    """config: the one that is in use."""

    def __init__(
        self, parts: Parts, config: GatewayConfig, *, catalogue: Catalogue, counters: Counters
    ) -> None:
        self._parts = parts
        self._catalogue = catalogue
        self._counters = counters
        self.config = config

    @property
    def heard_s(self) -> float | None:
        """When the collector was heard last, monotonic."""
        return self._parts.forwarder.answered_s

    @property
    def waiting(self) -> int:
        """Batches for which the collector has not answered yet."""
        return self._parts.buffer.stats().batches

    def tell(self) -> None:
        """The collector learns at once what runs."""
        self._parts.forwarder.tell_status()

    async def prepare(self, config: GatewayConfig) -> Prepared:
        """Everything that can fail: new drivers are made, their ports are found free. Nothing is changed.

        Raises RefusedError.
        """
        if problems := [*self._buffer_problems(config), *await self._port_problems(config)]:
            raise RefusedError(problems)
        try:
            change = self._parts.drivers.prepare(sources_of(config))
        except DriverFaultError as error:
            self._forget_others(self.config)
            raise RefusedError([str(error)]) from error
        return Prepared(config, change)

    def discard(self, prepared: Prepared) -> None:
        """It will not be put to use."""
        del prepared
        self._forget_others(self.config)

    async def carry_out(self, prepared: Prepared) -> None:
        """Puts it to use. Drivers that stay the same notice nothing."""
        config, change = prepared
        drivers, reporter, batcher, forwarder, buffer = self._parts
        await drivers.stop_gone(change)
        self._forget_others(config)
        reporter.renew(config.report, watched_devices(config, self._catalogue))
        batcher.tune(**config.batch.model_dump())
        forwarder.tune(**config.uplink.model_dump())
        await buffer.rebound(**config.buffer.model_dump())
        drivers.start_new(change)
        self.config = config
        log.info(
            "configuration changed",
            drivers=len(drivers),
            started=sorted(change.new),
            stopped=sorted(change.gone - change.new.keys()),
        )

    def _forget_others(self, config: GatewayConfig) -> None:
        self._counters.forget_devices({device.id for device in config.devices})

    def _buffer_problems(self, config: GatewayConfig) -> Iterable[str]:
        """A configuration never makes the gateway give up what waits in its buffer."""
        wanted, now = config.buffer, self.config.buffer
        waiting = self._parts.buffer.stats().size_bytes
        if wanted.bytes_max < min(now.bytes_max, waiting):
            yield (
                f"buffer: bytes_max {wanted.bytes_max:,} is less than the {waiting:,} bytes that wait; lower it "
                "when the collector has them"
            )
        free = free_bytes(self.config.gateway.data_dir)
        if wanted.disk_free_bytes_min > now.disk_free_bytes_min and free < wanted.disk_free_bytes_min:
            yield (
                f"buffer: disk_free_bytes_min {wanted.disk_free_bytes_min:,} is more than the {free:,} bytes "
                "that are free; make room on the gateway's disk"
            )

    async def _port_problems(self, config: GatewayConfig) -> list[str]:
        """New listeners whose port another program has."""
        taken = {(source.host, source.port) for source in self.config.http}
        return [
            f"http/{source.name}: port {source.port} on {source.host} is taken by another program of the "
            "gateway; choose another one"
            for source in config.http
            if (source.host, source.port) not in taken and await _is_taken(source)
        ]


async def _is_taken(source: HttpSource) -> bool:
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(asyncio.Protocol, source.host, source.port, start_serving=False)
    except OSError as error:
        return error.errno == errno.EADDRINUSE  # an address that is not there yet may come
    except ValueError:
        return False  # no address at all: the driver will say so
    server.close()
    return False
