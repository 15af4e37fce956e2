"""A series store in a server: VictoriaMetrics or InfluxDB, by what they speak.

Points of one series with the same time replace each other in the server, so that writing a batch again
changes nothing and no watermark is needed. The names of the series and their latest points are read
once and kept in memory; until that has worked, the store is away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from collector.series.blocks import Block, Encoded, TimeBounds, encode
from collector.series.contract import (
    Aggregate,
    BatchesRefusedError,
    BatchKey,
    Point,
    Reach,
    Selector,
    SeriesBatch,
    SeriesInfo,
    SeriesPoints,
    StoreAwayError,
    StoreUnavailableError,
    check_query,
)
from collector.series.holding import Holding, pack
from collector.series.line_protocol import LineHead
from collector.series.memory_index import SeriesName
from collector.series.server_index import Entry, ServerIndex
from collector.series.server_wire import RefusedError
from collector.series.sorting import count_refused
from collector.series.windows import TIME_MS_MIN, Question, SeriesColumns, question

_READERS: Final = 2
T = TypeVar("T")
log = structlog.get_logger()


class Server(Protocol):
    """One kind of server. Every method blocks, and raises StoreAwayError or StoreFullError; `write` and
    the questions RefusedError too, for what the server will never do.
    """

    make_head: type[LineHead]

    def bounds(self) -> TimeBounds | None:
        """The times it keeps; None when it is time to `check`. Does not block."""

    def check(self) -> TimeBounds:
        """Whether this is such a server, set up as it must be; and the times it keeps."""

    def write(self, lines: bytes) -> None: ...

    def series(self) -> list[tuple[SeriesName, Point]]:
        """Every series of ours with its latest point."""

    def points(self, entries: Sequence[Entry], asked: Question) -> list[SeriesColumns]:
        """One answer for each entry. Raises QueryTooLargeError."""

    def point_count(self) -> int: ...

    def forget(self, before_ms: int) -> int | None:
        """See SeriesStore.forget."""

    def started(self) -> str:
        """Names the run of the server; another one after each start."""

    def close(self) -> None: ...


class StoreMetrics:
    """What a store that is a server tells of itself."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.too_old = Counter(
            "campus_series_points_left_out",
            "Points that were not written, by reason.",
            ["reason"],
            registry=registry,
        )
        self.held_bytes = Gauge(
            "campus_series_held_bytes", "Packed lines that are not durable yet.", registry=registry
        )
        self.rewritten = Gauge(
            "campus_series_blocks_rewritten",
            "Blocks written again after the server restarted.",
            registry=registry,
        )


class ServerStore:
    """A SeriesStore in a server. `held_bytes_max` and `hold_s`: see `collector.series.holding`; 0 s for
    a server that has on its disk what it answers for.
    """

    def __init__(
        self, server: Server, *, hold_s: float, held_bytes_max: int, registry: CollectorRegistry | None = None
    ) -> None:
        self._server = server
        self._index = ServerIndex(server.make_head)
        self._ready = False
        self._closed = False
        self._opening = asyncio.Lock()
        self._write_thread = ThreadPoolExecutor(1, "series-write")
        self._read_threads = ThreadPoolExecutor(_READERS, "series-read")
        self._metrics = StoreMetrics(registry or CollectorRegistry())
        self._holding = (
            Holding(self._write, self._started, bytes_max=held_bytes_max, hold_s=hold_s) if hold_s else None
        )
        if self._holding:
            holding = self._holding
            self._metrics.held_bytes.set_function(lambda: holding.bytes)
            self._metrics.rewritten.set_function(lambda: self.rewritten)

    @property
    def rewritten(self) -> int:
        """Blocks written again because the server had restarted."""
        return self._holding.rewritten if self._holding else 0

    async def append(self, batches: Sequence[SeriesBatch]) -> Awaitable[None]:
        """See SeriesStore.append."""
        await self._open()
        bounds = await self._bounds()
        encoded = await self._encode(batches, bounds)
        refused = dict(encoded.refused)
        durable: list[Awaitable[None]] = []
        for block in encoded.blocks:
            try:
                durable.append(await self._put(block))
            except RefusedError as error:
                refused |= await self._find_refused(block, batches, bounds, str(error))
        if refused:
            raise BatchesRefusedError(refused)
        self._note_left_out(encoded)
        return _together(durable)

    async def _encode(self, batches: Sequence[SeriesBatch], bounds: TimeBounds) -> Encoded:
        packing = pack if self._holding else None
        return await self._in_writer(lambda: encode(self._index, batches, bounds, packing))

    async def _put(self, block: Block) -> Awaitable[None]:
        if self._holding:
            durable: Awaitable[None] = await self._holding.put(block.lines, block.packed)
        else:
            await self._write(block.lines)
            durable = _done()
        for entry, point in block.latest:
            self._index.seen(entry, point)
        return durable

    async def _find_refused(
        self, block: Block, batches: Sequence[SeriesBatch], bounds: TimeBounds, why: str
    ) -> dict[BatchKey, str]:
        """Which batches of a block the server does not take: each is tried by itself, then its series. What is
        not refused is stored.
        """

        async def write(part: SeriesBatch) -> None:
            for alone in (await self._encode([part], bounds)).blocks:
                await self._put(alone)

        refused: dict[BatchKey, str] = {}
        for batch in batches:
            if batch.key in block.keys and (count := await count_refused(batch, write)):
                of = f"{count} of {len(batch.body.time_ms)} readings"
                refused[batch.key] = f"the series store {why}: {of}"
        return refused

    def _note_left_out(self, encoded: Encoded) -> None:
        if encoded.too_old:
            self._metrics.too_old.labels("older than the store keeps").inc(encoded.too_old)

    async def series(self, selector: Selector = Selector()) -> list[SeriesInfo]:  # noqa: B008  # immutable
        """See SeriesStore.series; answered from memory."""
        await self._open()
        return self._index.select(selector)

    async def query(
        self,
        series_ids: Sequence[int],
        start_ms: int,
        end_ms: int,
        *,
        step_ms: int | None = None,
        aggregate: Aggregate = "mean",
    ) -> list[SeriesPoints]:
        """See SeriesStore.query. Raises ValueError for a step below 1 ms or an unknown aggregate."""
        check_query(step_ms, aggregate)
        await self._open()
        entries = self._index.choose(series_ids)
        infos = [info for entry in entries if (info := entry.info())]
        asked = question(start_ms, end_ms, step_ms, aggregate)
        if not entries or asked.is_empty:
            return [SeriesPoints(info, [], [], [], []) for info in infos]
        found = await self._in_reader(lambda: self._server.points(entries, asked))
        return [SeriesPoints(info, *columns) for info, columns in zip(infos, found, strict=True)]

    async def point_count(self) -> int:
        """See SeriesStore.point_count."""
        await self._open()
        return await self._in_reader(self._server.point_count)

    async def taken(self, keys: Sequence[BatchKey]) -> None:  # a server knows points only
        """See SeriesStore.taken."""

    async def forget(self, before_ms: int) -> int | None:
        """See SeriesStore.forget."""
        await self._open()
        return await self._in_reader(lambda: self._server.forget(before_ms))

    async def kept_from_ms(self) -> int:
        """See SeriesStore.kept_from_ms."""
        bounds = await self._bounds()
        return 0 if bounds.first_ms <= TIME_MS_MIN else bounds.first_ms

    def reach(self) -> Reach:
        """See SeriesStore.reach."""
        return Reach()

    async def close(self) -> None:
        """Waits for what is under way, not for what is held; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._holding:
            await self._holding.close()
        for threads in (self._write_thread, self._read_threads):
            await asyncio.to_thread(threads.shutdown)
        self._server.close()

    async def _open(self) -> None:
        """Reads what there is, once. Raises StoreUnavailableError."""
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        if self._ready:
            return
        async with self._opening:
            if not self._ready:
                await self._bounds()
                self._index.load(await self._in_reader(self._server.series))
                self._ready = True

    async def _bounds(self) -> TimeBounds:
        bounds = self._server.bounds()
        return await self._in_reader(self._server.check) if bounds is None else bounds

    async def _write(self, lines: bytes) -> None:
        await self._in_writer(lambda: self._server.write(lines))

    async def _started(self) -> str:
        return await self._in_reader(self._server.started)

    async def _in_writer(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._write_thread, work)

    async def _in_reader(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise StoreUnavailableError("the store is closed")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._read_threads, work)
        except RefusedError as error:
            raise StoreAwayError(f"the series store does not understand a question: {error}") from error


def _together(durable: Sequence[Awaitable[None]]) -> Awaitable[None]:
    """Completes when all have; at once where there is nothing to wait for."""
    waiting = [one for one in durable if not (isinstance(one, asyncio.Future) and one.done())]
    if not waiting:
        return _done()
    together = asyncio.gather(*waiting)
    # Looked at here, for the caller may have been cancelled meanwhile.
    together.add_done_callback(lambda one: one.cancelled() or one.exception())
    return cast("Awaitable[None]", together)


def _done() -> asyncio.Future[None]:
    done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    done.set_result(None)
    return done
