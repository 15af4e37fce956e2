"""How VictoriaMetrics is asked and how it answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from collector.series.contract import StoreAwayError
from collector.series.metric_names import LABELS, labels_of, metric_of
from collector.series.server_index import Entry
from collector.series.server_wire import ServerWire

QUERY_CHARS_MAX: Final = 12_000
"""Its limit is 16 KiB."""
_QUOTE: Final = '"'
_ESCAPED: Final = r"\""
_WRONG: Final = "VictoriaMetrics answers with something else than points"


class _Sample(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str] | None = None
    values: list[tuple[float, str]] = []


class _Result(msgspec.Struct):
    result: list[_Sample]


class _Answer(msgspec.Struct):
    data: _Result


class Exported(msgspec.Struct):
    """Raw points of one metric."""

    metric: dict[str, str]
    values: list[float]
    timestamps: list[int]


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_export = msgspec.json.Decoder(Exported).decode


def in_seconds(time_ms: int) -> str:
    """A tenth of a millisecond more: the server cuts what it has multiplied as a double."""
    return f"{time_ms // 1_000}.{time_ms % 1_000:03d}1"


def selector(entry: Entry, suffixes: Sequence[str]) -> str:
    """One series: its metric, or companions of it, with exactly its labels."""
    metric, labels = metric_of(entry.name.key.quantity), labels_of(entry.name)
    # Labels have no backslash; an absent one is an empty one.
    parts = [f'{label}="{labels.get(label, "").replace(_QUOTE, _ESCAPED)}"' for label in LABELS]
    names = "|".join(metric + suffix for suffix in suffixes)
    return f'{{__name__=~"{names}",{",".join(parts)}}}'


def parts(expressions: Sequence[str]) -> Iterator[str]:
    """The expressions joined by commas, each part short enough for one query."""
    part: list[str] = []
    size = 0
    for one in expressions:
        if part and size + len(one.encode()) > QUERY_CHARS_MAX:
            yield ",".join(part)
            part, size = [], 0
        part.append(one)
        size += len(one.encode()) + 1
    if part:
        yield ",".join(part)


def instant(wire: ServerWire, query: str, time_ms: int) -> Iterator[tuple[dict[str, str], float]]:
    """Labels and value of each series of an answer. Raises StoreAwayError."""
    fields = [("query", query), ("time", in_seconds(time_ms)), ("nocache", "1")]
    for sample in _samples(wire.ask("/api/v1/query", fields)):
        if sample.value is None:
            raise StoreAwayError(_WRONG)
        yield sample.metric, _number(sample.value[1])


def ranged(
    wire: ServerWire, query: str, first_ms: int, last_ms: int, step_ms: int
) -> Iterator[tuple[dict[str, str], list[tuple[int, float]]]]:
    """Labels of each series of an answer, and its values by time in ms."""
    fields = [
        ("query", query),
        ("start", in_seconds(first_ms)),
        ("end", in_seconds(last_ms)),
        ("step", f"{step_ms}ms"),
        ("nocache", "1"),
    ]
    for sample in _samples(wire.ask("/api/v1/query_range", fields)):
        yield sample.metric, [(round(time_s * 1_000), _number(text)) for time_s, text in sample.values]


def exported(
    wire: ServerWire, entries: Sequence[Entry], suffixes: Sequence[str], start_ms: int, end_ms: int
) -> Iterator[Exported]:
    """Raw points with start ≤ time < end."""
    fields = [("match[]", selector(one, suffixes)) for one in entries]
    fields += [("start", in_seconds(start_ms)), ("end", in_seconds(end_ms - 1))]
    for line in wire.ask("/api/v1/export", fields).splitlines():
        try:
            found = _decode_export(line)
        except msgspec.MsgspecError as error:
            raise StoreAwayError(_WRONG) from error
        if len(found.values) != len(found.timestamps):
            raise StoreAwayError(_WRONG)
        yield found


def _samples(answer: bytes) -> list[_Sample]:
    try:
        return _decode_answer(answer).data.result
    except msgspec.MsgspecError as error:
        raise StoreAwayError(_WRONG) from error


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise StoreAwayError(_WRONG) from error
