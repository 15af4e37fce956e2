"""Modbus requests, and what a good reply to each must look like (Modbus Application Protocol V1.1b3).

RTU has no transaction number: shape is all that tells one reply from another, so it is checked in
full before a reply is believed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

READ_COILS: Final = 1
READ_DISCRETE_INPUTS: Final = 2
READ_HOLDING_REGISTERS: Final = 3
READ_INPUT_REGISTERS: Final = 4
WRITE_COIL: Final = 5
WRITE_REGISTER: Final = 6
WRITE_COILS: Final = 15
WRITE_REGISTERS: Final = 16
MASK_WRITE_REGISTER: Final = 22
READ_WRITE_REGISTERS: Final = 23
REFUSED: Final = 0x80
"""Added to the function code when a device refuses."""

REGISTERS_MAX: Final = 125
BITS_MAX: Final = 2_000
WRITE_REGISTERS_MAX: Final = 123
WRITE_BITS_MAX: Final = 1_968
_READS_BITS: Final = (READ_COILS, READ_DISCRETE_INPUTS)
_READS: Final = (READ_COILS, READ_DISCRETE_INPUTS, READ_HOLDING_REGISTERS, READ_INPUT_REGISTERS)


class Request(NamedTuple):
    """One request. `body` follows the function code; a good reply's body has `reply_bytes` bytes and
    starts with `reply_start`: its byte count, or what was written.
    """

    fc: int
    body: bytes
    reply_bytes: int
    reply_start: bytes

    @property
    def gives_values(self) -> bool:
        return self.reply_bytes > len(self.reply_start)


@lru_cache(maxsize=4_096)
def read(fc: int, address: int, count: int) -> Request:
    """Reads coils (1), discrete inputs (2), holding (3) or input registers (4). Raises ValueError."""
    if fc not in _READS:
        raise ValueError(f"function {fc} does not read; expected 1, 2, 3 or 4")
    bits = fc in _READS_BITS
    _check(address, count, BITS_MAX if bits else REGISTERS_MAX)
    size = (count + 7) // 8 if bits else 2 * count
    return Request(fc, struct.pack(">HH", address, count), 1 + size, bytes((size,)))


def write_coil(address: int, on: bool) -> Request:  # noqa: FBT001  # the value itself
    """Function 5. Raises ValueError."""
    _check(address, 1, 1)
    return _echoed(WRITE_COIL, struct.pack(">HH", address, 0xFF00 if on else 0))


def write_register(address: int, value: int) -> Request:
    """Function 6; `value` is the raw word. Raises ValueError."""
    _check(address, 1, 1)
    return _echoed(WRITE_REGISTER, struct.pack(">HH", address, _word(value)))


def write_coils(address: int, bits: Sequence[bool]) -> Request:
    """Function 15. Raises ValueError."""
    _check(address, len(bits), WRITE_BITS_MAX)
    packed = sum(1 << at for at, on in enumerate(bits) if on).to_bytes((len(bits) + 7) // 8, "little")
    head = struct.pack(">HH", address, len(bits))
    return Request(WRITE_COILS, head + bytes((len(packed),)) + packed, 4, head)


def write_registers(address: int, values: Sequence[int]) -> Request:
    """Function 16; `values` are raw words. Raises ValueError."""
    _check(address, len(values), WRITE_REGISTERS_MAX)
    head = struct.pack(">HH", address, len(values))
    return Request(WRITE_REGISTERS, head + _counted(values), 4, head)


def mask_write(address: int, and_mask: int, or_mask: int) -> Request:
    """Function 22: the register becomes (old AND and_mask) OR (or_mask AND NOT and_mask). Raises
    ValueError.
    """
    _check(address, 1, 1)
    return _echoed(MASK_WRITE_REGISTER, struct.pack(">HHH", address, _word(and_mask), _word(or_mask)))


def read_write(address: int, count: int, write_address: int, values: Sequence[int]) -> Request:
    """Function 23: writes first, then reads. Raises ValueError."""
    _check(address, count, REGISTERS_MAX)
    _check(write_address, len(values), 121)
    head = struct.pack(">HHHH", address, count, write_address, len(values))
    return Request(READ_WRITE_REGISTERS, head + _counted(values), 1 + 2 * count, bytes((2 * count,)))


def values(request: Request, body: bytes) -> tuple[int, ...]:
    """Registers, or coils as 0 and 1, of a good reply's body; nothing for a write. The last byte of
    coils is padded with zeros up to eight.
    """
    if not request.gives_values:
        return ()
    if request.fc in _READS_BITS:
        return tuple(byte >> at & 1 for byte in body[1:] for at in range(8))
    return struct.unpack(f">{len(body) // 2}H", body[1:])


def took(request: Request, body: bytes) -> bool:
    """Whether the registers that function 23 read back are those it wrote."""
    return body[1:] == request.body[9:]


def _echoed(fc: int, body: bytes) -> Request:
    return Request(fc, body, len(body), body)


def _counted(words: Sequence[int]) -> bytes:
    return bytes((2 * len(words),)) + struct.pack(f">{len(words)}H", *map(_word, words))


def _word(value: int) -> int:
    if not 0 <= value <= 0xFFFF:
        raise ValueError(f"{value} is no register value; expected 0 to 65535")
    return value


def _check(address: int, count: int, count_max: int) -> None:
    if not (1 <= count <= count_max and address >= 0 and address + count <= 0x1_0000):
        raise ValueError(f"{count} from address {address} cannot be asked for at once")
