"""Which batches of each stream the collector has received and stored, and what gateways gave up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, get_args

import msgspec
from sqlalchemy import Connection, Update, bindparam, case, func, insert, select, update

from collector.records.tables import GAPS_KEPT_MAX, gaps, streams
from telemetry.batch import Gap, Stream
from telemetry.ranges import Range, RangeSet


class StreamKey(NamedTuple):
    """One generation of one stream of one gateway."""

    school: str
    gateway: str
    stream: Stream
    generation: str


Mark = Literal["received", "stored"]
"""What was answered about a batch."""


_UPDATES: Final[dict[Mark, Update]] = {
    mark: update(streams)
    .where(*(streams.c[name] == bindparam(f"its_{name}") for name in StreamKey._fields))
    .values({mark: bindparam("ranges"), "last_ms": bindparam("now_ms")})
    for mark in get_args(Mark)
}


@dataclass
class StreamMarks:
    """The sequence numbers of a stream that were answered as received and as stored."""

    received: RangeSet = field(default_factory=RangeSet)
    stored: RangeSet = field(default_factory=RangeSet)

    def of(self, mark: Mark) -> RangeSet:
        return self.received if mark == "received" else self.stored


def _pack(ranges: RangeSet) -> bytes:
    return msgspec.msgpack.encode(list(ranges))


def _unpack(data: bytes) -> RangeSet:
    return RangeSet(msgspec.msgpack.decode(data, type=list[Range]))


def load(connection: Connection) -> dict[StreamKey, StreamMarks]:
    """The marks of every stream there is."""
    return {
        StreamKey(row.school, row.gateway, row.stream, row.generation): StreamMarks(
            _unpack(row.received), _unpack(row.stored)
        )
        for row in connection.execute(select(streams))
    }


def save(connection: Connection, mark: Mark, changed: Mapping[StreamKey, RangeSet], now_ms: int) -> None:
    """Writes one kind of mark of some streams and leaves the other alone: two tasks may be at one stream."""
    rows = [_row(key, ranges, now_ms) for key, ranges in changed.items()]
    if not rows or connection.execute(_UPDATES[mark], rows).rowcount == len(rows):
        return
    nothing = _pack(RangeSet())
    for key, row in zip(changed, rows, strict=True):
        if not connection.execute(_UPDATES[mark], [row]).rowcount:
            marks = {"received": nothing, "stored": nothing} | {mark: row["ranges"]}
            connection.execute(insert(streams), [{**key._asdict(), **marks, "last_ms": now_ms}])


def _row(key: StreamKey, ranges: RangeSet, now_ms: int) -> dict[str, object]:
    return {f"its_{name}": value for name, value in key._asdict().items()} | {
        "ranges": _pack(ranges),
        "now_ms": now_ms,
    }


def add_gaps(connection: Connection, school: str, gateway: str, declared: Iterable[Gap]) -> None:
    """Writes down what a gateway gave up; the same declaration twice changes nothing. Of
    one gateway GAPS_KEPT_MAX are kept, and further ones are not: a gateway merges neighbours.
    """
    mine = (gaps.c.school == school) & (gaps.c.gateway == gateway)
    kept = connection.scalar(select(func.count()).select_from(gaps).where(mine)) or 0
    for gap in declared:
        row = {"school": school, "gateway": gateway, **msgspec.structs.asdict(gap)}
        same = [gaps.c[name] == value for name, value in row.items() if name != "readings"]
        if connection.execute(update(gaps).where(*same).values(readings=gap.readings)).rowcount:
            continue
        if kept < GAPS_KEPT_MAX:
            connection.execute(insert(gaps), [row])
            kept += 1


def given_up(connection: Connection) -> dict[tuple[str, str], dict[str, int]]:
    """Readings given up by (school, gateway) and reason; gaps of unknown size count nothing."""
    known = func.sum(case((gaps.c.readings > 0, gaps.c.readings), else_=0)).label("readings")
    query = select(gaps.c.school, gaps.c.gateway, gaps.c.reason, known).group_by(
        gaps.c.school, gaps.c.gateway, gaps.c.reason
    )
    found: dict[tuple[str, str], dict[str, int]] = {}
    for row in connection.execute(query):
        # PostgreSQL sums 64-bit numbers as Decimal.
        found.setdefault((row.school, row.gateway), {})[row.reason] = int(row.readings)
    return found


def last_data(connection: Connection) -> dict[tuple[str, str], int]:
    """When the last good batch came, by (school, gateway)."""
    last = func.max(streams.c.last_ms).label("last_ms")
    query = select(streams.c.school, streams.c.gateway, last).group_by(streams.c.school, streams.c.gateway)
    return {(row.school, row.gateway): row.last_ms for row in connection.execute(query)}
