"""What a board's logic asks of its hardware. For type checkers and readers; it is not flashed.

`hal_machine.HardwareHal` is a real board, `virtual.VirtualHal` a board in memory.
"""

from __future__ import annotations

from typing import Protocol

from firmware_bridges.boards.link import Link


class Stream(Protocol):
    """A serial line, or what stands for one. Neither call waits."""

    def read(self) -> bytes:
        """What has come since the last call, perhaps nothing."""

    def write(self, data: bytes) -> None:
        """Sends; what a full or broken line does not take is lost, as on any cable."""


class Hal(Protocol):
    """serial: 8 bytes that no other board has. boot: how often this one has started.

    host: the line to the gateway. reader: a card reader's serial line, or of a Wiegand reader the
    bits as "0" and "1". sensor: the thermometer's or indicator's line, or an HX711's counts, each as
    a decimal number and a line feed.
    """

    @property
    def serial(self) -> bytes: ...
    @property
    def boot(self) -> int: ...
    @property
    def host(self) -> Stream: ...
    @property
    def reader(self) -> Stream: ...
    @property
    def sensor(self) -> Stream: ...

    def lamp(self, *, green: bool, red: bool, buzzer: bool) -> None:
        """Switches lamps and buzzer; called when something changes."""

    def is_pressed(self) -> bool:
        """The board's one button; a scale's tare."""


class Board(Protocol):
    """The logic of a board: `step` does what is due, and is called every few milliseconds."""

    @property
    def link(self) -> Link: ...

    def step(self, now_ms: int) -> None:
        """`now_ms`: milliseconds since the board started; they never wrap."""
