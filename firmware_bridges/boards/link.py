"""A board's end of the line: events are kept until the gateway has them. For both interpreters.

What a board has seen stays in a ring of EVENTS_MAX and is sent again until acknowledged, oldest
first and no more than IN_FLIGHT_MAX at a time: at one pupil every two seconds a cable may be out
for four minutes. When the ring is full, a gateway that acknowledges is believed to come back: the
new event is refused, in front of the person, rather than an old one lost behind their back. Before a
gateway that never acknowledged, the oldest goes: it was sent once, and nobody asks for more.
"""

from firmware_bridges.boards import wire
from firmware_bridges.boards.parameters import checked, defaults

TYPE_CHECKING = False
if TYPE_CHECKING:
    from firmware_bridges.boards.hal import Hal

FIRMWARE = (1, 0, 0)
EVENTS_MAX = 128
IN_FLIGHT_MAX = 8
HELLO_MS = 5_000
"""Between hellos, until the gateway says anything."""
FAULT_MS = 10_000
"""A fault that lasts is told so often."""
_AGE_MS_MAX = 0xFFFF_FFFF
_BEEP, _PAUSE, _GLOW = 120, 120, 600
_PATTERNS = {
    wire.ACCEPT: ((_BEEP, True, False, True), (_GLOW, True, False, False)),
    wire.REJECT: (
        (_BEEP, False, True, True),
        (_PAUSE, False, True, False),
        (_BEEP, False, True, True),
        (_GLOW, False, True, False),
    ),
}
"""Milliseconds, green, red, buzzer: one beep, or two."""


class _Event:
    def __init__(self, type_: int, sequence: int, at_ms: int, values: "tuple[int, ...]", card: bytes) -> None:
        self.type = type_
        self.sequence = sequence
        self.at_ms = at_ms
        self.values = values
        self.card = card
        self.sent_ms = -1


class Link:
    """Sends what a board has to say, keeps what must not be lost, obeys the gateway.

    kind: one of wire.KINDS. Times are milliseconds since the board started and never wrap.
    """

    def __init__(self, hal: "Hal", kind: int) -> None:
        self.parameters = defaults(kind)
        self.health = 0
        self.refused = 0
        """Events and reads that were no use: wrong parity, a card without a forehead, no room."""
        self.lost = 0
        self.tare_asked = False
        self._hal = hal
        self._kind = kind
        self._splitter = wire.FrameSplitter()
        self._events: list[_Event] = []
        self._sequence = 0
        self._hello_due_ms = 0
        self._heartbeat_due_ms = 0
        self._fault_due_ms = 0
        self._heard = False
        self._faults: dict[int, int] = {}
        self._pattern: tuple[tuple[int, bool, bool, bool], ...] = ()
        self._pattern_until_ms = 0

    @property
    def waiting(self) -> int:
        """Events that the gateway has not acknowledged."""
        return len(self._events)

    def record(self, type_: int, values: "tuple[int, ...]", card: bytes, now_ms: int) -> bool:
        """Takes an event into the ring; False when it is full and nothing may be let go."""
        if len(self._events) >= EVENTS_MAX:
            if self.health & wire.HEALTH_ACKNOWLEDGED:
                self.refused += 1
                self.fault(5)
                return False
            self._events.pop(0)
            self.lost += 1
        self._sequence += 1
        self._events.append(_Event(type_, self._sequence, now_ms, values, card))
        return True

    def fault(self, code: int) -> None:
        """Counts one of wire.FAULTS; it is told soon, and not too often."""
        self._faults[code] = self._faults.get(code, 0) + 1

    def signal(self, signal: int, now_ms: int) -> None:
        """Green and one beep for wire.ACCEPT, red and two for wire.REJECT."""
        self._pattern = _PATTERNS.get(signal, ())
        self._pattern_until_ms = now_ms

    def step(self, now_ms: int) -> None:
        """Obeys what has come and sends what is due."""
        if now_ms >= self._hello_due_ms:
            self._hello(now_ms)
        for payload in self._splitter.feed(self._hal.host.read()):
            try:
                self._obey(wire.unpack_command(payload), now_ms)
            except wire.WireError:
                self.fault(4)
        self._send_events(now_ms)
        if now_ms >= self._heartbeat_due_ms:
            self._heartbeat(now_ms)
        if self._faults and now_ms >= self._fault_due_ms:
            self._tell_faults(now_ms)
        self._light(now_ms)

    def _obey(self, command: "tuple[int, tuple[int, ...]]", now_ms: int) -> None:
        type_, values = command
        if not self._heard:
            self._heard = True
            self._hello_due_ms = now_ms + HELLO_MS * 120
        if type_ == wire.ACK:
            self.health |= wire.HEALTH_ACKNOWLEDGED
            boot, sequence = values
            if boot == self._hal.boot:
                self._events = [event for event in self._events if event.sequence != sequence]
        elif type_ == wire.SET:
            name = checked(self._kind, values[0], values[1])
            if name is None:
                self.fault(3)
            else:
                self.parameters[name] = values[1]
                next_ms = now_ms + self.parameters["heartbeat_s"] * 1_000
                self._heartbeat_due_ms = min(self._heartbeat_due_ms, next_ms)
        elif type_ == wire.SIGNAL:
            self.signal(values[0], now_ms)
        elif values[0] == wire.REQUEST_HELLO:
            self._hello_due_ms = now_ms
        elif values[0] == wire.REQUEST_TARE:
            self.tare_asked = True
        else:
            self.fault(4)

    def _send(self, type_: int, values: "tuple[int, ...]", card: bytes = b"") -> None:
        payload = wire.pack_message(type_, self._hal.serial, self._hal.boot, values, card)
        self._hal.host.write(wire.encode_frame(payload))

    def _send_events(self, now_ms: int) -> None:
        retry_ms = self.parameters["retry_ms"]
        for place, event in enumerate(self._events):
            is_new = event.sent_ms < 0
            if is_new or (place < IN_FLIGHT_MAX and now_ms - event.sent_ms >= retry_ms):
                age_ms = min(now_ms - event.at_ms, _AGE_MS_MAX)
                self._send(event.type, (event.sequence, age_ms) + event.values, event.card)  # noqa: RUF005
                event.sent_ms = now_ms
        if not self.parameters["acknowledged"]:
            self._events = []

    def _hello(self, now_ms: int) -> None:
        self._send(wire.HELLO, (self._kind,) + FIRMWARE + (now_ms // 1_000,))  # noqa: RUF005
        self._hello_due_ms = now_ms + HELLO_MS * (120 if self._heard else 1)

    def _heartbeat(self, now_ms: int) -> None:
        counts = (self.waiting, self.lost, self.refused, self._splitter.faults)
        limited = tuple(min(count, 0xFFFF) for count in counts)
        self._send(wire.HEARTBEAT, (now_ms // 1_000,) + limited + (self.health,))  # noqa: RUF005
        self._heartbeat_due_ms = now_ms + self.parameters["heartbeat_s"] * 1_000

    def _tell_faults(self, now_ms: int) -> None:
        for code in sorted(self._faults):
            self._send(wire.FAULT, (code, min(self._faults[code], 0xFFFF)))
        self._faults = {}
        self._fault_due_ms = now_ms + FAULT_MS

    def _light(self, now_ms: int) -> None:
        if now_ms < self._pattern_until_ms:
            return
        if self._pattern:
            length_ms, green, red, buzzer = self._pattern[0]
            self._pattern = self._pattern[1:]
            self._pattern_until_ms = now_ms + length_ms
            self._hal.lamp(green=green, red=red, buzzer=buzzer and bool(self.parameters["buzzer"]))
        elif self._pattern_until_ms:
            self._pattern_until_ms = 0
            self._hal.lamp(green=False, red=False, buzzer=False)
