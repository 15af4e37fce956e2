"""The OSDP card readers of a school, each with a key of its own, on ptys."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Self

from firmware_bridges.osdp_keys import create_key, load_key
from foundation.keyfiles import KeyFileError
from simulators.drive import Drive
from simulators.hosts import HostError, Served, Table
from simulators.serial.line import SerialLine
from simulators.world import Device

if TYPE_CHECKING:
    from simulators.osdp.reader import SimulatedReader


class OsdpHost:
    """Every reader of the school. `folder`: where links to ptys and the readers' keys go.

    readers: the simulated readers by id. Who comes to school holds a card to one of them.
    """

    def __init__(self, drive: Drive, folder: Path) -> None:
        self.environment: dict[str, str] = {}
        self.readers: dict[str, SimulatedReader] = {}
        self._drive = drive
        self._folder = folder
        self._served: list[Served] = []
        self._stack = AsyncExitStack()
        self._people: asyncio.Task[None] | None = None

    @property
    def served(self) -> Sequence[Served]:
        return self._served

    async def __aenter__(self) -> Self:
        ports: dict[str, list[Device]] = {}
        for device in self._drive.school.on("osdp"):
            assert device.plan.osdp is not None
            ports.setdefault(device.plan.osdp.port, []).append(device)
        try:
            for name, devices in ports.items():
                await self._serve(name, devices)
        except ModuleNotFoundError as error:
            await self.__aexit__()
            raise HostError("OSDP readers need a library: pip install 'campus-pulse[osdp]'") from error
        except (KeyFileError, OSError, ValueError) as error:
            await self.__aexit__()
            raise HostError(f"cannot simulate OSDP readers: {error}") from error
        self._people = asyncio.create_task(self._come(), name="people at OSDP readers")
        return self

    async def __aexit__(self, *_exception: object) -> None:
        if self._people is not None:
            self._people.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._people
        for reader in self.readers.values():
            reader.switch_off()
        await self._stack.aclose()
        self._served.clear()

    async def _serve(self, name: str, devices: Sequence[Device]) -> None:
        from simulators.osdp.reader import SimulatedReader  # noqa: PLC0415  # libosdp is an extra of its own

        line = SerialLine(self._folder / name)
        await self._stack.enter_async_context(line)
        rows: list[Table] = []
        for number, device in enumerate(devices, 1):
            assert device.plan.osdp is not None
            address = int(device.plan.osdp.address or number)
            file = self._folder / f"{device.id}.key"
            reader = SimulatedReader(address, load_key(file) if file.exists() else create_key(file))
            reader.attach(line)
            self.readers[device.id] = reader
            rows.append(
                {
                    "id": device.id,
                    "place": device.place,
                    "address": address,
                    "key_file": str(file),
                    "door": number,
                }
            )
        table: Table = {"name": f"osdp-{name}", "port": str(line.path), "baud": line.baud, "readers": rows}
        ids = tuple(device.id for device in devices)
        where = f"{line.path} at {line.baud} Bd"
        self._served.append(Served(devices[0].gateway, "osdp", where, ids, table))

    async def _come(self) -> None:
        readers = list(self.readers.values())
        async for tap in self._drive.taps():
            reader = readers[tap.pupil.number % len(readers)]
            reader.hold_card(bytes.fromhex(tap.pupil.card))
