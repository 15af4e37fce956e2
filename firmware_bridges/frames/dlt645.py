"""DL/T 645-2007 electricity meters: 68, address, 68, control, length, data + 33, sum, 16; 2400 Bd 8E1.

Source: DL/T 645-2007, section 5. FE bytes wake the receiver and are no part of the frame. Several meters
share a line, and adapters echo what is sent: a frame says whose it is, and which side has sent it.
"""

from __future__ import annotations

import re
from typing import Final

from firmware_bridges.frames.contract import Frame, FrameError
from firmware_bridges.frames.dlt645_items import read_items, write_items
from firmware_bridges.frames.scanning import begins, reject, take_off
from telemetry.named import Named

START: Final = b"\x68"
PREAMBLE: Final = b"\xfe"
TAIL: Final = 0x16
OFFSET: Final = 0x33
DATA_BYTES_MAX: Final = 200
"""Of a read; section 5.2.5."""
READ: Final = 0x11
READ_ADDRESS: Final = 0x13
FROM_METER: Final = 0x80
ABNORMAL: Final = 0x40
FUNCTION: Final = 0x1F
ANY_ADDRESS: Final = "AAAAAAAAAAAA"
"""Whichever meter hears it; only for a line with one."""
_ADDRESS: Final = re.compile(r"[0-9]{1,12}|A{12}").fullmatch
_IDENTIFIER: Final = re.compile(r"[0-9A-Fa-f]{8}").fullmatch


class Dlt645Codec:
    """Payload: the data without the offset of 33. Values: `meter_address`, twelve digits;
    `data_identifier`, DI3 first; `request` (the control code) for what a master sent; for a reading
    the numbers by name, such as `energy_total`, `voltage_l1`, `power_total`, `frequency`.
    """

    def take(self, buffer: bytearray) -> Frame | None:
        if not begins(buffer, START, quiet=PREAMBLE) or len(buffer) < 8:
            return None
        if buffer[7:8] != START:
            reject(buffer, "wrong_header")
        if len(buffer) < 10:
            return None
        length = buffer[9]
        if length > DATA_BYTES_MAX:
            reject(buffer, "bad_length")
        end = length + 12
        if len(buffer) < end:
            return None
        if buffer[end - 1] != TAIL:
            reject(buffer, "wrong_tail")
        if sum(buffer[: end - 2]) & 0xFF != buffer[end - 2]:
            reject(buffer, "bad_checksum")
        frame = take_off(buffer, end)
        data = bytes(byte - OFFSET & 0xFF for byte in frame[10:-2])
        return _read(frame[1:7][::-1].hex().upper(), frame[8], data)


def _read(address: str, control: int, data: bytes) -> Frame:
    values = {"meter_address": Named(address)}
    if not control & FROM_METER:
        values["request"] = Named(control)
    elif control & ABNORMAL:
        # One byte of data says why: no such data, wrong password, too fast.
        raise FrameError("device_refused")
    if control & FUNCTION == READ and len(data) >= 4:
        identifier = data[:4][::-1].hex().upper()
        values["data_identifier"] = Named(identifier)
        if control & FROM_METER:
            try:
                values |= read_items(identifier, data[4:])
            except ValueError:
                raise FrameError("bad_data") from None
    return Frame(data, values)


def _frame(address: str, control: int, data: bytes) -> bytes:
    if _ADDRESS(address) is None:
        raise ValueError(f"a meter's address has up to twelve digits, or is {ANY_ADDRESS}")
    body = START + bytes.fromhex(address.zfill(12))[::-1] + START + bytes((control, len(data)))
    body += bytes(byte + OFFSET & 0xFF for byte in data)
    return body + bytes((sum(body) & 0xFF, TAIL))


def _identifier(text: str) -> bytes:
    if _IDENTIFIER(text) is None:
        raise ValueError("a data identifier has eight hexadecimal digits, such as 02010100")
    return bytes.fromhex(text)[::-1]


def encode_request(address: str, identifier: str) -> bytes:
    """Asks a meter for a data identifier, wake-up bytes included. Raises ValueError for an address or
    identifier that cannot be.
    """
    return PREAMBLE * 4 + _frame(address, READ, _identifier(identifier))


def encode(address: str, identifier: str, values: dict[str, float]) -> bytes:
    """A meter's reply with `values` by name; what is not among them is not measured."""
    data = _identifier(identifier) + write_items(identifier.upper(), values)
    return PREAMBLE * 4 + _frame(address, READ | FROM_METER, data)


def encode_refusal(address: str, reason: int = 0x02) -> bytes:
    """A meter's reply to what it does not know (2), or to too many wrong questions."""
    return PREAMBLE * 4 + _frame(address, READ | FROM_METER | ABNORMAL, bytes((reason,)))
