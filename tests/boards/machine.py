"""A double of MicroPython's `machine`, for MicroPython: pins, serial lines, and an HX711 on two of them."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PINS: "dict[int, Pin]" = {}
UARTS: "dict[int, UART]" = {}
FEEDS_MAX = 50


class Pin:
    """The same object for the same number, as on a board."""

    IN, OUT, PULL_UP, IRQ_FALLING = 0, 1, 1, 2

    state: int
    handler: "Callable[[Pin], None]"
    watcher: "Callable[[int], None] | None"

    def __new__(cls, number: int, *modes: int, value: int = 1) -> "Pin":  # noqa: PYI034  # one a number
        if number not in PINS:
            PINS[number] = pin = object.__new__(cls)
            pin.state, pin.watcher = value, None
        return PINS[number]

    def __init__(self, number: int, *modes: int, value: int = 1) -> None:
        pass

    def __call__(self, state: "int | None" = None) -> int:
        if state is not None:
            self.state = int(state)
            if self.watcher is not None:
                self.watcher(self.state)
        return self.state

    def irq(self, handler: "Callable[[Pin], None]", trigger: int) -> None:
        assert trigger == Pin.IRQ_FALLING
        self.handler = handler

    def pulse(self) -> None:
        self.handler(self)


class UART:
    """A serial line; what the board sends is kept in `sent`."""

    def __init__(
        self, number: int, baud: int, *, rxbuf: int, tx: "Pin | None" = None, rx: "Pin | None" = None
    ) -> None:
        self.settings = (number, baud)
        self.received, self.sent = b"", b""
        UARTS[number] = self

    def read(self) -> "bytes | None":
        data, self.received = self.received, b""
        return data or None

    def write(self, data: bytes) -> int:
        self.sent += data
        return len(data)


class WDT:
    """Ends the program when it was fed often enough."""

    def __init__(self, timeout: int) -> None:
        self.feeds = 0

    def feed(self) -> None:
        self.feeds += 1
        if self.feeds == FEEDS_MAX:
            raise SystemExit


class Hx711:
    """The chip: a conversion is ready while its data line is low; 25 pulses take it out."""

    def __init__(self, data: int, clock: int) -> None:
        self.data = Pin(data)
        self.bits: list[int] = []
        Pin(clock).watcher = self.clocked

    def convert(self, count: int) -> None:
        self.bits = [(count & 0xFF_FFFF) >> place & 1 for place in range(23, -1, -1)] + [1]
        self.data(0)

    def clocked(self, state: int) -> None:
        if state:
            self.data(self.bits.pop(0))


def unique_id() -> bytes:
    return b"\xe6\x61\x41\x04\x03\x2b\x5c\x28"


def disable_irq() -> int:
    return 7


def enable_irq(state: int) -> None:
    assert state == 7
