"""InfluxDB: written by line protocol over its v1 or v2 endpoint, read by InfluxQL, which 1.x, 2 and 3 speak.

It has on its disk what it answers for, so nothing is held. A batch with a line that it does not take is
refused as a whole, though it may have written the others.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import Final, Literal, NamedTuple

from collector.series import influx_query
from collector.series.blocks import TimeBounds
from collector.series.contract import Point
from collector.series.influx_query import quoted_name
from collector.series.line_protocol import InfluxHead, LineHead
from collector.series.memory_index import SeriesName
from collector.series.metric_names import CLOCK, PREFIX, QUALITY, name_of
from collector.series.server_index import Entry
from collector.series.server_wire import Fields, RefusedError, ServerWire
from collector.series.windows import TIME_MS_MAX, TIME_MS_MIN, Question, SeriesColumns
from telemetry.quality import pack_quality

DAY_MS: Final = 86_400_000
CHECKED_S: Final = 60.0
_FUTURE_MS_MAX: Final = 366 * DAY_MS
_MARGIN_MS: Final = 60_000
"""A point that is about to be forgotten would be refused, and its batch with it."""
_DURATION: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_EVERY: Final = f"""/^{PREFIX}.+/ WHERE "school"!='' AND "gateway"!=''"""


class InfluxTarget(NamedTuple):
    """Where in the server: a database of 1.x, or the bucket of an organisation in 2."""

    database: str
    api: Literal["v1", "v2"] = "v1"
    org: str = ""
    retention_days: int | None = None


class Influx:
    """A Server; see `collector.series.server_store`."""

    make_head: type[LineHead] = InfluxHead

    def __init__(self, wire: ServerWire, target: InfluxTarget) -> None:
        self._wire = wire
        self._database = target.database
        self._configured_ms = (target.retention_days or 0) * DAY_MS
        self._retention_ms = 0
        self._check_again_s = 0.0
        self._path, self._query = _write_to(target)

    def bounds(self) -> TimeBounds | None:
        return self._bounds() if time.monotonic() < self._check_again_s else None

    def check(self) -> TimeBounds:
        self._retention_ms = self._read_retention_ms()
        self._check_again_s = time.monotonic() + CHECKED_S
        return self._bounds()

    def _bounds(self) -> TimeBounds:
        now_ms = time.time_ns() // 1_000_000
        first_ms = now_ms - self._retention_ms + _MARGIN_MS if self._retention_ms else TIME_MS_MIN
        return TimeBounds(max(TIME_MS_MIN, first_ms), min(now_ms + _FUTURE_MS_MAX, TIME_MS_MAX))

    def _read_retention_ms(self) -> int:
        """Of the policy that is written to; as configured where the server does not tell. 0: for ever."""
        try:
            rows = influx_query.ask_any(
                self._wire, self._database, f"SHOW RETENTION POLICIES ON {quoted_name(self._database)}"
            )
        except RefusedError:
            return self._configured_ms
        for row in rows:
            if row.get("default") is True:
                found = _DURATION.fullmatch(str(row.get("duration", "")))
                hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0)
                return ((hours * 60 + minutes) * 60 + seconds) * 1_000 or self._configured_ms
        return self._configured_ms

    def started(self) -> str:
        return ""

    def write(self, lines: bytes) -> None:
        self._wire.write(self._path, self._query, lines)

    def series(self) -> list[tuple[SeriesName, Point]]:
        quality, clock = QUALITY[1:], CLOCK[1:]
        query = f'SELECT last("value"),"{quality}","{clock}" FROM {_EVERY} GROUP BY *'  # noqa: S608  # constants
        return list(self._named(influx_query.ask(self._wire, self._database, query)))

    def _named(self, found: Sequence[influx_query.Series]) -> Iterator[tuple[SeriesName, Point]]:
        for one in found:
            name = name_of(one.name, one.tags)
            if name is not None and one.values:
                time_ms, value, quality, clock = one.values[-1]
                if time_ms is not None and value is not None:
                    yield name, Point(int(time_ms), value, pack_quality(int(quality or 0), int(clock or 0)))

    def points(self, entries: Sequence[Entry], asked: Question) -> list[SeriesColumns]:
        return influx_query.points(self._wire, self._database, entries, asked)

    def point_count(self) -> int:
        return self._count(TIME_MS_MAX)

    def forget(self, before_ms: int) -> int | None:
        """All at once. None where the server knows no such statement, as InfluxDB 3."""
        count = self._count(before_ms)
        if not count:
            return 0
        # A delete knows tags by `=` and by pattern only.
        ours = """"school"=~/.+/ AND "gateway"=~/.+/"""
        statement = f"DELETE FROM /^{PREFIX}.+/ WHERE {ours} AND time < {before_ms}ms"  # noqa: S608  # constants
        try:
            influx_query.ask(self._wire, self._database, statement)
        except RefusedError:
            return None
        # One that does nothing would be asked for ever.
        return count if self._count(before_ms) < count else None

    def _count(self, before_ms: int) -> int:
        query = f'SELECT count("value") FROM {_EVERY} AND time < {before_ms}ms'  # noqa: S608  # constants
        found = influx_query.ask(self._wire, self._database, query)
        return sum(int(row[1] or 0) for one in found for row in one.values)

    def close(self) -> None:
        self._wire.close()


def _write_to(target: InfluxTarget) -> tuple[str, Fields]:
    if target.api == "v1":
        return "/write", [("db", target.database), ("precision", "ms")]
    return "/api/v2/write", [("org", target.org), ("bucket", target.database), ("precision", "ms")]
