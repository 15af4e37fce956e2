"""Modbus RTU frames as bytes: the check, the reply to a read, and why a frame is none. Pure.

Source: Modbus over Serial Line V1.02, section 6.2 (CRC) and Modbus application protocol V1.1b3.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import unpack
from typing import Final

READS: Final = frozenset({1, 2, 3, 4})
WRITES: Final = frozenset({5, 6, 15, 16})
FRAME_BYTES_MAX: Final = 256
REQUEST_BYTES: Final = 8
"""Of a read, and of a write of one bit or register."""
GENERAL_UNITS: Final = frozenset({0xF8, 0xFE})
"""Any single device answers to these with its own id: PZEM (0xF8) and Senseair (0xFE)."""
EXCEPTION_NAMES: Final = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "server device failure",
    5: "acknowledge",
    6: "server device busy",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}


class FrameError(ValueError):
    """A frame that gives no registers. `reason` is one of a few fixed words:

    too_short, bad_crc, wrong_length, wrong_unit, wrong_function, unknown_function, exception.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class ModbusExceptionError(FrameError):
    """The device answered that it will not; `code` is its exception code."""

    def __init__(self, unit: int, fc: int, code: int) -> None:
        name = EXCEPTION_NAMES.get(code, "unknown exception")
        super().__init__("exception", f"unit {unit} answers FC {fc} with exception {code:02d}, {name}")
        self.unit = unit
        self.fc = fc
        self.code = code


@dataclass(frozen=True, slots=True)
class Request:
    """A read, or the write of one bit or register (`count` is its raw value then)."""

    unit: int
    fc: int
    address: int
    count: int


@dataclass(frozen=True, slots=True)
class Reply:
    """The reply to a read: registers (FC 3, 4) or bits (FC 1, 2, filled up to whole bytes)."""

    unit: int
    fc: int
    registers: tuple[int, ...]


def _table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC: Final = _table()


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS; on the wire its low byte comes first."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


def with_crc(body: bytes) -> bytes:
    """The frame of a body: unit, function and data, then the check."""
    return body + crc16(body).to_bytes(2, "little")


def build_request(unit: int, fc: int, address: int, count: int) -> bytes:
    """The frame that asks for registers or bits."""
    return with_crc(bytes((unit, fc)) + address.to_bytes(2, "big") + count.to_bytes(2, "big"))


def build_reply(unit: int, fc: int, registers: tuple[int, ...]) -> bytes:
    """The frame of a device that answers a read: registers, or bits for FC 1 and 2."""
    if fc in {1, 2}:
        packed = sum(bit << at for at, bit in enumerate(registers))
        data = packed.to_bytes((len(registers) + 7) // 8, "little")
    else:
        data = b"".join(register.to_bytes(2, "big") for register in registers)
    return with_crc(bytes((unit, fc, len(data))) + data)


def build_exception(unit: int, fc: int, code: int) -> bytes:
    """The frame of a device that refuses."""
    return with_crc(bytes((unit, fc | 0x80, code)))


def parse_request(frame: bytes) -> Request:
    """A request of eight bytes. Raises FrameError."""
    if len(frame) != REQUEST_BYTES:
        raise FrameError("wrong_length", f"a request has {REQUEST_BYTES} bytes, this has {len(frame)}")
    _check(frame)
    unit, fc, address, count = unpack(">BBHH", frame[:6])
    if fc not in READS | WRITES:
        raise FrameError("unknown_function", f"FC {fc} is not read here")
    return Request(unit, fc, address, count)


def parse_reply(frame: bytes, request: Request | None = None, *, has_crc: bool = True) -> Reply:
    """The reply to a read. Raises FrameError, and ModbusExceptionError where the device refused.

    request: what was asked; its unit (unless a general or broadcast address), function and count
    must fit. has_crc: False for a log that leaves the check out.
    """
    tail = 2 if has_crc else 0
    if len(frame) < 3 + tail:
        raise FrameError("too_short", f"{len(frame)} bytes are no frame")
    if len(frame) > FRAME_BYTES_MAX:
        raise FrameError(
            "wrong_length", f"a frame has at most {FRAME_BYTES_MAX} bytes, this has {len(frame)}"
        )
    if has_crc:
        _check(frame)
    unit, fc, body = frame[0], frame[1], frame[2 : len(frame) - tail]
    if request is not None:
        _check_answers(unit, fc & 0x7F, request)
    if fc & 0x80:
        if len(body) != 1:
            raise FrameError("wrong_length", f"an exception has one byte of data, this has {len(body)}")
        raise ModbusExceptionError(unit, fc & 0x7F, body[0])
    if fc not in READS:
        raise FrameError("unknown_function", f"FC {fc} gives no registers")
    return Reply(unit, fc, _registers(fc, body, None if request is None else request.count))


def _check_answers(unit: int, fc: int, request: Request) -> None:
    if unit != request.unit and request.unit not in GENERAL_UNITS:
        raise FrameError("wrong_unit", f"unit {unit} answers, unit {request.unit} was asked")
    if fc != request.fc:
        raise FrameError("wrong_function", f"FC {fc} is answered, FC {request.fc} was asked")


def _registers(fc: int, body: bytes, count: int | None) -> tuple[int, ...]:
    """Registers, or bits for FC 1 and 2, from the number of bytes and the data."""
    data, is_bits = body[1:], fc in {1, 2}
    if len(data) != body[0] or not data or (not is_bits and len(data) % 2):
        raise FrameError("wrong_length", f"{body[0]} bytes of data are announced, {len(data)} are there")
    if count is not None and len(data) != ((count + 7) // 8 if is_bits else count * 2):
        raise FrameError("wrong_length", f"{len(data)} bytes of data do not answer a request for {count}")
    if is_bits:
        return tuple(byte >> at & 1 for byte in data for at in range(8))[:count]
    return unpack(f">{len(data) // 2}H", data)


def _check(frame: bytes) -> None:
    found, expected = int.from_bytes(frame[-2:], "little"), crc16(frame[:-2])
    if found != expected:
        raise FrameError("bad_crc", f"the check is {found:04x}, expected {expected:04x} (CRC mismatch)")
