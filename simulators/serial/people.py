"""Who uses our own boards at a simulated school: foreheads at the desk, cards at the gate, trays on the scale."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Final, Self

from firmware_bridges.cards import to_wiegand
from firmware_bridges.frames import gymcu, rdm6300
from simulators.drive import Drive
from simulators.meals import SLOT_MS, tray_kg
from simulators.pupils import em_tag, wiegand_tag
from simulators.serial.own_board import OwnBoard
from simulators.world import Device

KIND_OF_PROFILE: Final = {
    "campus/morning-desk": "morning-desk",
    "campus/wiegand-tap": "wiegand-tap",
    "campus/canteen-scale": "canteen-scale",
}
"""Profiles of our boards → their kind."""
SAMPLE_S: Final = 0.1
"""A thermometer's and a load cell's rate."""
FOREHEAD_SAMPLES: Final = 12
TRAY_SAMPLES: Final = 20
BARE_SAMPLES: Final = 12
COUNTS_PER_KG: Final = 420_000
WIEGAND_BITS: Final = 34
ZERO_COUNTS: Final = 84_000
_DESK_NUMBERS: Final = 1_000_000
"""The desk's checks are others than those of the station that publishes."""


class BoardUsers:
    """Feeds one board's reader and sensor in the rhythm of people, while the context lasts."""

    def __init__(self, drive: Drive, device: Device, kind: str, board: OwnBoard) -> None:
        self._drive = drive
        self._device = device
        self._board = board
        uses: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "morning-desk": self._desk,
            "wiegand-tap": self._gate,
            "canteen-scale": self._scale,
        }
        self._use = uses[kind]
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._use(), name=f"people at {self._device.id}")
        return self

    async def __aexit__(self, *_exception: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _desk(self) -> None:
        """A card, and a forehead for a second; else the thermometer sees the room."""
        number = _DESK_NUMBERS
        while True:
            ambient_c = self._drive.truth(self._device)("temperature")
            pause = max(BARE_SAMPLES, int(self._drive.pupil_every_s / SAMPLE_S) - FOREHEAD_SAMPLES)
            await self._thermometer(ambient_c, ambient_c, pause)
            if not self._drive.checks_now:
                continue
            check = self._drive.school.check(number)
            number += 1
            self._board.hal.reader.feed(rdm6300.encode(bytes.fromhex(em_tag(check.card))))
            await self._thermometer(check.temperature_c, ambient_c, FOREHEAD_SAMPLES)

    async def _thermometer(self, object_c: float, ambient_c: float, samples: int) -> None:
        body = b"".join(round(one * 100).to_bytes(2, "big", signed=True) for one in (object_c, ambient_c))
        for _ in range(samples):
            self._board.hal.sensor.feed(gymcu.encode(body))
            await asyncio.sleep(SAMPLE_S)

    async def _gate(self) -> None:
        async for tap in self._drive.taps():
            bits = to_wiegand(bytes.fromhex(wiegand_tag(tap.pupil.card)), WIEGAND_BITS)
            self._board.hal.reader.feed(bits.encode())

    async def _scale(self) -> None:
        """A tray takes as long on the scale as the scale needs, however fast the school's day runs."""
        while True:
            kg = tray_kg(self._drive.school.world, self._device.id, self._drive.school_ms // SLOT_MS)
            await self._load(0.0, BARE_SAMPLES)
            if kg is not None:
                await self._load(kg, TRAY_SAMPLES)

    async def _load(self, kg: float, samples: int) -> None:
        for _ in range(samples):
            self._board.hal.sensor.feed(b"%d\n" % (ZERO_COUNTS + round(kg * COUNTS_PER_KG)))
            await asyncio.sleep(SAMPLE_S)
