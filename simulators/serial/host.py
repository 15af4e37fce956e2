"""The serial devices of a school: each port a pty behind a name that stays."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from device_profiles.registry import Catalogue, serial_spec
from simulators.drive import Drive
from simulators.hosts import HostError, Served, Table, row
from simulators.serial.board import SimulatedBoard
from simulators.serial.line import SerialLine
from simulators.serial.own_board import OwnBoard
from simulators.serial.people import KIND_OF_PROFILE, BoardUsers
from simulators.world import Device


class SerialHost:
    """Every serial port of the school that has boards. `folder`: where the links to the ptys go.

    boards: the simulated boards by id, with their faults.
    """

    def __init__(self, drive: Drive, folder: Path, catalogue: Catalogue | None = None) -> None:
        self.environment: dict[str, str] = {}
        self.boards: dict[str, SimulatedBoard | OwnBoard] = {}
        self._drive = drive
        self._folder = folder
        self._catalogue = catalogue or Catalogue()
        self._served: list[Served] = []
        self._stack = AsyncExitStack()

    @property
    def served(self) -> Sequence[Served]:
        return self._served

    async def __aenter__(self) -> Self:
        ports: dict[str, list[Device]] = {}
        for device in self._drive.school.on("serial"):
            assert device.plan.serial is not None
            ports.setdefault(device.plan.serial.port, []).append(device)
        try:
            for name, devices in ports.items():
                await self._serve(name, devices)
        except (OSError, ValueError) as error:
            await self.__aexit__()
            raise HostError(f"cannot simulate serial boards: {error}") from error
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for board in self.boards.values():
            board.switch_off()
        await self._stack.aclose()
        self._served.clear()

    async def _serve(self, name: str, devices: Sequence[Device]) -> None:
        profiles = [self._catalogue.get(device.profile) for device in devices]
        path = self._folder / name
        settings = serial_spec(profiles[0]).line
        bits = 9 + (settings.parity != "none") + settings.stop_bits
        line = SerialLine(path, baud=settings.baud[0], bits_a_character=bits)
        await self._stack.enter_async_context(line)
        rows = []
        for device, profile in zip(devices, profiles, strict=True):
            assert device.plan.serial is not None
            address = device.plan.serial.address
            told = "" if address is None else str(address)
            kind = KIND_OF_PROFILE.get(device.profile)
            board: SimulatedBoard | OwnBoard
            if kind is None:
                board = SimulatedBoard(profile, self._drive.truth(device), address=told)
            else:
                board = OwnBoard(kind, serial=device.id.encode()[-8:].rjust(8))
                await self._stack.enter_async_context(BoardUsers(self._drive, device, kind, board))
            board.attach(line)
            self.boards[device.id] = board
            rows.append(
                row(device.id, device.profile, device.place, address=told or None, only=device.plan.only)
            )
        table: Table = {"name": f"serial-{name}", "port": str(path), "baud": line.baud, "devices": rows}
        ids = tuple(device.id for device in devices)
        where = f"{path} at {line.baud} Bd"
        self._served.append(Served(devices[0].gateway, "serial", where, ids, table))
