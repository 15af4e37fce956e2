"""VictoriaMetrics, a single server: written by line protocol, asked in MetricsQL.

It answers 204 to everything: lines it does not understand and times it does not keep are dropped
without a word, and for some seconds what it took is in memory only. So times are checked before they
are sent, and `collector.series.holding` keeps the blocks. It must run with

    -dedup.minScrapeInterval=1ms     points that come again replace themselves
    -search.latencyOffset=0s         the newest points are shown, not those of half a minute ago

Both, and how long it keeps points, are read from its own metrics.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from collector.series import victoria_query
from collector.series.blocks import TimeBounds
from collector.series.contract import Point, StoreAwayError
from collector.series.line_protocol import LineHead, VictoriaHead
from collector.series.memory_index import SeriesName
from collector.series.metric_names import CLOCK, HIGH, PREFIX, QUALITY, SUFFIXES, name_of, split_suffix
from collector.series.server_index import Entry
from collector.series.server_wire import ServerWire
from collector.series.victoria_answers import in_seconds, instant
from collector.series.windows import TIME_MS_MIN, Question, SeriesColumns
from telemetry.quality import pack_quality

DAY_MS: Final = 86_400_000
FUTURE_MS_MAX: Final = 2 * DAY_MS
"""It drops what is further ahead than this."""
CHECKED_S: Final = 60.0
_START: Final = re.compile(rb"^process_start_time_seconds (\S+)$", re.MULTILINE)
_ROWS: Final = re.compile(rb'^vm_rows_inserted_total\{type="influx"\} (\S+)$', re.MULTILINE)
_FLAG: Final = re.compile(rb'^flag\{name="(dedup\.minScrapeInterval|search\.latencyOffset|retentionPeriod)", ?value="([^"]*)"', re.MULTILINE)  # fmt: skip
_NEEDED: Final = {"dedup.minScrapeInterval": "1ms", "search.latencyOffset": "0s"}
_PERIOD: Final = re.compile(r"([\d.]+)([hdwy]?)")
_PERIOD_DAYS: Final = {"h": 1 / 24, "d": 1, "w": 7, "y": 365, "": 31}
"""A retention without a unit is in months of 31 days."""
_LOOK_BACK_MS: Final = (3_600_000, DAY_MS, 7 * DAY_MS, 32 * DAY_MS, 400 * DAY_MS)
"""How far back the latest points are looked for, one after another: most series are alive."""


class Victoria:
    """A Server; see `collector.series.server_store`."""

    make_head: type[LineHead] = VictoriaHead

    def __init__(self, wire: ServerWire, *, raw_points: int = victoria_query.RAW_POINTS) -> None:
        """raw_points: up to so many are fetched raw, more are aggregated by the server."""
        self._wire = wire
        self._raw_points = raw_points
        self._retention_ms = 0
        self._check_again_s = 0.0
        self._rows = -1.0
        self._run = 0

    def bounds(self) -> TimeBounds | None:
        return self._bounds() if time.monotonic() < self._check_again_s else None

    def check(self) -> TimeBounds:
        self._check_flags(self._metrics())
        self._check_again_s = time.monotonic() + CHECKED_S
        return self._bounds()

    def _bounds(self) -> TimeBounds:
        now_ms = time.time_ns() // 1_000_000
        return TimeBounds(max(TIME_MS_MIN, now_ms - self._retention_ms), now_ms + FUTURE_MS_MAX)

    def _check_flags(self, metrics: bytes) -> None:
        flags = {name.decode(): value.decode() for name, value in _FLAG.findall(metrics)}
        for name, value in _NEEDED.items():
            if flags.get(name) != value:
                raise StoreAwayError(
                    f"VictoriaMetrics runs with -{name}={flags.get(name, '?')}; start it with -{name}={value}"
                )
        found = _PERIOD.fullmatch(flags.get("retentionPeriod", ""))
        if found is None:
            raise StoreAwayError(
                "VictoriaMetrics does not say its -retentionPeriod in hours, days, weeks or years"
            )
        self._retention_ms = int(float(found[1]) * _PERIOD_DAYS[found[2]] * DAY_MS)

    def started(self) -> str:
        """Its second of start; and since two starts may fall into one, also whether it counts anew."""
        metrics = self._metrics()
        start, rows = _START.search(metrics), _ROWS.search(metrics)
        if start is None or rows is None:
            raise StoreAwayError("what answers at [store] url is no VictoriaMetrics")
        if float(rows[1]) < self._rows:
            self._run += 1
        self._rows = float(rows[1])
        return f"{start[1].decode()}/{self._run}"

    def _metrics(self) -> bytes:
        metrics = self._wire.ask("/metrics", ())
        if not _START.search(metrics):
            raise StoreAwayError("what answers at [store] url is no VictoriaMetrics")
        return metrics

    def write(self, lines: bytes) -> None:
        self._wire.write("/api/v2/write", [("precision", "ms")], lines)

    def series(self) -> list[tuple[SeriesName, Point]]:
        now_ms = time.time_ns() // 1_000_000
        names = {split_suffix(metric)[0] for metric in self._metric_names()}
        return [found for metric in sorted(names) for found in self._latest(metric, now_ms)]

    def _metric_names(self) -> list[str]:
        fields = [("match[]", f'{{__name__=~"{PREFIX}.+",school!=""}}'), ("start", in_seconds(TIME_MS_MIN))]
        answer = self._wire.ask("/api/v1/label/__name__/values", fields)
        try:
            return msgspec.json.decode(answer, type=_Names).data
        except msgspec.MsgspecError as error:
            raise StoreAwayError("VictoriaMetrics answers with something that is no list of names") from error

    def _latest(self, metric: str, now_ms: int) -> Iterator[tuple[SeriesName, Point]]:
        missing = self._series_of(metric)
        end_ms = now_ms + FUTURE_MS_MAX
        for back_ms in (*_LOOK_BACK_MS, now_ms):
            if not missing:
                return
            window_ms = min(back_ms + FUTURE_MS_MAX, end_ms - TIME_MS_MIN)
            for name, point in self._latest_within(metric, end_ms, window_ms):
                if name in missing:
                    missing.discard(name)
                    yield name, point

    def _series_of(self, metric: str) -> set[SeriesName]:
        fields = [
            ("match[]", f'{{__name__=~"{metric}|{metric}{HIGH}",school!=""}}'),
            ("start", in_seconds(TIME_MS_MIN)),
        ]
        answer = self._wire.ask("/api/v1/series", fields)
        try:
            found = msgspec.json.decode(answer, type=_Series).data
        except msgspec.MsgspecError as error:
            raise StoreAwayError(
                "VictoriaMetrics answers with something that is no list of series"
            ) from error
        names = (name_of(metric, labels) for labels in found)
        return {name for name in names if name is not None}

    def _latest_within(self, metric: str, end_ms: int, window_ms: int) -> Iterator[tuple[SeriesName, Point]]:
        """Times first: of the metric and its companions only those of the latest time count."""
        every = "|".join((metric, *(metric + suffix for suffix in SUFFIXES)))
        selector = f'{{__name__=~"{every}",school!=""}}[{window_ms}ms]'
        found: dict[SeriesName, dict[str, list[float]]] = {}
        for function in ("tlast_over_time", "last_over_time"):
            query = f"{function}({selector}) keep_metric_names"
            for labels, number in instant(self._wire, query, end_ms):
                name = name_of(metric, labels)
                suffix = split_suffix(labels.get("__name__", ""))[1]
                if name is not None:
                    found.setdefault(name, {}).setdefault(suffix, []).append(number)
        for name, by_suffix in found.items():
            rows = {suffix: pair for suffix, pair in by_suffix.items() if len(pair) == 2}
            if not rows:
                continue
            newest_s = max(row[0] for row in rows.values())
            now = {suffix: row[1] for suffix, row in rows.items() if row[0] == newest_s}
            value = victoria_query.value_of(now)
            if value is not None:
                quality = pack_quality(int(now.get(QUALITY, 0)), int(now.get(CLOCK, 0)))
                yield name, Point(round(newest_s * 1_000), value, quality)

    def points(self, entries: Sequence[Entry], asked: Question) -> list[SeriesColumns]:
        return victoria_query.points(self._wire, entries, asked, self._raw_points)

    def point_count(self) -> int:
        end_ms = time.time_ns() // 1_000_000 + FUTURE_MS_MAX
        companions = "|".join(suffix for suffix in SUFFIXES if suffix != HIGH)
        selector = f'{{__name__=~"{PREFIX}.+",__name__!~".+({companions})",school!=""}}'
        query = f"sum(count_over_time({selector}[{end_ms - TIME_MS_MIN}ms]))"
        return sum(int(value) for _, value in instant(self._wire, query, end_ms))

    def forget(self, before_ms: int) -> None:  # its only way is a flag
        """It forgets by -retentionPeriod alone: deleting takes whole series."""

    def close(self) -> None:
        self._wire.close()


class _Names(msgspec.Struct):
    data: list[str]


class _Series(msgspec.Struct):
    data: list[dict[str, str]]
