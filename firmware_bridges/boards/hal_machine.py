"""The hardware of a real board, for MicroPython: serial lines, pins, pulses and a load cell's chip.

Only here and in main.py is `machine` imported. Tests run this file with doubles of the hardware;
README.md says what a first real board must be looked at for.
"""

import os
import select
import sys

import machine  # type: ignore[import-not-found]  # of MicroPython
import micropython  # type: ignore[import-not-found]

from firmware_bridges.boards.starts import count_start

BOOT_FILE = "boot.count"
_PULSES_MAX = 128


class UartStream:
    """A serial line of the chip: {"uart": 0, "tx": 0, "rx": 1, "baud": 9600}."""

    def __init__(self, settings: "dict[str, int]") -> None:
        pins = {name: machine.Pin(settings[name]) for name in ("tx", "rx") if name in settings}
        self._uart = machine.UART(settings["uart"], settings.get("baud", 9_600), rxbuf=512, **pins)

    def read(self) -> bytes:
        return self._uart.read() or b""

    def write(self, data: bytes) -> None:
        self._uart.write(data)


class UsbStream:
    """The board's own USB port. Ctrl-C (0x03) is data from now on, no longer a break."""

    def __init__(self) -> None:
        micropython.kbd_intr(-1)
        self._poll = select.poll()
        self._poll.register(sys.stdin, select.POLLIN)

    def read(self) -> bytes:
        data = b""
        while len(data) < 256 and self._poll.poll(0):
            data += sys.stdin.buffer.read(1)
        return data

    def write(self, data: bytes) -> None:
        sys.stdout.buffer.write(data)


class NoStream:
    """Where nothing is wired."""

    def read(self) -> bytes:
        return b""

    def write(self, data: bytes) -> None:
        """Goes nowhere."""


class WiegandStream:
    """D0 and D1, each low for about 50 µs a bit: {"d0": 2, "d1": 3}."""

    def __init__(self, settings: "dict[str, int]") -> None:
        self._bits = bytearray(_PULSES_MAX)
        self._written = 0
        self._read = 0
        for name, handler in (("d0", self._zero), ("d1", self._one)):
            pin = machine.Pin(settings[name], machine.Pin.IN, machine.Pin.PULL_UP)
            pin.irq(handler, machine.Pin.IRQ_FALLING)

    def _zero(self, _pin: object) -> None:
        self._bits[self._written % _PULSES_MAX] = 48
        self._written += 1

    def _one(self, _pin: object) -> None:
        self._bits[self._written % _PULSES_MAX] = 49
        self._written += 1

    def read(self) -> bytes:
        written = self._written
        begin = max(self._read, written - _PULSES_MAX)
        self._read = written
        return bytes([self._bits[place % _PULSES_MAX] for place in range(begin, written)])

    def write(self, data: bytes) -> None:
        """A reader takes nothing."""


class Hx711Stream:
    """A load cell's HX711 at gain 128, as decimal counts and line feeds: {"dout": 4, "sck": 5}."""

    def __init__(self, settings: "dict[str, int]") -> None:
        self._data = machine.Pin(settings["dout"], machine.Pin.IN)
        self._clock = machine.Pin(settings["sck"], machine.Pin.OUT, value=0)

    def read(self) -> bytes:
        if self._data():
            return b""
        count = 0
        # The clock must not stay high for 60 µs: the chip would switch itself off.
        state = machine.disable_irq()
        for _ in range(24):
            self._clock(1)
            self._clock(0)
            count = count << 1 | self._data()
        self._clock(1)
        self._clock(0)
        machine.enable_irq(state)
        return b"%d\n" % (count - 0x100_0000 if count & 0x80_0000 else count)

    def write(self, data: bytes) -> None:
        """The chip takes nothing."""


class HardwareHal:
    """See hal.Hal. `settings` is board.json; README.md explains its keys."""

    def __init__(self, settings: "dict[str, dict[str, int]]") -> None:
        self.serial = (machine.unique_id() + bytes(8))[:8]
        self.boot = count_start(BOOT_FILE, os.urandom)
        host = settings.get("host", {})
        self.host = UartStream(host) if "uart" in host else UsbStream()
        self.reader = _stream(settings.get("reader", {}))
        self.sensor = _stream(settings.get("sensor", {}))
        pins = settings.get("pins", {})
        self._lamps = [
            machine.Pin(pins[name], machine.Pin.OUT, value=0) if name in pins else None
            for name in ("green", "red", "buzzer")
        ]
        self._button = (
            machine.Pin(pins["button"], machine.Pin.IN, machine.Pin.PULL_UP) if "button" in pins else None
        )

    def lamp(self, *, green: bool, red: bool, buzzer: bool) -> None:
        for pin, state in zip(self._lamps, (green, red, buzzer)):  # noqa: B905  # MicroPython knows no strict
            if pin is not None:
                pin(state)

    def is_pressed(self) -> bool:
        return self._button is not None and not self._button()


def _stream(
    settings: "dict[str, int]",
) -> "UartStream | WiegandStream | Hx711Stream | NoStream":
    if "uart" in settings:
        return UartStream(settings)
    if "d0" in settings:
        return WiegandStream(settings)
    if "dout" in settings:
        return Hx711Stream(settings)
    return NoStream()
