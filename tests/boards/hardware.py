"""Wires our boards to doubles of their hardware. For MicroPython; prints what comes of it."""

import json
import os

import machine  # type: ignore[import-not-found]  # the double beside this file

if not hasattr(os, "urandom"):  # this build of MicroPython lacks what every board has
    os.urandom = bytes

from firmware_bridges.boards.hal_machine import HardwareHal
from firmware_bridges.boards.main import run
from firmware_bridges.boards.virtual import make_board
from firmware_bridges.boards.wire import FrameSplitter, unpack_message

HOST = {"uart": 0, "baud": 115_200, "tx": 0, "rx": 1}
PINS = {"green": 16, "red": 17, "buzzer": 18, "button": 19}
SPLITTER = FrameSplitter()


def tell(name: str) -> None:
    """What the board has sent: type, serial, boot, values, card."""
    uart = machine.UARTS[0]
    for payload in SPLITTER.feed(uart.sent):
        type_, serial, boot, values, card = unpack_message(payload)
        print(name, type_, serial.hex(), boot, *values, card.hex() or "-")
    uart.sent = b""


def desk() -> None:
    reader, sensor = {"uart": 1, "rx": 5}, {"uart": 2, "tx": 8, "rx": 9}
    board = make_board(
        "morning-desk", HardwareHal({"host": HOST, "reader": reader, "sensor": sensor, "pins": PINS})
    )
    board.step(0)
    print("lines", [machine.UARTS[number].settings for number in (0, 1, 2)], machine.UARTS[2].sent.hex())
    machine.UARTS[1].received = b"\x020400864426E0\x03"
    for now_ms in range(100, 1_000, 100):
        machine.UARTS[2].received = b"\x5a\x5a\x45\x04\x0e\x44\x08\x66\xbd"
        board.step(now_ms)
    tell("desk")
    print("lamps", [machine.PINS[PINS[name]].state for name in ("green", "red", "buzzer")])


def tap() -> None:
    board = make_board("wiegand-tap", HardwareHal({"host": HOST, "reader": {"d0": 2, "d1": 3}, "pins": PINS}))
    now_ms = 0
    for _ in range(6):  # more pulses than are kept of them
        for bit in "00110010100001111111111111":
            machine.PINS[3 if bit == "1" else 2].pulse()
            now_ms += 2
            board.step(now_ms)
        now_ms += 50
        board.step(now_ms)
    tell("tap")


def scale() -> None:
    chip = machine.Hx711(4, 5)
    board = make_board(
        "canteen-scale", HardwareHal({"host": HOST, "sensor": {"dout": 4, "sck": 5}, "pins": PINS})
    )
    for step, count in enumerate([-81_234] * 12 + [-81_234 + 420 * 365] * 12 + [-81_200] * 3):
        chip.convert(count)
        board.step(step * 100)
        assert not chip.bits, "25 pulses a conversion"
        machine.PINS[4](1)
        board.step(step * 100 + 50)
    tell("scale")


def start() -> None:
    """main.py, until its watchdog was fed often enough; then with the maintenance pin grounded."""
    settings = {
        "kind": "wiegand-tap",
        "host": HOST,
        "reader": {"d0": 2, "d1": 3},
        "pins": {"maintenance": 22},
        "parameters": {"silence_ms": 40},
    }
    with open("board.json", "w") as file:  # noqa: PTH123
        file.write(json.dumps(settings))
    try:
        run()
    except SystemExit:
        tell("main")
    machine.Pin(22)(0)
    run()
    print("maintenance")


for check in (desk, tap, scale, start):
    check()
