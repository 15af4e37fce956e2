"""Which drivers fail, in a small file of the running gateway: for `campus edge check`, which is another process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from edge_agent.counters import DriverCounters
from foundation.wholefile import write_whole

NAME: Final = "failing-drivers.json"
BYTES_MAX: Final = 1024 * 1024


class FailingDriver(msgspec.Struct, frozen=True):
    """failures: since the gateway's start. error, where: kind and place of the last one, without its words."""

    driver: str
    failures: int
    error: str
    where: str


class FailingFile:
    """In the gateway's data folder; there is none where all is well. Calls wait for the disk."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / NAME

    def read(self) -> list[FailingDriver]:
        """None of them where the file cannot be used: it only repeats what the log has."""
        try:
            with self.path.open("rb") as file:
                return msgspec.json.decode(file.read(BYTES_MAX), type=list[FailingDriver])
        except (OSError, ValueError):
            return []

    def write(self, failing: Sequence[FailingDriver]) -> None:
        """Raises OSError."""
        if failing:
            write_whole(self.path, msgspec.json.encode(failing))
        else:
            self.path.unlink(missing_ok=True)


class FailingKeeper:
    """Keeps the file true: `run` as a task, `changed` whenever a driver begins or ends to fail."""

    def __init__(self, file: FailingFile, drivers: Mapping[str, DriverCounters]) -> None:
        self._file = file
        self._drivers = drivers
        self._wake = asyncio.Event()
        self._has_ended = False

    def changed(self) -> None:
        self._wake.set()

    def end(self) -> None:
        """`run` takes the file away and returns."""
        self._has_ended = True
        self._wake.set()

    async def run(self) -> None:
        """Forgets what an earlier run has left, first of all."""
        written: list[FailingDriver] | None = None
        while not self._has_ended:
            if (failing := self._failing()) != written:
                await self._write(failing)
                written = failing
            await self._wake.wait()
            self._wake.clear()
        await self._write([])

    def _failing(self) -> list[FailingDriver]:
        return [
            FailingDriver(name, one.failures, one.error, one.where)
            for name, one in sorted(self._drivers.items())
            if one.failing
        ]

    async def _write(self, failing: list[FailingDriver]) -> None:
        # A full disk has troubles of its own, which are told elsewhere.
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self._file.write, failing)
