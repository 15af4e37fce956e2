"""One working period of the radio: a scan, the connections, and an eye on whether anything comes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

from bleak import BleakScanner
from bleak.args.bluez import BlueZScannerArgs, OrPattern
from bleak.assigned_numbers import AdvertisementDataType
from bleak.exc import BleakDBusError, BleakError

from device_profiles.ble import BleDecoder
from edge_agent.drivers.ble.bluez import FOREIGN, Bluez, RadioAwayError
from edge_agent.drivers.ble.config import ScanMode
from edge_agent.drivers.ble.hearing import Hearing
from edge_agent.drivers.ble.links import Links

Result = TypeVar("Result")

START_S_MAX: Final = 20.0
LOOK_S_MAX: Final = 1.0
PATTERNS_MAX: Final = 32
FLAGS: Final = (b"\x06", b"\x02", b"\x04", b"\x05", b"\x1a", b"\x1e")
"""A passive scan cannot ask for everything; nearly every advertisement has one of these flags."""


NOT_NOW: Final = {
    "org.bluez.Error.NotReady",
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.NoReply",
    "org.freedesktop.DBus.Error.UnknownObject",
}
"""Errors that say nothing about passive scans: bluetoothd or the adapter is away."""


class StaleError(RadioAwayError):
    """Nobody was heard for too long: the adapter may be deaf."""


def patterns(decoders: Sequence[BleDecoder]) -> list[OrPattern]:
    """What a passive scan listens for: the data of the profiles, and whatever has usual flags."""
    found: dict[OrPattern, None] = {}
    for decoder in decoders:
        for packet in decoder.spec.packets:
            if packet.company is not None:
                content = packet.company.to_bytes(2, "little")
                found[OrPattern(0, AdvertisementDataType.MANUFACTURER_SPECIFIC_DATA, content)] = None
            elif packet.service is not None and packet.service.endswith("-0000-1000-8000-00805f9b34fb"):
                content = bytes.fromhex(packet.service[4:8])[::-1]
                found[OrPattern(0, AdvertisementDataType.SERVICE_DATA_UUID16, content)] = None
    usual = [OrPattern(0, AdvertisementDataType.FLAGS, flags) for flags in FLAGS]
    return [*list(found)[: PATTERNS_MAX - len(usual)], *usual]


class Scan:
    """Hears advertisements; passively where BlueZ allows. `fell_back` is called when it does not."""

    def __init__(
        self,
        adapter: str,
        mode: ScanMode,
        hearing: Hearing,
        *,
        fell_back: Callable[[], None] = lambda: None,
    ) -> None:
        self._adapter = adapter
        self._mode = mode
        self._hearing = hearing
        self._scanner: BleakScanner | None = None
        self._fell_back = fell_back

    async def start(self) -> None:
        """Raises RadioAwayError."""
        passive = self._mode == "passive"
        try:
            async with asyncio.timeout(START_S_MAX):
                if passive:
                    args: BlueZScannerArgs = {"or_patterns": patterns(self._hearing.decoders)}  # type: ignore[typeddict-item]  # a list of one of the two kinds
                    try:
                        await self._start("passive", args)
                    except BleakError as error:
                        if isinstance(error, BleakDBusError) and error.dbus_error in NOT_NOW:
                            raise
                        # BlueZ before 5.56, a kernel before 5.10, or without --experimental.
                        passive = False
                        self._fell_back()
                if not passive:
                    # Each report with its data, not only what is new in it.
                    await self._start("active", {"filters": {"DuplicateData": True}})
        except FOREIGN as error:
            raise RadioAwayError(f"cannot scan: {type(error).__name__}") from error

    async def stop(self) -> None:
        scanner, self._scanner = self._scanner, None
        if scanner is not None:
            with contextlib.suppress(*FOREIGN):
                async with asyncio.timeout(START_S_MAX):
                    await scanner.stop()

    async def _start(self, mode: ScanMode, args: BlueZScannerArgs) -> None:
        scanner = BleakScanner(
            self._hearing.heard, scanning_mode=mode, bluez={"adapter": self._adapter, **args}
        )
        await scanner.start()
        self._scanner = scanner


async def work(bluez: Bluez, scan: Scan, hearing: Hearing, links: Links, quiet_s_max: float) -> None:
    """Until cancelled. Raises RadioAwayError when it cannot go on, StaleError when nobody was heard for
    `quiet_s_max`.
    """
    hearing.forget()
    loop = asyncio.get_running_loop()
    await scan.start()
    hearing.heard_s = loop.time()
    look_s = min(LOOK_S_MAX, quiet_s_max / 4)
    try:
        async with _beside(links.run(), "ble-links") as linking, _beside(bluez.gone(), "ble-gone") as gone:
            while True:
                await asyncio.wait({linking, gone}, timeout=look_s, return_when=asyncio.FIRST_COMPLETED)
                if gone.done():
                    raise RadioAwayError(gone.result())
                if linking.done():
                    linking.result()  # it ends by itself only for a fault of the program
                hearing.tend()
                if loop.time() - hearing.heard_s > quiet_s_max:
                    raise StaleError("nobody is heard")
    finally:
        hearing.flush()
        await scan.stop()


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, Result], name: str) -> AsyncIterator[asyncio.Task[Result]]:
    """A task that is there as long as the context."""
    task = asyncio.create_task(work, name=name)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})
