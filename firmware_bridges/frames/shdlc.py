"""SHDLC of Sensirion (SPS30): 7E, address, command, state, length, data, check, 7E; bytes are stuffed.

Source: Sensirion, SPS30 datasheet, section 5.2. What the master sends has no state. A reply of another
state than 0 is an error of the device; a reading without data means that there is no new one.
"""

from __future__ import annotations

from typing import Final

from firmware_bridges.frames.contract import Frame, FrameError
from firmware_bridges.frames.scanning import begins, reject, take_off
from telemetry.named import Named

FLAG: Final = b"\x7e"
ESCAPE: Final = 0x7D
FRAME_BYTES_MAX: Final = 2 + 2 * (5 + 255)
"""All 255 bytes of data and the other five stuffed."""
READ_VALUES: Final = 0x03
DEVICE_ERROR: Final = 0x80
"""Bit of the state that tells of a fault without refusing the command (a dirty fan, say)."""
NOT_IN_THIS_STATE: Final = 0x43
"""The command is not allowed now: the sensor does not measure."""


class ShdlcCodec:
    """Payload: the data. Values: `command`, and for what the master sent (an echo) `request`."""

    def take(self, buffer: bytearray) -> Frame | None:
        if not begins(buffer, FLAG):
            return None
        # The flag that ended one frame and the one that begins the next.
        while buffer[1:2] == FLAG:
            del buffer[:1]
        end = buffer.find(FLAG, 1, FRAME_BYTES_MAX)
        if end < 0:
            if len(buffer) < FRAME_BYTES_MAX:
                return None
            reject(buffer, "bad_length")
        body = _unstuff(buffer[1:end])
        if body is None or len(body) < 4 or ~sum(body[:-1]) & 0xFF != body[-1]:
            # The flag behind may begin a good frame.
            del buffer[:end]
            raise FrameError("bad_length" if body is None or len(body) < 4 else "bad_checksum")
        take_off(buffer, end + 1)
        return _read(body)


def _read(body: bytes) -> Frame:
    command = body[1]
    if len(body) >= 5 and body[3] == len(body) - 5:
        state = body[2] & ~DEVICE_ERROR
        if state:
            raise FrameError("not_ready" if state == NOT_IN_THIS_STATE else "device_refused")
        if command == READ_VALUES and not body[3]:
            raise FrameError("not_ready")
        return Frame(body[4:-1], {"command": Named(command)})
    if body[2] == len(body) - 4:
        return Frame(b"", {"command": Named(command), "request": Named(body[3:-1].hex())})
    raise FrameError("bad_length")


def _unstuff(data: bytes | bytearray) -> bytes | None:
    """The bytes as they were meant: 7D 5E is 7E, 7D 31 is 11; None where one is cut off."""
    found = bytearray()
    escaped = False
    for byte in data:
        if escaped:
            found.append(byte ^ 0x20)
            escaped = False
        elif byte == ESCAPE:
            escaped = True
        else:
            found.append(byte)
    return None if escaped else bytes(found)


def _frame(body: bytes) -> bytes:
    stuffed = bytearray()
    for byte in body + bytes((~sum(body) & 0xFF,)):
        if byte in b"\x7e\x7d\x11\x13":
            stuffed += bytes((ESCAPE, byte ^ 0x20))
        else:
            stuffed.append(byte)
    return FLAG + bytes(stuffed) + FLAG


def encode(payload: bytes, *, command: int = READ_VALUES, state: int = 0, address: int = 0) -> bytes:
    """A device's reply with some data."""
    return _frame(bytes((address, command, state, len(payload))) + payload)


def encode_request(payload: bytes = b"", *, command: int = READ_VALUES, address: int = 0) -> bytes:
    """What a master sends."""
    return _frame(bytes((address, command, len(payload))) + payload)
