"""Sparkplug B payloads: named metrics with a type, a time and a value.

Source: https://sparkplug.eclipse.org/specification/version/3.0/documents/sparkplug-specification-3.0.0.pdf,
chapter 6. A birth declares metrics by name, with a type and perhaps an alias; data messages may then give
the alias only, and no type. What a device has declared is kept by `Births`.
"""

from __future__ import annotations

from struct import unpack
from typing import Any, Final, NamedTuple

from device_profiles.parsing import PAYLOAD_BYTES_MAX, DecodeError
from device_profiles.protobuf import FIXED32, FIXED64, LENGTH, VARINT, Field, read_fields
from telemetry.named import Named, Value

METRICS_MAX: Final = 1_000
"""In one message, and that one device may declare."""
NAME_CHARACTERS_MAX: Final = 256

_SIGNED_BITS: Final = {1: 8, 2: 16, 3: 32, 4: 64}
_DATETIME: Final = 13
DATATYPES: Final[dict[int, str]] = {
    1: "int8", 2: "int16", 3: "int32", 4: "int64", 5: "uint8", 6: "uint16", 7: "uint32", 8: "uint64",
    9: "float", 10: "double", 11: "bool", 12: "text", _DATETIME: "unix ms", 14: "text", 15: "uuid",
    17: "hex", 18: "hex",
}  # fmt: skip
"""What a value of each type is shown as."""

_PAYLOAD_WIRES: Final = {1: VARINT, 2: LENGTH, 3: VARINT, 4: LENGTH, 5: LENGTH}
_METRIC_WIRES: Final = {
    1: LENGTH, 2: VARINT, 3: VARINT, 4: VARINT, 5: VARINT, 6: VARINT, 7: VARINT, 8: LENGTH, 9: LENGTH,
    10: VARINT, 11: VARINT, 12: FIXED32, 13: FIXED64, 14: VARINT, 15: LENGTH, 16: LENGTH, 17: LENGTH,
    18: LENGTH, 19: LENGTH,
}  # fmt: skip

Raw = int | float | bool | str | bytes | None


class Metric(NamedTuple):
    """One metric of a message. `raw` is None where it is null, or a data set or template."""

    name: str = ""
    alias: int | None = None
    time_ms: int | None = None
    datatype: int = 0
    raw: Raw = None


class SparkplugPayload(NamedTuple):
    """One message."""

    metrics: tuple[Metric, ...]
    time_ms: int | None = None
    seq: int | None = None
    uuid: str = ""
    body: bytes = b""


class Moment(NamedTuple):
    """The metrics of one time, by name, as a JSON message would give them."""

    time_ms: int | None
    values: dict[str, Value]


def parse_sparkplug(data: bytes) -> SparkplugPayload:
    """A message. Raises DecodeError: "empty", "too_large", "truncated", "not_protobuf",
    "not_sparkplug", "too_many_metrics".
    """
    if len(data) > PAYLOAD_BYTES_MAX:
        raise DecodeError("too_large")
    if not data:
        raise DecodeError("empty")
    metrics: list[Metric] = []
    found: dict[str, Any] = {}
    for field in read_fields(data):
        _check(field, _PAYLOAD_WIRES)
        match field.number:
            case 1:
                found["time_ms"] = field.integer
            case 2:
                if len(metrics) == METRICS_MAX:
                    raise DecodeError("too_many_metrics")
                metrics.append(_metric(field.data))
            case 3:
                found["seq"] = field.integer
            case 4:
                found["uuid"] = _text(field.data)
            case 5:
                found["body"] = field.data
    return SparkplugPayload(tuple(metrics), **found)


def _metric(data: bytes) -> Metric:
    found: dict[str, Any] = {}
    is_null = False
    for field in read_fields(data):
        _check(field, _METRIC_WIRES)
        match field.number:
            case 1:
                found["name"] = _text(field.data)
                if len(found["name"]) > NAME_CHARACTERS_MAX:
                    raise DecodeError("not_sparkplug")
            case 2:
                found["alias"] = field.integer
            case 3:
                found["time_ms"] = field.integer
            case 4:
                found["datatype"] = field.integer
            case 7:
                is_null = bool(field.integer)
            case number if number in _METRIC_WIRES and number >= 10:
                found["raw"] = _raw(field)
    if is_null:
        found["raw"] = None
    return Metric(**found)


def _raw(field: Field) -> Raw:
    match field.number:
        case 10 | 11:
            value: Raw = field.integer
        case 12:
            # A float knows seven digits; the rest is noise of the binary fraction.
            value = float(f"{unpack('<f', field.data)[0]:.7g}")
        case 13:
            value = unpack("<d", field.data)[0]
        case 14:
            value = bool(field.integer)
        case 15:
            value = _text(field.data)
        case 16:
            value = field.data
        case _:
            value = None
    return value


def _check(field: Field, wires: dict[int, int]) -> None:
    """Unknown fields are passed over, as Protocol Buffers want it."""
    if wires.get(field.number, field.wire) != field.wire:
        raise DecodeError("not_sparkplug")


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise DecodeError("not_sparkplug") from None


def metric_value(raw: Raw, datatype: int) -> Value:
    """The value that a metric of this type has; bytes as hexadecimal digits. Signed integers travel as
    unsigned ones, in two's complement.
    """
    if isinstance(raw, bytes):
        return raw.hex()
    bits = _SIGNED_BITS.get(datatype)
    if bits is None or type(raw) is not int:
        return raw
    raw &= (1 << bits) - 1
    return raw - (1 << bits) if raw >> (bits - 1) else raw


def message_values(payload: SparkplugPayload) -> dict[str, Named]:
    """What a message says of itself, for people to look at."""
    told = {
        "timestamp": Named(payload.time_ms, "unix ms"),
        "seq": Named(payload.seq),
        "payload_uuid": Named(payload.uuid or None, "uuid"),
        "body": Named(payload.body.hex() or None, "hex"),
    }
    return {name: named for name, named in told.items() if named.value is not None}


class Births:
    """What one device has declared of its metrics: bounded, forgotten when it is born anew."""

    def __init__(self) -> None:
        self._names: dict[int, str] = {}
        self._types: dict[str, int] = {}

    def resolve(self, payload: SparkplugPayload) -> tuple[list[Moment], dict[str, Named], list[str]]:
        """The metrics by time and name, all of them for people to look at, and a reason for everything
        refused.
        """
        refused: list[str] = []
        self._learn(payload, refused)
        moments: dict[int | None, Moment] = {}
        shown: dict[str, Named] = {}
        for metric in payload.metrics:
            name = metric.name or ("" if metric.alias is None else self._names.get(metric.alias, ""))
            if not name:
                refused.append("unknown_alias")
                continue
            datatype = metric.datatype or self._types.get(name, 0)
            value = metric_value(metric.raw, datatype)
            time_ms = payload.time_ms if metric.time_ms is None else metric.time_ms
            moments.setdefault(time_ms, Moment(time_ms, {})).values[name] = value
            shown[name] = Named(value, DATATYPES.get(datatype, "1"))
        return list(moments.values()), shown, refused

    def _learn(self, payload: SparkplugPayload, refused: list[str]) -> None:
        declared = {
            metric.alias: metric.name
            for metric in payload.metrics
            if metric.name and metric.alias is not None
        }
        if declared:
            # Only births give both; a new one replaces the old.
            self._names = declared
            self._types = {}
        for metric in payload.metrics:
            if metric.name and metric.datatype:
                if metric.name not in self._types and len(self._types) == METRICS_MAX:
                    refused.append("too_many_metrics")
                    return
                self._types[metric.name] = metric.datatype
