"""What a simulated board says: frames made of the truth where the profile's layout allows it, else the
frames of the profile's own examples, in turn.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from device_profiles.bytes_schema import SIZES, BytesRow, PayloadRows
from device_profiles.input_text import InputError, hex_bytes
from device_profiles.registry import Profile, serial_spec
from device_profiles.units import SAME, Linear, conversion
from firmware_bridges.frames import (
    dlt645,
    gymcu,
    honeywell,
    nova,
    plantower,
    rdm6300,
    scaletext,
    shdlc,
    wiegand,
    winsen,
    yaohua,
    yaohua_a12,
)

Truth = Callable[[str], float]
"""From a quantity to its true value now, in the unit of the quantity."""
Frames = Callable[[], bytes]
"""The next frame of a board."""

OF_PAYLOAD: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "gy-mcu": gymcu.encode,
    "honeywell": honeywell.encode,
    "nova": nova.encode,
    "plantower": plantower.encode,
    "rdm6300": rdm6300.encode,
    "shdlc": shdlc.encode,
    "wiegand": wiegand.encode,
    "winsen": winsen.encode,
}
"""Framings around a binary payload."""
OF_MASS: Final[Mapping[str, Callable[[float], bytes]]] = {
    "scale-text": scaletext.encode,
    "yaohua": yaohua.encode,
    "yaohua-a12": yaohua_a12.encode,
}
"""Framings of a weight in kg."""

_FLOATS: Final = {"float32": "f", "float64": "d"}


def frames_of(profile: Profile, truth: Truth) -> Frames:
    """The frames of a board of this model. Raises ValueError for a profile that shows none."""
    spec = serial_spec(profile)
    if spec.frame in OF_MASS and any(row.quantity == "mass" for row in spec.fields):
        weigh = OF_MASS[spec.frame]
        return lambda: weigh(round(truth("mass"), 1))
    rows = next((rows for rows in spec.payloads if _is_positional(rows)), None)
    if spec.frame in OF_PAYLOAD and rows is not None:
        encode = OF_PAYLOAD[spec.frame]
        return lambda: encode(payload_of(rows, truth))
    replayed = itertools.cycle(example_frames(profile))
    return lambda: next(replayed)


def example_frames(profile: Profile) -> list[bytes]:
    """The inputs of a profile's examples that give something. Raises ValueError when there is none."""
    spec, found = serial_spec(profile), []
    for example in spec.examples:
        if not (example.expected or example.check or example.cards):
            continue
        # Lines of text stand in examples as they are; a reader's bits look like digits.
        as_line = example.input.encode() + b"\r\n"
        try:
            found.append(as_line if spec.frame == "wiegand" else hex_bytes(example.input))
        except InputError:
            found.append(as_line)
    if not found:
        raise ValueError(f"profile {profile.id} has no example of a frame to show")
    return found


def payload_of(rows: PayloadRows, truth: Truth) -> bytes:
    """A payload with the truth in it; what the rows do not name is 0."""
    size = rows.length or max(_end(row) for row in rows.fields)
    payload = bytearray(max(size, rows.length_min))
    payload[: len(rows.start) // 2] = bytes.fromhex(rows.start)
    for row in rows.fields:
        assert row.at is not None
        assert row.type is not None
        width = SIZES[row.type]
        at = row.at if row.at >= 0 else len(payload) + row.at
        order = row.byte_order or rows.byte_order
        number = int.from_bytes(payload[at : at + width], order)
        exact = raw_of(row, truth(row.quantity))
        if row.type in _FLOATS:
            code = f"{'>' if order == 'big' else '<'}{_FLOATS[row.type]}"
            payload[at : at + width] = struct.pack(code, exact)
            continue
        raw = _clamped(exact, row)
        shift = row.bits[0] if row.bits is not None else 0
        number |= (raw & ((1 << 8 * width) - 1)) << shift
        payload[at : at + width] = number.to_bytes(width, order)
    return bytes(payload)


def meter_values(fields: Iterable[BytesRow], truth: Truth) -> dict[str, float]:
    """The numbers of a DL/T 645 meter by the names of its data, in their own units."""
    return {row.key: raw_of(row, truth(row.quantity)) for row in fields if row.key is not None}


def meter_answer(profile: Profile, address: str, truth: Truth) -> Callable[[str], bytes]:
    """A meter's answer to a data identifier."""
    fields = serial_spec(profile).fields

    def answer(identifier: str) -> bytes:
        try:
            return dlt645.encode(address, identifier, meter_values(fields, truth))
        except ValueError:
            return dlt645.encode_refusal(address)

    return answer


def raw_of(row: BytesRow, value: float) -> float:
    """The number that a device holds for a value in the quantity's unit."""
    if row.map is not None:
        table = row.map
        return float(min((int(text, 0) for text in table), key=lambda raw: abs(table[str(raw)] - value)))
    if row.spec.is_bool:
        return float(bool(value) != row.invert)
    known = SAME if row.unit is None else conversion(row.unit, row.spec)
    assert known is not None, "the schema has checked every unit"
    linear = known.after(Linear(row.scale, row.offset))
    return (value - linear.offset) / linear.scale


def _clamped(raw: float, row: BytesRow) -> int:
    assert row.type is not None
    bits = 8 * SIZES[row.type] if row.bits is None else row.bits[1]
    signed = row.type.startswith("int")
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    return min(max(round(raw), low), high)


def _is_positional(rows: PayloadRows) -> bool:
    return (
        rows.codec is None
        and bool(rows.fields)
        and all(row.at is not None for row in rows.fields)
        and (rows.length is not None or all((row.at or 0) >= 0 for row in rows.fields))
    )


def _end(row: BytesRow) -> int:
    assert row.at is not None
    assert row.type is not None
    return row.at + SIZES[row.type]
