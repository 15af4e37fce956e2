"""A board in memory: the same firmware, its lines fed and read by a test or a simulator.

Runs on MicroPython and CPython alike; nothing here knows the time.
"""

from firmware_bridges.boards.canteen_scale import CanteenScale
from firmware_bridges.boards.morning_desk import MorningDesk
from firmware_bridges.boards.wiegand_tap import WiegandTap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware_bridges.boards.hal import Board, Hal

LINE_BYTES_MAX = 65_536
"""A cable that nobody reads keeps no more."""


class VirtualStream:
    """A line in memory. The board calls `read` and `write`; the world outside `feed` and `take`."""

    def __init__(self) -> None:
        self._to_board = b""
        self._from_board = b""

    def read(self) -> bytes:
        data, self._to_board = self._to_board, b""
        return data

    def write(self, data: bytes) -> None:
        self._from_board = (self._from_board + data)[-LINE_BYTES_MAX:]

    def feed(self, data: bytes) -> None:
        """Puts bytes on the line to the board."""
        self._to_board = (self._to_board + data)[-LINE_BYTES_MAX:]

    def take(self) -> bytes:
        """What the board has written since the last call."""
        data, self._from_board = self._from_board, b""
        return data


class VirtualHal:
    """See hal.Hal. `lamps` keeps the last states asked for: "g", "r" and "b" for those that are on."""

    LAMPS_MAX = 64

    def __init__(self, serial: bytes, boot: int) -> None:
        self.serial = serial
        self.boot = boot
        self.host = VirtualStream()
        self.reader = VirtualStream()
        self.sensor = VirtualStream()
        self.button = False
        self.lamps: list[str] = []

    def lamp(self, *, green: bool, red: bool, buzzer: bool) -> None:
        state = ("g" if green else "") + ("r" if red else "") + ("b" if buzzer else "")
        self.lamps = (self.lamps + [state])[-self.LAMPS_MAX :]  # noqa: RUF005

    def is_pressed(self) -> bool:
        return self.button


def make_board(kind: str, hal: "Hal", *, has_indicator: bool = False) -> "Board":
    """The firmware of a kind of wire.KINDS. Raises ValueError for any other."""
    if kind == "morning-desk":
        return MorningDesk(hal)
    if kind == "wiegand-tap":
        return WiegandTap(hal)
    if kind == "canteen-scale":
        return CanteenScale(hal, has_indicator=has_indicator)
    raise ValueError("no such board")
