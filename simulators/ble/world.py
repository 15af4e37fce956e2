"""Simulated adapters and devices on a D-Bus of their own: the test double of a machine with Bluetooth."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from simulators.ble.adapter import Adapter
from simulators.ble.bus import PrivateBus
from simulators.ble.daemon import Bluetoothd
from simulators.ble.peripheral import Peripheral


class BleWorld:
    """A dbus-daemon and an `org.bluez` on it, with these devices in the air, as long as it is entered.

    Whoever shall meet it needs DBUS_SYSTEM_BUS_ADDRESS set to `address` before it connects.
    links_max: connections an adapter can hold; real ones hold 5 to 7. passive: whether passive scans
    are offered. Raises NoDbusError where there is no dbus-daemon.
    """

    def __init__(
        self,
        peripherals: Iterable[Peripheral] = (),
        *,
        adapters: Sequence[str] = ("hci0",),
        links_max: int = 7,
        passive: bool = True,
    ) -> None:
        self.peripherals = list(peripherals)
        self._names = adapters
        self._links_max = links_max
        self._passive = passive
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._bus: PrivateBus | None = None
        self._daemon: Bluetoothd | None = None

    @property
    def address(self) -> str:
        """Raises RuntimeError before it is entered."""
        return self._private_bus.address

    @property
    def _private_bus(self) -> PrivateBus:
        if self._bus is None:
            raise RuntimeError("the simulated Bluetooth is not entered")
        return self._bus

    @property
    def daemon(self) -> Bluetoothd:
        """Raises RuntimeError while the daemon is dead."""
        if self._daemon is None:
            raise RuntimeError("the simulated bluetoothd does not run")
        return self._daemon

    @property
    def running(self) -> bool:
        return self._daemon is not None

    def adapter(self, name: str = "hci0") -> Adapter:
        return self.daemon.adapters[name]

    async def __aenter__(self) -> Self:
        # A path of a socket is short; that of a test's folder may not be.
        self._folder = tempfile.TemporaryDirectory(prefix="ble-")
        self._bus = PrivateBus(Path(self._folder.name))
        try:
            await self._bus.start()
            await self.start()
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self._leave()

    async def _leave(self) -> None:
        await self.kill()
        if self._bus is not None:
            await self._bus.stop()
        if self._folder is not None:
            self._folder.cleanup()

    def add(self, peripheral: Peripheral) -> None:
        self.peripherals.append(peripheral)
        self.daemon.add(peripheral, 0.0)

    async def start(self) -> None:
        """The daemon comes (again). Devices are spread over their intervals."""
        daemon = Bluetoothd(self.address, self._names, links_max=self._links_max, passive=self._passive)
        await daemon.start()
        self._daemon = daemon
        for at, peripheral in enumerate(self.peripherals):
            daemon.add(peripheral, peripheral.interval_s * at / len(self.peripherals))

    async def kill(self) -> None:
        """The daemon dies: its name loses its owner, links and all it knew are gone."""
        daemon, self._daemon = self._daemon, None
        if daemon is not None:
            await daemon.stop()

    async def restart(self, away_s: float = 0.0) -> None:
        await self.kill()
        await asyncio.sleep(away_s)
        await self.start()

    async def restart_bus(self) -> None:
        """The dbus-daemon itself goes and comes back: everybody's connection ends."""
        await self.kill()
        await self._private_bus.stop()
        await self._private_bus.start()
        await self.start()

    def lose_link(self, peripheral: Peripheral) -> None:
        """Out of range for an instant: its connections end, whoever holds them."""
        for adapter in self.daemon.adapters.values():
            adapter.end_link(adapter.path_of(peripheral.address))
