"""Turns a Modbus device's registers into readings, as its profile says. Pure: no I/O, no clock.

A reply is packed and unpacked by `struct` once for all its values of one word and byte order; after
that a value costs a multiplication, a comparison and four appends.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import isclose, isfinite
from struct import Struct
from struct import error as StructError  # noqa: N812  # a class with a name in lower case
from typing import Final, NamedTuple

from device_profiles.modbus_plan import RegisterRead, covers, plan_reads, split_read
from device_profiles.modbus_schema import STRUCT_CODES, ModbusProfile, RegisterRow
from device_profiles.registry import Profile, modbus_spec
from device_profiles.units import SAME, Linear, conversion
from device_profiles.values import DECIMALS, VALUE_MAX
from telemetry.quality import Quality
from telemetry.readings import Chunk, SeriesKey, SeriesTable

__all__ = ["ModbusDecoder", "RegisterRead", "bind_modbus"]

LAYOUTS_MAX: Final = 512
"""Reads whose layout is remembered: planned ones, and those that a stubborn device is split into."""
_GOOD: Final = int(Quality.GOOD)
_UNCERTAIN: Final = int(Quality.UNCERTAIN)
_OUT_OF_RANGE: Final = int(Quality.OUT_OF_RANGE)


class _Field:
    """A row of a profile, bound to a device's series."""

    __slots__ = (
        "bit", "decimals", "divisor", "high", "linear", "lookup", "low", "missing", "row", "series",
    )  # fmt: skip

    def __init__(self, row: RegisterRow, series: int) -> None:
        quantity = row.spec
        self.row = row
        self.series = series
        self.bit = row.bit
        self.missing = frozenset(row.missing)
        self.lookup: dict[float, float] | None = None
        if row.map is not None:
            self.lookup = {int(raw, 0): to + 0.0 for raw, to in row.map.items()}
        elif quantity.is_bool:
            self.lookup = {0: 1.0, 1: 0.0} if row.invert else {0: 0.0, 1: 1.0}
        known = SAME if row.unit is None else conversion(row.unit, quantity)
        assert known is not None, "the schema has checked every unit"
        self.linear = known.after(Linear(row.scale, row.offset))
        self.decimals = DECIMALS if row.decimals is None else row.decimals
        self.divisor = None if row.decimals is not None else _divisor(row, self.linear)
        self.low = max(quantity.low if row.low is None else row.low, -VALUE_MAX)
        self.high = min(quantity.high if row.high is None else row.high, VALUE_MAX)

    def read(self, raw: float) -> float | str:
        """The value in the quantity's unit, or the reason why there is none."""
        if self.bit is not None:
            raw = int(raw) >> self.bit & 1
        if raw in self.missing:
            return "missing_value"
        if self.lookup is not None:
            return self.lookup.get(raw, "not_in_map" if self.row.map is not None else "not_a_bool")
        if not isfinite(raw):
            return "not_finite"
        value = self.number(raw)
        return value if -VALUE_MAX <= value <= VALUE_MAX else "number_too_large"

    def number(self, raw: float) -> float:
        """A raw number in the quantity's unit; never minus zero."""
        if self.divisor is not None:
            return raw / self.divisor
        return round(raw * self.linear.scale + self.linear.offset, self.decimals) + 0.0

    @property
    def is_plain(self) -> bool:
        """Nothing but arithmetic leads from the raw integer to the value."""
        return self.bit is None and self.lookup is None and self.divisor is not None


def _divisor(row: RegisterRow, linear: Linear) -> float | None:
    """Tenths and hundredths of an integer are divided: the quotient is the decimal that was meant,
    without the rounding that a product needs.
    """
    if row.type.startswith("float") or linear.offset != 0:
        return None
    divisor = round(1 / linear.scale)
    return float(divisor) if divisor and isclose(linear.scale * divisor, 1, rel_tol=1e-12) else None


_Column = tuple[int, float, float, float, frozenset[float], _Field]
"""Series, divisor (0 where there is more to do), low, high, missing, and the field itself."""


class _Layer(NamedTuple):
    """Values of one read that share word and byte order and do not overlap."""

    reverse: bool
    pack: Struct
    unpack: Struct
    columns: tuple[_Column, ...]


class _Layout(NamedTuple):
    """What stands where in a read. `blanks` are the packed registers that mean "nothing"."""

    length: int
    layers: tuple[_Layer, ...]
    bits: tuple[tuple[int, _Field], ...]
    blanks: frozenset[bytes]


class ModbusDecoder:
    """Reads the registers of one device. `reads` are the requests that give all its values.

    Not for use from several threads at once.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        device: str,
        place: str,
        table: SeriesTable,
        registers_max: int | None,
        only: Collection[str] | None,
    ) -> None:
        spec = modbus_spec(profile)
        self.device = device
        self.place = place
        self.model = profile.id
        self.spec: ModbusProfile = spec
        rows = [row for row in spec.fields if only is None or row.quantity in only]
        self._fields = [
            _Field(row, table.index(SeriesKey(row.quantity, device, place, profile.id))) for row in rows
        ]
        self.rows = tuple(rows)
        self._blank = frozenset(spec.blank)
        self.reads: tuple[RegisterRead, ...] = plan_reads(
            rows,
            registers_max=min(registers_max or spec.registers_max, spec.registers_max),
            gap_max=spec.gap_max,
        )
        self._layouts: dict[RegisterRead, _Layout] = {}

    def split(self, read: RegisterRead) -> tuple[RegisterRead, ...]:
        """Smaller reads for a device that refuses `read`; empty where nothing smaller exists."""
        return split_read(read, self.rows)

    def decode(
        self,
        read: RegisterRead,
        registers: Sequence[int],
        time_ms: int,
        chunk: Chunk,
        *,
        warming_up: bool = False,
    ) -> tuple[str, ...]:
        """Appends the readings of a reply to `chunk`; returns a reason for every value refused.

        registers: as many as `read` asks for, 0 to 65535 each; bits for FC 1 and 2. time_ms: when
        the reply came, ms UTC. warming_up: the device was switched on less than `warm_up_s` ago;
        its readings are uncertain. Never raises, whatever the registers hold.
        """
        layout = self._layouts.get(read) or self._layout(read)
        if len(registers) != layout.length:
            return ("wrong_length",)
        if not layout.layers and not layout.bits:
            return ("no_known_register",)
        refused: list[str] = []
        quality = _UNCERTAIN if warming_up else _GOOD
        for layer in layout.layers:
            try:
                data = layer.pack.pack(*(registers[::-1] if layer.reverse else registers))
            except StructError:
                return ("not_registers",)
            if data in layout.blanks:
                return ("blank",)
            self._read(layer, data, time_ms, quality, chunk, refused)
        for at, field in layout.bits:
            raw = registers[at]
            value = field.read(raw) if raw == 0 or raw == 1 else "not_a_bit"  # noqa: PLR1714  # it may be unhashable
            self._add(field, value, time_ms, quality, chunk, refused)
        return tuple(refused)

    def _read(
        self, layer: _Layer, data: bytes, time_ms: int, quality: int, chunk: Chunk, refused: list[str]
    ) -> None:
        add_series, add_time = chunk.series.append, chunk.time_ms.append
        add_value, add_quality = chunk.value.append, chunk.quality.append
        raws = layer.unpack.unpack(data)
        for (series, divisor, low, high, missing, field), raw in zip(layer.columns, raws, strict=True):
            if divisor and raw not in missing:
                value = raw / divisor
                if low <= value <= high:
                    add_series(series)
                    add_time(time_ms)
                    add_value(value)
                    add_quality(quality)
                    continue
            self._add(field, field.read(raw), time_ms, quality, chunk, refused)

    def _add(
        self, field: _Field, value: float | str, time_ms: int, quality: int, chunk: Chunk, refused: list[str]
    ) -> None:
        if isinstance(value, str):
            refused.append(value)
        else:
            inside = field.low <= value <= field.high
            chunk.append(field.series, time_ms, value, quality if inside else _OUT_OF_RANGE)

    def _layout(self, read: RegisterRead) -> _Layout:
        inside = [field for field in self._fields if covers(read, field.row)]
        if read.fc in {1, 2}:
            bits = tuple((field.row.address - read.address, field) for field in inside)
            found = _Layout(read.count, (), bits, frozenset())
        else:
            # few registers are no pattern: one of 0 may well be 0.0 °C
            repeats = read.count if read.count >= self.spec.blank_count_min else 0
            blanks = frozenset(word.to_bytes(2, "big") * repeats for word in self.spec.blank if repeats)
            blanks |= frozenset(word.to_bytes(2, "little") * repeats for word in self.spec.blank if repeats)
            found = _Layout(read.count, self._layers(read, inside), (), blanks)
        if len(self._layouts) < LAYOUTS_MAX:
            self._layouts[read] = found
        return found

    def _layers(self, read: RegisterRead, inside: list[_Field]) -> tuple[_Layer, ...]:
        groups: dict[tuple[bool, bool], list[list[_Field]]] = {}
        for field in sorted(inside, key=lambda field: (field.row.address, field.row.end)):
            row = field.row
            lo_first = (row.word_order or self.spec.word_order) == "lo-hi" and row.words > 1
            little = (row.byte_order or self.spec.byte_order) == "little"
            rows = groups.setdefault((lo_first, little), [])
            free = next((layer for layer in rows if layer[-1].row.end <= row.address), None)
            if free is None:
                rows.append([field])
            else:
                free.append(field)
        return tuple(
            _layer(read, fields, reverse=reverse, little=little)
            for (reverse, little), layers in groups.items()
            for fields in layers
        )


def _layer(read: RegisterRead, fields: list[_Field], *, reverse: bool, little: bool) -> _Layer:
    """Low word first is high word first in the registers read backwards."""
    ordered = fields[::-1] if reverse else fields
    code, at = ">", 0
    for field in ordered:
        start = read.end - field.row.end if reverse else field.row.address - read.address
        code += f"{2 * (start - at)}x" + STRUCT_CODES[field.row.type]
        at = start + field.row.words
    code += f"{2 * (read.count - at)}x"
    columns = tuple(
        (one.series, (one.divisor or 0.0) if one.is_plain else 0.0, one.low, one.high, one.missing, one)
        for one in ordered
    )
    return _Layer(reverse, Struct(f"{'<' if little else '>'}{read.count}H"), Struct(code), columns)


def bind_modbus(
    profile: Profile,
    *,
    device: str,
    place: str,
    table: SeriesTable,
    registers_max: int | None = None,
    only: Collection[str] | None = None,
) -> ModbusDecoder:
    """A profile's decoder for one device.

    device, place: the ids under which its series stand. registers_max: fewer registers a read than
    the profile says, for a gateway between that allows less. only: the quantities this device is
    fitted with, where a profile knows more. Raises WrongTransportError (a ValueError) for a profile
    that is not for Modbus, and ValueError for a quantity that it does not give.
    """
    spec = modbus_spec(profile)
    unknown = set(only or ()) - {row.quantity for row in spec.fields}
    if unknown:
        raise ValueError(f"profile {profile.id} does not give {', '.join(sorted(unknown))}")
    return ModbusDecoder(
        profile, device=device, place=place, table=table, registers_max=registers_max, only=only
    )
