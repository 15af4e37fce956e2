"""All transports of a school at once: each host is entered, and left again in the opposite order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from simulators.drive import Drive
from simulators.hosts import Host, Served
from simulators.plan import Transport

HOSTED: tuple[Transport, ...] = ("modbus", "ble", "serial", "osdp", "http")
"""All transports but MQTT, whose devices publish: see `simulators.publisher`."""


class Running(NamedTuple):
    """What is there now. environment: variables that a gateway's process needs to find it. hosts: by
    transport, with their devices and their faults.
    """

    served: tuple[Served, ...]
    environment: dict[str, str]
    hosts: dict[Transport, Host]


@asynccontextmanager
async def hosted(drive: Drive, transports: Collection[Transport], folder: Path) -> AsyncIterator[Running]:
    """Runs the devices of these transports while the context lasts.

    folder: where links to ptys go. Raises HostError for what cannot be simulated here, having taken
    everything away that was there already.
    """
    async with AsyncExitStack() as stack:
        served: list[Served] = []
        environment: dict[str, str] = {}
        hosts: dict[Transport, Host] = {}
        for transport in transports:
            if drive.school.on(transport):
                host = hosts[transport] = _host(transport, drive, folder)
                await stack.enter_async_context(host)
                served += host.served
                environment |= host.environment
        yield Running(tuple(served), environment, hosts)


def _host(transport: Transport, drive: Drive, folder: Path) -> Host:
    """Loaded when it is asked for: each needs libraries of its own."""
    if transport == "modbus":
        from simulators.modbus.host import ModbusHost  # noqa: PLC0415

        return ModbusHost(drive, folder)
    if transport == "ble":
        from simulators.ble.host import BleHost  # noqa: PLC0415

        return BleHost(drive)
    if transport == "serial":
        from simulators.serial.host import SerialHost  # noqa: PLC0415

        return SerialHost(drive, folder)
    if transport == "osdp":
        from simulators.osdp.host import OsdpHost  # noqa: PLC0415

        return OsdpHost(drive, folder)
    if transport == "http":
        from simulators.http_push.host import HttpHost  # noqa: PLC0415

        return HttpHost(drive, folder)
    raise ValueError(f"{transport} has no host")


def in_order(transports: Sequence[Transport]) -> tuple[Transport, ...]:
    """Without repeats, as `hosted` wants them."""
    return tuple(one for one in HOSTED if one in transports)
