"""Starts a board. To be copied to it as main.py, with its board.json beside it; see README.md."""

import json
import time

import machine  # type: ignore[import-not-found]  # of MicroPython

from firmware_bridges.boards.hal_machine import HardwareHal
from firmware_bridges.boards.parameters import checked, number_of
from firmware_bridges.boards.virtual import make_board
from firmware_bridges.boards.wire import KINDS

WATCHDOG_MS = 8_000
STEP_MS = 2


def run() -> None:
    """For ever: a board that hangs is started again by its watchdog."""
    with open("board.json") as file:  # noqa: PTH123  # MicroPython has no pathlib
        settings = json.load(file)
    maintenance = settings.get("pins", {}).get("maintenance")
    if maintenance is not None and not machine.Pin(maintenance, machine.Pin.IN, machine.Pin.PULL_UP)():
        return
    kind = settings["kind"]
    board = make_board(kind, HardwareHal(settings), has_indicator="uart" in settings.get("sensor", {}))
    for number, name in KINDS.items():
        if name == kind:
            for parameter, value in settings.get("parameters", {}).items():
                if checked(number, number_of(parameter), value) is None:
                    raise ValueError("a parameter in board.json cannot be")
                board.link.parameters[parameter] = value
    watchdog = machine.WDT(timeout=WATCHDOG_MS)
    now_ms, ticks = 0, time.ticks_ms()  # type: ignore[attr-defined]
    while True:
        # ticks_ms starts over after some days; milliseconds of our own do not.
        now_ticks = time.ticks_ms()  # type: ignore[attr-defined]
        now_ms += time.ticks_diff(now_ticks, ticks)  # type: ignore[attr-defined]
        ticks = now_ticks
        board.step(now_ms)
        watchdog.feed()
        time.sleep_ms(STEP_MS)  # type: ignore[attr-defined]


if __name__ == "__main__":
    run()
