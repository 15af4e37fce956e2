"""rollups.duckdb: what is rolled up, what is marked, how far back there is what."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Self, TypeVar

import numpy as np
import structlog

from collector.series.contract import SeriesBatch, StoreUnavailableError
from collector.series.duckdb_file import DamagedFileError, DuckDbFile, StoreDamagedError, StoreFileError
from collector.series.duckdb_threads import Cursor, DuckDbThreads, transaction
from collector.series.memory_index import SeriesName, StreamId
from collector.series.rollups import lineage, tables
from collector.series.rollups.late import late_points
from collector.series.rollups.ledger import Entry, Ledger
from collector.series.rollups.marks import Pair
from collector.series.rollups.rows import HOUR_MS, Rows, combine, hours_of, of_points
from collector.series.rollups.tables import NOTHING_EXAMINED, ROLLUPS_FILE, Contents, Horizons, Table

MEMORY_LIMIT: Final = "128MB"
COMPACT_ROWS: Final = 10_000
"""With so many more rows than ranges the ledger is written anew as ranges."""
PUT_ASIDE: Final = (
    "the roll-ups cannot be read and were put aside; they are made anew of the points that the store still "
    "has. What is older than those is lost, unless a backup of the file is put back"
)
T = TypeVar("T")
log = structlog.get_logger()


class Merged(NamedTuple):
    """Late points, by where they went."""

    minutes: int
    hours: int
    dropped: int
    names: frozenset[SeriesName]


class RollupBook:
    """The file and what memory keeps of it; changed by the thread that writes. Raises what
    `DuckDbThreads` does. `damage` says what was found damaged in it, `number` how many there were before,
    `aside` where the one lies that was found damaged at the start.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        file = DuckDbFile(path, ROLLUPS_FILE, memory_limit=MEMORY_LIMIT, threads=1)
        self._threads = DuckDbThreads(file, self._load, "rollups")
        self._known = Contents({}, Ledger(), 0, Horizons(0, 0, 0, 0), [])
        self._ledger_rows = 0
        self._put_aside_last: Path | None = None
        self.aside: Path | None = None
        self.damage = ""
        self.number = 0

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Opens the file or creates it. A damaged one is put aside, and a new one begun. Raises
        StoreFileError for one that another process has, or that another program wrote.
        """
        book = cls(path)
        try:
            await book._threads.open()
        except DamagedFileError as error:
            aside = _put_aside(path)
            log.error(PUT_ASIDE, aside=str(aside), error=str(error))
            book = cls(path)
            book.aside = aside
            await book._threads.open()
        await book._settle_in()
        return book

    async def _settle_in(self) -> None:
        """What is in a copy of an earlier time is rolled up again, as far as there are points."""
        is_copy = False
        try:
            if self.horizons.examined != NOTHING_EXAMINED:
                is_copy = await self._write(lambda writer: lineage.is_copy(writer, self.path))
            if is_copy:
                log.warning(
                    "the roll-ups are a copy of an earlier time; what has come since is rolled up now"
                )
                await self.move(self.horizons._replace(examined=NOTHING_EXAMINED))
            await self._write(lambda writer: lineage.leave_word(writer, self.path))
        except (StoreUnavailableError, OSError) as error:
            log.warning("the file of roll-ups cannot be written", error=str(error))
            if is_copy:
                await self.close()
                raise StoreFileError(f"{self.path} cannot be written: {error}; see to the disk") from error

    def _load(self, cursor: Cursor) -> None:
        self._known = tables.load(cursor)
        self._ledger_rows = self._known.ledger_rows

    @property
    def horizons(self) -> Horizons:
        return self._known.horizons

    @property
    def marks_found(self) -> list[Pair]:
        """Those of the file when it was opened."""
        return self._known.marks

    def names(self) -> dict[SeriesName, int]:
        """Every series that has been rolled up, with its id in this file."""
        return dict(self._known.names)

    def id_of(self, name: SeriesName) -> int | None:
        return self._known.names.get(name)

    async def mark(self, pairs: Sequence[Pair]) -> None:
        """Durable when it returns."""
        await self._write(lambda writer: tables.add_marks(writer, pairs))

    async def replace(self, pairs: Sequence[Pair], names: Sequence[SeriesName], points: Rows) -> None:
        """Takes the marks of consecutive hours of one gateway down, and puts what `points` make in the place
        of these hours' rows. The series of `points` are places in `names`.
        """
        await self._write(lambda writer: self._replace(writer, pairs, names, points))

    def _replace(
        self, writer: Cursor, pairs: Sequence[Pair], names: Sequence[SeriesName], points: Rows
    ) -> None:
        origin, start_ms, end_ms = pairs[0].origin, pairs[0].hour_ms, pairs[-1].hour_ms + HOUR_MS
        with self._naming(writer, names) as numbered:
            ids = np.array([numbered[name] for name in names], np.int32)
            minutes = combine({**points, "series": ids[points["series"]]} if len(ids) else points)
            of_origin = [id_ for name, id_ in numbered.items() if name.origin == origin]
            tables.replace(writer, "minutes", of_origin, start_ms, end_ms, minutes)
            tables.replace(writer, "hours", of_origin, start_ms, end_ms, hours_of(minutes))
            tables.remove_marks(writer, origin, start_ms, end_ms)

    async def unmark(self, pairs: Sequence[Pair]) -> None:
        """Takes the marks of consecutive hours of one gateway down, and leaves their rows."""
        origin, start_ms, end_ms = pairs[0].origin, pairs[0].hour_ms, pairs[-1].hour_ms + HOUR_MS
        await self._write(lambda writer: tables.remove_marks(writer, origin, start_ms, end_ms))

    async def merge(self, batches: Sequence[SeriesBatch], split_ms: int) -> Merged:
        """Adds the points before `split_ms` of batches to roll-ups, each batch's once."""
        if self.damage:
            raise StoreDamagedError(self.damage)  # with the file they would be gone
        return await self._write(lambda writer: self._merge(writer, batches, split_ms))

    def _merge(self, writer: Cursor, batches: Sequence[SeriesBatch], split_ms: int) -> Merged:
        horizons = self.horizons
        ledger = self._known.ledger
        wanted = {batch.key: batch for batch in batches if ledger.split_of(batch.key) < split_ms}
        entries = [Entry(StreamId(*key[:4]), key.sequence, key.sequence, split_ms) for key in wanted]
        late = late_points(list(wanted.values()), ledger.split_of, split_ms)
        names = list(dict.fromkeys(late.names))
        with self._naming(writer, names) as numbered:
            ids = np.array([numbered[name] for name in late.names], np.int32)
            series = ids[late.series] if len(ids) else late.series
            minutes = of_points(series, late.time_ms, late.value, late.quality)
            hours = _since(hours_of(minutes), horizons.hours)
            tables.merge(writer, "minutes", _since(minutes, horizons.minutes))
            tables.merge(writer, "hours", hours)
            if self._ledger_rows > COMPACT_ROWS + 2 * self._known.ledger_rows:
                self._compact_ledger(writer)
            tables.add_to_ledger(writer, entries)
        self._ledger_rows += len(entries)
        for entry in entries:
            ledger.add(entry)
        in_minutes = int((late.time_ms >= horizons.minutes).sum())
        dropped = int((late.time_ms < horizons.hours).sum())
        return Merged(in_minutes, len(late.time_ms) - in_minutes - dropped, dropped, frozenset(names))

    def _compact_ledger(self, writer: Cursor) -> None:
        ranges = list(self._known.ledger)
        tables.rewrite_ledger(writer, ranges)
        self._ledger_rows = len(ranges)
        self._known = self._known._replace(ledger_rows=len(ranges))

    async def move(self, horizons: Horizons, marks: Sequence[Pair] = ()) -> None:
        """Sets the horizons, and writes marks that belong to them."""

        def work(writer: Cursor) -> None:
            with transaction(writer):
                tables.set_horizons(writer, horizons)
                tables.add_marks(writer, marks)
            self._known = self._known._replace(horizons=horizons)

        await self._write(work)

    async def delete_before(self, table: Table, before_ms: int) -> int:
        return await self._write(lambda writer: tables.delete_before(writer, table, before_ms))

    async def give_back_room(self) -> None:
        await self._write(lambda writer: writer.execute("CHECKPOINT"))

    async def renew(self, marks: Sequence[Pair]) -> Path | None:
        """Puts the damaged file aside, and begins a new one with these marks and the horizons of before. What
        was merged is gone, so its ledger is too: a batch of it that comes again is merged again. Gives where
        the damaged file lies; None: it was gone already.
        """
        horizons = self.horizons._replace(examined=NOTHING_EXAMINED)

        def take_away() -> None:
            self._put_aside_last = _put_aside(self.path) or self._put_aside_last

        def begin(writer: Cursor) -> None:
            with transaction(writer):
                tables.set_horizons(writer, horizons)
                tables.add_marks(writer, marks)
            lineage.leave_word(writer, self.path)

        # At once: from here on questions are planned for a file in which nothing is rolled up.
        self._known = self._known._replace(horizons=horizons)
        self.number += 1
        await self._threads.begin_anew(take_away, begin)
        self.damage = ""
        aside, self._put_aside_last = self._put_aside_last, None
        return aside

    async def read(self, work: Callable[[Cursor], T]) -> T:
        with self._noticing():
            return await self._threads.read(work)

    async def _write(self, work: Callable[[Cursor], T]) -> T:
        with self._noticing():
            return await self._threads.write(work)

    @contextlib.contextmanager
    def _noticing(self) -> Iterator[None]:
        number = self.number
        try:
            yield
        except StoreDamagedError as error:
            if number == self.number:
                self.damage = str(error)
            raise

    async def close(self) -> None:
        await self._threads.close()

    @contextlib.contextmanager
    def _naming(self, writer: Cursor, names: Sequence[SeriesName]) -> Iterator[dict[SeriesName, int]]:
        """A transaction in which every name has an id; memory knows new ones after the commit."""
        known = self._known.names
        new = [name for name in names if name not in known]
        numbered = {name: len(known) + at for at, name in enumerate(new, 1)}
        with transaction(writer):
            tables.add_series(writer, [(id_, name) for name, id_ in numbered.items()])
            yield known | numbered
        known.update(numbered)


def _since(rows: Rows, start_ms: int) -> Rows:
    kept = rows["ts"] >= start_ms
    return {name: column[kept] for name, column in rows.items()}


def _put_aside(path: Path) -> Path | None:
    """Where the file and its log lie now; None where the file was gone, whose log is of no use to another."""
    stem = f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%S', time.gmtime())}"
    names = (f"{stem}-{number}" if number else stem for number in itertools.count())
    aside = next(place for name in names if not (place := path.with_name(name)).exists())
    there = path.exists()
    for ending in ("", ".wal"):
        place = path.with_name(path.name + ending)
        if place.exists():
            place.replace(aside.with_name(aside.name + ending))
    return aside if there else None
