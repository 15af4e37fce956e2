"""A scale at a canteen's counter: one message a portion. Runs on MicroPython and CPython alike.

A portion is what last lay at rest on the (tared) scale when it was taken off: so that it may be ladled
in several times, and an empty dish is none when it is tared.
"""

from firmware_bridges.boards import wire
from firmware_bridges.boards.link import Link
from firmware_bridges.boards.sensors import Lines, Steady, read_indicator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware_bridges.boards.hal import Hal

KIND = 3
SILENT_MS = 5_000
_COUNT_MAX = 0x7F_FFFF
"""An HX711 gives this or its opposite when the bridge is out of its range."""


class CanteenScale:
    """A load cell on an HX711, or (`has_indicator`) an indicator that writes lines of text.

    A bare load cell takes what lies on it at the start for nothing: the platform must be empty then.
    """

    def __init__(self, hal: "Hal", *, has_indicator: bool = False) -> None:
        self.link = Link(hal, KIND)
        self._hal = hal
        self._has_indicator = has_indicator
        self._lines = Lines()
        self._steady = Steady()
        self._zero_count: int | None = None
        self._tare_g = 0
        self._portion_g = 0
        self._was_pressed = False
        self._measured_ms = 0

    def step(self, now_ms: int) -> None:
        """To be called every few milliseconds, with the milliseconds since the board started."""
        is_pressed = self._hal.is_pressed()
        if is_pressed and not self._was_pressed:
            self.link.tare_asked = True
        self._was_pressed = is_pressed
        for line in self._lines.feed(self._hal.sensor.read()):
            self._on_line(line, now_ms)
        if now_ms - self._measured_ms >= SILENT_MS:
            self._measured_ms = now_ms
            self.link.health &= ~wire.HEALTH_SENSOR
            self.link.fault(1)
        self.link.step(now_ms)

    def _on_line(self, line: bytes, now_ms: int) -> None:
        value = self._indicated(line) if self._has_indicator else self._counted(line, now_ms)
        if value is None:
            return
        gross_g, is_settled = value
        self.link.health |= wire.HEALTH_SENSOR
        self._measured_ms = now_ms
        if self._portion_g and gross_g - self._tare_g <= self.link.parameters["zero_g"]:
            self._lifted(now_ms)
        if not is_settled:
            self._steady.clear()
            return
        parameters = self.link.parameters
        rest_g = self._steady.add(now_ms, gross_g, parameters["settle_ms"], parameters["settle_spread_g"])
        if rest_g is not None:
            self._at_rest(rest_g, now_ms)

    def _at_rest(self, gross_g: int, now_ms: int) -> None:
        if self.link.tare_asked:
            self.link.tare_asked = False
            self._tare_g = gross_g if abs(gross_g) > self.link.parameters["zero_g"] else 0
            self._portion_g = 0
            self.link.signal(wire.ACCEPT, now_ms)
            return
        net_g = gross_g - self._tare_g
        if net_g >= self.link.parameters["portion_min_g"]:
            self._portion_g = net_g
        elif abs(net_g) <= self.link.parameters["zero_g"] and self._zero_count is not None:
            # A load cell drifts with its temperature; an indicator sees to that itself.
            self._zero_count += net_g * self.link.parameters["counts_per_kg"] // 8_000

    def _lifted(self, now_ms: int) -> None:
        taken = self.link.record(wire.WEIGHT, (self._portion_g, self._tare_g, 1), b"", now_ms)
        self.link.signal(wire.ACCEPT if taken else wire.REJECT, now_ms)
        self._portion_g = 0

    def _indicated(self, line: bytes) -> "tuple[int, bool] | None":
        found = read_indicator(line)
        if found is None:
            self.link.fault(2)
        return found

    def _counted(self, line: bytes, now_ms: int) -> "tuple[int, bool] | None":
        digits = line[1:] if line[:1] == b"-" else line
        if not digits.isdigit() or len(digits) > 8:
            self.link.fault(2)
            return None
        count = int(line)
        if abs(count) >= _COUNT_MAX:
            self.link.fault(2)
            self._steady.clear()
            return None
        if self._zero_count is None:
            window_ms = self.link.parameters["settle_ms"]
            spread = abs(self.link.parameters["counts_per_kg"]) // 200  # 5 g
            self._zero_count = self._steady.add(now_ms, count, window_ms, spread)
            if self._zero_count is not None:
                self._steady.clear()
            self._measured_ms = now_ms
            return None
        return (count - self._zero_count) * 1_000 // self.link.parameters["counts_per_kg"], True
