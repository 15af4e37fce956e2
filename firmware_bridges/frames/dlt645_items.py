"""What DL/T 645-2007 meters know, by data identifier: names, units and where the decimal point is.

Source: DL/T 645-2007, appendix A, tables A.1 and A.3. Numbers are packed BCD, lowest byte first; where
the table says so, the highest bit is a sign. What a meter does not measure reads FF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from telemetry.named import Named


class Item(NamedTuple):
    """A number: its name, how many bytes and decimals it has, and whether its highest bit is a sign."""

    name: str
    size: int
    decimals: int
    unit: str
    signed: bool = False


_ENERGY: Final = {
    "00": Item("energy_total", 4, 2, "kWh", signed=True),
    "01": Item("energy_import", 4, 2, "kWh"),
    "02": Item("energy_export", 4, 2, "kWh"),
}
_OF_PHASES: Final = {
    "01": Item("voltage", 2, 1, "V"),
    "02": Item("current", 3, 3, "A", signed=True),
    "03": Item("power", 3, 4, "kW", signed=True),
    "04": Item("reactive_power", 3, 4, "kvar", signed=True),
    "05": Item("apparent_power", 3, 4, "kVA", signed=True),
    "06": Item("power_factor", 2, 3, "1", signed=True),
    "07": Item("phase_angle", 2, 1, "deg"),
}
_HAS_TOTAL: Final = frozenset({"03", "04", "05", "06"})
"""Of these the first value of a block, and phase 0, is that of all phases."""
_SINGLE: Final = {
    "02800001": Item("neutral_current", 3, 3, "A", signed=True),
    "02800002": Item("frequency", 2, 2, "Hz"),
    "02800003": Item("mean_power", 3, 4, "kW", signed=True),
    "02800004": Item("power_demand", 3, 4, "kW", signed=True),
    "02800007": Item("internal_temperature", 2, 1, "Cel", signed=True),
    "02800008": Item("battery_voltage", 2, 2, "V"),
}
_DIGITS: Final = re.compile(r"[0-9]+").fullmatch


def read_items(identifier: str, data: bytes) -> dict[str, Named]:
    """The numbers in the data of a reply; empty for an identifier that is not known here.

    identifier: eight digits, DI3 first. Raises ValueError where data of a known identifier is none:
    digits that are no digits, or a length that does not fit.
    """
    found = {}
    rest = data
    for item in _items(identifier):
        if not rest:
            break
        if len(rest) < item.size:
            raise ValueError("the data ends within a number")
        found[item.name] = Named(_number(rest[: item.size], item), item.unit)
        rest = rest[item.size :]
    if found and rest:
        raise ValueError("there is more data than the identifier has")
    return found


def write_items(identifier: str, values: Mapping[str, float]) -> bytes:
    """The data that holds `values`, for a simulated meter; what is not among them is not measured, and
    a meter has the tariffs that are given.

    Raises ValueError for an identifier that is not known here, or a number with too many digits.
    """
    parts = []
    for item in _items(identifier):
        value = values.get(item.name)
        if value is None and "_tariff_" in item.name:
            continue
        if value is None:
            parts.append(b"\xff" * item.size)
            continue
        digits = f"{round(abs(value) * 10**item.decimals):0{2 * item.size}d}"
        if len(digits) > 2 * item.size:
            raise ValueError(f"{item.name} has more digits than it has room")
        part = bytearray(bytes.fromhex(digits)[::-1])
        if value < 0:
            if not item.signed or part[-1] & 0x80:
                raise ValueError(f"{item.name} cannot be negative, or not so large")
            part[-1] |= 0x80
        parts.append(bytes(part))
    if not parts:
        raise ValueError("no such identifier is known here")
    return b"".join(parts)


def _items(identifier: str) -> Iterator[Item]:
    """What the data of an identifier holds, in order. FF stands for a block of all."""
    single = _SINGLE.get(identifier)
    if single is not None:
        yield single
        return
    group, kind, which, period = (identifier[at : at + 2] for at in (0, 2, 4, 6))
    if period != "00":
        return
    if group == "00" and kind in _ENERGY:
        total = _ENERGY[kind]
        if which in {"00", "FF"}:
            yield total
        tariffs = range(1, 64) if which == "FF" else (int(which, 16),)
        for tariff in tariffs:
            if 1 <= tariff <= 63:
                yield total._replace(name=f"{total.name}_tariff_{tariff}")
    elif group == "02" and kind in _OF_PHASES:
        item = _OF_PHASES[kind]
        first = 0 if kind in _HAS_TOTAL else 1
        for phase in range(first, 4) if which == "FF" else (int(which, 16),):
            if first <= phase <= 3:
                yield item._replace(name=f"{item.name}_l{phase}" if phase else f"{item.name}_total")


def _number(raw: bytes, item: Item) -> float | None:
    if not raw.strip(b"\xff"):
        return None
    data = bytearray(raw[::-1])
    negative = item.signed and data[0] & 0x80
    if negative:
        data[0] &= 0x7F
    text = data.hex()
    if _DIGITS(text) is None:
        raise ValueError("these are no decimal digits")
    number: float = int(text) / 10**item.decimals
    return -number if negative and number else number
