"""Plays a scenario on a board in memory. Runs on MicroPython and CPython alike, to compare them.

A scenario is a list of (millisecond, port, hexadecimal bytes); ports are "host", "reader", "sensor",
"button" (01 pressed, 00 released), "cable" (00 pulled out, 01 put in) and "gateway" (01: from then on it
acknowledges what it hears). The board's clock is the
scenario's: a step each STEP_MS.
"""

from firmware_bridges.boards import wire
from firmware_bridges.boards.virtual import VirtualHal, make_board

STEP_MS = 5
SERIAL = b"\xe6\x61\x41\x04\x03\x2b\x5c\x28"


def play(
    kind: str,
    events: "list[tuple[int, str, str]]",
    until_ms: int,
    *,
    boot: int = 17,
    has_indicator: bool = False,
) -> "list[tuple[int, str, str]]":
    """What the board did: (millisecond, "host" or "sensor", hexadecimal bytes), or "lamp" and those on."""
    hal = VirtualHal(SERIAL, boot)
    board = make_board(kind, hal, has_indicator=has_indicator)
    done: list[tuple[int, str, str]] = []
    is_plugged, is_acknowledging = True, False
    heard = wire.FrameSplitter()
    at = 0
    for now_ms in range(0, until_ms, STEP_MS):
        while at < len(events) and events[at][0] <= now_ms:
            _, port, data = events[at]
            at += 1
            if port == "cable":
                is_plugged = data == "01"
            elif port == "gateway":
                is_acknowledging = data == "01"
            elif port == "button":
                hal.button = data == "01"
            elif port != "host" or is_plugged:
                getattr(hal, port).feed(bytes.fromhex(data))
        board.step(now_ms)
        sent = hal.host.take()
        if sent and is_plugged:
            done.append((now_ms, "host", sent.hex()))
            for payload in heard.feed(sent) if is_acknowledging else ():
                acknowledge(hal, payload)
        asked = hal.sensor.take()
        if asked:
            done.append((now_ms, "sensor", asked.hex()))
        done.extend([(now_ms, "lamp", lamp) for lamp in hal.lamps])
        hal.lamps = []
    return done


def acknowledge(hal: VirtualHal, payload: bytes) -> None:
    """As a gateway does, with the codec that the board has too."""
    type_, _, boot, values, _ = wire.unpack_message(payload)
    if type_ in wire.EVENT_TYPES:
        hal.host.feed(wire.encode_frame(wire.pack_command(wire.ACK, boot, values[0])))
