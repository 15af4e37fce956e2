"""Turns a binary payload into readings, as a profile's rows say. Pure: no I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from struct import Struct
from struct import error as StructError  # noqa: N812  # a class with a name in lower case
from typing import Final

from device_profiles.bytes_schema import (
    SIZES,
    ByteOrder,
    BytesRow,
    BytesType,
    PayloadRows,
    Position,
    ShownRow,
)
from device_profiles.payloads import NO_CONTEXT, PAYLOADS, Context, Found, PayloadError
from device_profiles.values import DECIMALS, VALUE_MAX, ValueReader
from telemetry.named import Named
from telemetry.quality import Quality
from telemetry.readings import Chunk, SeriesKey, SeriesTable

_GOOD: Final = int(Quality.GOOD)
_UNCERTAIN: Final = int(Quality.UNCERTAIN)
_OUT_OF_RANGE: Final = int(Quality.OUT_OF_RANGE)
_CODES: Final[dict[BytesType, str]] = {
    "uint8": "B", "int8": "b", "uint16": "H", "int16": "h", "uint32": "I", "int32": "i", "uint64": "Q",
    "float32": "f", "float64": "d",
}  # fmt: skip


class _Field:
    """A row bound to a device's series."""

    __slots__ = ("get", "high", "key", "low", "reader", "series")

    def __init__(self, row: BytesRow, series: int, byte_order: ByteOrder) -> None:
        quantity = row.spec
        self.reader = ValueReader(row)
        self.series = series
        self.key = row.key
        self.get = None if row.at is None else number_at(row, byte_order)
        self.low = max(quantity.low if row.low is None else row.low, -VALUE_MAX)
        self.high = min(quantity.high if row.high is None else row.high, VALUE_MAX)


class PayloadDecoder:
    """Reads one kind of payload of one device.

    `only`: the quantities that this device is fitted with, where its profile knows more.
    """

    def __init__(
        self,
        rows: PayloadRows,
        *,
        device: str,
        place: str,
        model: str,
        table: SeriesTable,
        only: Collection[str] | None = None,
    ) -> None:
        self.rows = rows
        self._start = bytes.fromhex(rows.start)
        self._codec = None if rows.codec is None else PAYLOADS[rows.codec]
        self._fields = [
            _Field(row, table.index(SeriesKey(row.quantity, device, place, model)), rows.byte_order)
            for row in rows.fields
            if only is None or row.quantity in only
        ]

    def matches(self, payload: bytes) -> bool:
        """Whether this is such a payload, by its length and first bytes."""
        rows = self.rows
        return (
            payload.startswith(self._start)
            and len(payload) >= rows.length_min
            and (rows.length is None or len(payload) == rows.length)
        )

    def decode(
        self,
        payload: bytes,
        time_ms: int,
        chunk: Chunk,
        *,
        context: Context = NO_CONTEXT,
        values: Mapping[str, Named] | None = None,
        warming_up: bool = False,
    ) -> tuple[str, ...]:
        """Appends a payload's readings to `chunk`; returns a reason for everything refused.

        values: what a frame codec has understood already; rows find it by `key`. warming_up: the
        device was just switched on, its readings are uncertain. Never raises, whatever the payload.
        """
        if not self._is_ready(payload):
            return ("not_ready",)
        if values is None:
            try:
                values = self.understand(payload, context)
            except PayloadError as error:
                return (error.reason,)
        refused = list(values.refused) if isinstance(values, Found) else []
        known = False
        for field in self._fields:
            raw: object
            if field.get is not None:
                raw = field.get(payload)
                if raw is None:
                    refused.append("truncated")
                    continue
            else:
                named = values.get(field.key or "")
                if named is None:
                    continue
                raw = named.value
            known = True
            self._add(field, raw, time_ms, warming_up, chunk, refused)
        if not known and not refused and self._fields:
            refused.append("no_known_field")
        return tuple(refused)

    def _is_ready(self, payload: bytes) -> bool:
        return not self.rows.zeros_mean_not_ready or any(payload[len(self._start) :])

    def _add(
        self,
        field: _Field,
        raw: object,
        time_ms: int,
        warming_up: bool,  # noqa: FBT001  # one call a value
        chunk: Chunk,
        refused: list[str],
    ) -> None:
        reader = field.reader
        value = reader.read(raw)
        if value is None:
            refused.append("missing_value")
        elif isinstance(value, str):
            refused.append(value)
        else:
            quality = _UNCERTAIN if warming_up or reader.is_uncertain(raw) else _GOOD
            if not field.low <= value <= field.high:
                quality = _OUT_OF_RANGE
            chunk.append(field.series, time_ms, value, quality)

    def understand(self, payload: bytes, context: Context = NO_CONTEXT) -> Mapping[str, Named]:
        """What the profile's codec makes of a payload; nothing where it has none. Raises PayloadError."""
        return {} if self._codec is None else self._codec(payload, context)

    def name_values(
        self, payload: bytes, context: Context = NO_CONTEXT, values: Mapping[str, Named] | None = None
    ) -> dict[str, Named]:
        """Everything the payload holds that does not become a reading, for people to look at."""
        if not self._is_ready(payload):
            return {}
        if values is None:
            try:
                values = self.understand(payload, context)
            except PayloadError:
                values = {}
        taken = {field.key for field in self._fields}
        found = {name: named for name, named in (values or {}).items() if name not in taken}
        found.update(_shown(self.rows.also, payload, self.rows.byte_order))
        return found

    def counter(self, payload: bytes, values: Mapping[str, Named]) -> object:
        """The value that tells a repeated transmission from a new one, or None where there is none."""
        name = self.rows.counter
        if name is None:
            return None
        for row in self.rows.also:
            if row.name == name:
                return number_at(row, self.rows.byte_order)(payload)
        named = values.get(name)
        return None if named is None else named.value


def _shown(rows: Sequence[ShownRow], payload: bytes, byte_order: ByteOrder) -> Iterator[tuple[str, Named]]:
    for row in rows:
        raw = number_at(row, byte_order)(payload)
        if raw is not None and raw not in row.missing:
            plain = row.scale == 1 and row.offset == 0 and row.decimals is None
            decimals = DECIMALS if row.decimals is None else row.decimals
            yield row.name, Named(raw if plain else round(raw * row.scale + row.offset, decimals), row.unit)


def number_at(row: Position, byte_order: ByteOrder) -> Callable[[bytes], int | float | None]:
    """A function that takes a row's raw number out of a payload; it gives None where the payload ends
    before.
    """
    assert row.at is not None
    assert row.type is not None
    order = row.byte_order or byte_order
    at, size = row.at, SIZES[row.type]
    if row.type in _CODES:
        unpack = Struct(f"{'>' if order == 'big' else '<'}{_CODES[row.type]}").unpack_from

        def whole(payload: bytes) -> int | float | None:
            start = at if at >= 0 else len(payload) + at
            if start < 0:
                return None
            try:
                number: int | float = unpack(payload, start)[0]
            except StructError:
                return None
            return number

    else:
        signed = row.type.startswith("int")

        def whole(payload: bytes) -> int | float | None:
            start = at if at >= 0 else len(payload) + at
            part = payload[start : start + size] if start >= 0 else b""
            return int.from_bytes(part, order, signed=signed) if len(part) == size else None

    if row.bits is None:
        return whole
    low, count = row.bits
    mask = (1 << count) - 1

    def some_bits(payload: bytes) -> int | float | None:
        number = whole(payload)
        return None if number is None else int(number) >> low & mask

    return some_bits
