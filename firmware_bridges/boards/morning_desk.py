"""The morning check's desk: a card and a forehead within three seconds make a check.

Runs on MicroPython and CPython alike. Whose temperature it was is never guessed: two cards for one
forehead give no check, and are told so by the red lamp. A forehead without a card gives a check without
one, since a fever must alarm all the same, and the red lamp: its owner is to come again with the card.
"""

from firmware_bridges.boards import wire
from firmware_bridges.boards.link import Link
from firmware_bridges.boards.sensors import CardReader, Steady, Thermometer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware_bridges.boards.hal import Hal

KIND = 1
FOREHEAD = 1
SAME_CARD_MS = 1_500
"""A card held to the reader is read again and again; after so long a pause it is held there anew."""
ASK_AGAIN_MS = 2_000
SILENT_MS = 5_000


class MorningDesk:
    """RDM6300 and GY-MCU90614 on two serial lines."""

    def __init__(self, hal: "Hal") -> None:
        self.link = Link(hal, KIND)
        self._hal = hal
        self._reader = CardReader()
        self._thermometer = Thermometer()
        self._steady = Steady()
        self._last_card = b""
        self._last_card_ms = -SAME_CARD_MS
        self._card = b""
        self._card_ms = 0
        self._forehead: tuple[int, int] | None = None
        self._steady_since_ms = 0
        self._steady_ms = 0
        self._is_armed = True
        """A forehead gives one temperature; it must go before the next one counts."""
        self._measured_ms = -1
        self._asked_ms = -ASK_AGAIN_MS

    def step(self, now_ms: int) -> None:
        """To be called every few milliseconds, with the milliseconds since the board started."""
        for card in self._reader.feed(self._hal.reader.read()):
            self.link.health |= wire.HEALTH_READER
            self._on_card(card, now_ms)
        for object_c100, ambient_c100 in self._thermometer.feed(self._hal.sensor.read()):
            self.link.health |= wire.HEALTH_SENSOR
            self._measured_ms = now_ms
            self._on_temperature(object_c100, ambient_c100, now_ms)
        self._match(now_ms)
        self._expire(now_ms)
        self._watch_thermometer(now_ms)
        self.link.step(now_ms)

    def _on_card(self, card: bytes, now_ms: int) -> None:
        is_held = card == self._last_card and now_ms - self._last_card_ms < SAME_CARD_MS
        self._last_card, self._last_card_ms = card, now_ms
        if is_held:
            return
        if self._card and self._card != card:
            self._give_up(now_ms)
            return
        self._card, self._card_ms = card, now_ms

    def _on_temperature(self, object_c100: int, ambient_c100: int, now_ms: int) -> None:
        parameters = self.link.parameters
        value = object_c100 + parameters["object_offset_c100"]
        if not parameters["object_low_c100"] <= value <= parameters["object_high_c100"]:
            self._steady.clear()
            self._is_armed = True
            return
        if not self._is_armed:
            return
        spread = parameters["forehead_spread_c100"]
        median = self._steady.add(now_ms, value, parameters["forehead_ms"], spread)
        if median is not None:
            if self._forehead is None:
                self._steady_since_ms = now_ms
            self._forehead = (median, ambient_c100)
            self._steady_ms = now_ms

    def _match(self, now_ms: int) -> None:
        together_ms = self.link.parameters["together_ms"]
        if self._card and self._forehead and abs(self._card_ms - self._steady_ms) <= together_ms:
            self._record(self._card, now_ms)

    def _expire(self, now_ms: int) -> None:
        together_ms = self.link.parameters["together_ms"]
        if self._card and now_ms - self._card_ms > together_ms:
            self._card = b""
            self.link.refused += 1
            self.link.signal(wire.REJECT, now_ms)
        if self._forehead is None:
            return
        if self.link.parameters["anonymous"]:
            if now_ms - self._steady_since_ms > together_ms:
                self._record(b"", now_ms)
        elif now_ms - self._steady_ms > together_ms:
            self._forehead = None

    def _record(self, card: bytes, now_ms: int) -> None:
        assert self._forehead is not None
        object_c100, ambient_c100 = self._forehead
        taken = self.link.record(wire.CHECK, (FOREHEAD, object_c100, ambient_c100), card, now_ms)
        self.link.signal(wire.ACCEPT if taken and card else wire.REJECT, now_ms)
        self._forget()

    def _give_up(self, now_ms: int) -> None:
        self.link.refused += 1
        self.link.signal(wire.REJECT, now_ms)
        self._forget()

    def _forget(self) -> None:
        self._card, self._forehead = b"", None
        self._steady.clear()
        self._is_armed = False

    def _watch_thermometer(self, now_ms: int) -> None:
        silent_ms = now_ms - max(self._measured_ms, 0)
        if self._measured_ms >= 0 and silent_ms < ASK_AGAIN_MS:
            return
        if now_ms - self._asked_ms >= ASK_AGAIN_MS:
            self._asked_ms = now_ms
            self._hal.sensor.write(Thermometer.CONTINUOUS)
            if silent_ms >= SILENT_MS:
                self.link.health &= ~wire.HEALTH_SENSOR
                self.link.fault(1)
