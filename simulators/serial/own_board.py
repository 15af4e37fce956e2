"""Our own boards, their real firmware in memory, on a simulated line."""

from __future__ import annotations

import asyncio
import random
from typing import Final

from firmware_bridges.boards.hal import Board
from firmware_bridges.boards.virtual import VirtualHal, make_board
from simulators.serial.faults import BoardFaults
from simulators.serial.line import SerialLine

STEP_S: Final = 0.005
RESTART_S: Final = 0.5


class OwnBoard:
    """A board of `kind` (`firmware_bridges.boards.wire.KINDS`). What its reader and its sensor say is
    put into `hal.reader` and `hal.sensor`; a restart makes a new `hal`.
    """

    def __init__(self, kind: str, *, serial: bytes = b"SIMBOARD") -> None:
        self.faults = BoardFaults()
        self.said = 0
        self._random = random.Random(1)  # noqa: S311  # noise, no secret
        self._kind = kind
        self._serial = serial
        self._line: SerialLine | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._started_s = 0.0
        self.boot = 0
        self.hal: VirtualHal
        self.board: Board
        self._boot_up()

    @property
    def waiting(self) -> int:
        """Events that no gateway has acknowledged."""
        return self.board.link.waiting

    def _boot_up(self) -> None:
        self.boot += 1
        self.hal = VirtualHal(self._serial, self.boot)
        self.board = make_board(self._kind, self.hal)

    def attach(self, line: SerialLine) -> None:
        self._line = line
        line.listen(self._hear)
        self.switch_on()

    def _hear(self, data: bytes) -> None:
        self.hal.host.feed(data)

    def switch_on(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._started_s = loop.time()
            self._timer = loop.call_soon(self._step)  # type: ignore[assignment]  # cancelled alike

    def switch_off(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def restart(self) -> None:
        """What was not acknowledged is lost, as with a real board."""
        self.switch_off()
        self._boot_up()
        asyncio.get_running_loop().call_later(RESTART_S, self.switch_on)

    def _step(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(STEP_S, self._step)
        self.board.step(int((loop.time() - self._started_s) * 1_000))
        said = self.hal.host.take()
        if said and self._line is not None and not self.faults.silent:
            self.said += 1
            self._line.send(self.faults.spoil(said, self._random))
