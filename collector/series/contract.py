"""The contract of a series store: where ambient readings live.

Everything here is columns. A store is idempotent by batch: appending the same batch again changes
nothing, whatever crashed in between. Of several points of one series with the same time the embedded
store keeps all. A server keeps one: within a batch the later ones are moved on by a millisecond each, of
several batches the point of the last one stays.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, Protocol, get_args

from telemetry.batch import Body, Stream

Aggregate = Literal["mean", "min", "max", "sum", "count", "first", "last"]
AGGREGATES: Final[tuple[str, ...]] = get_args(Aggregate)
POINTS_MAX: Final = 100_000
"""Rows of one answer; a query that would give more is refused with QueryTooLargeError."""


class BatchKey(NamedTuple):
    """Names one batch of one gateway for ever."""

    school: str
    gateway: str
    stream: Stream
    generation: str
    sequence: int


class SeriesBatch(NamedTuple):
    """The readings of one batch; `clock` is the batch's ClockQuality, kept with every point."""

    key: BatchKey
    clock: int
    body: Body


class Point(NamedTuple):
    """One value; `quality` as packed by `telemetry.quality.pack_quality`."""

    time_ms: int
    value: float
    quality: int


class SeriesInfo(NamedTuple):
    """A series and its latest point by time (late data never replaces a later one)."""

    id: int
    school: str
    gateway: str
    quantity: str
    device: str
    place: str
    model: str
    latest: Point


class Selector(NamedTuple):
    """Which series; None means any. `after_id` and `limit` page through them in order of id."""

    quantity: str | None = None
    device: str | None = None
    place: str | None = None
    gateway: str | None = None
    school: str | None = None
    after_id: int = 0
    limit: int = 1_000


class SeriesPoints(NamedTuple):
    """The answer for one series, ordered by time.

    Raw (no step): every point, `counts` all 1. With a step: one row a window that has points; the
    window starts at multiples of the step since 1970 UTC and is named by its start; `quality` is
    the worst value quality in the window, packed with the worst clock quality.
    """

    series: SeriesInfo
    time_ms: list[int]
    value: list[float]
    quality: list[int]
    counts: list[int]


class Reach(NamedTuple):
    """Since when there are every point, minutes and hours, in ms; 0: as long as there is anything. What is
    older has been forgotten, or was rolled up and never kept point by point.
    """

    raw_ms: int = 0
    minutes_ms: int = 0
    hours_ms: int = 0


class StoreUnavailableError(Exception):
    """The store cannot take or give anything now; the caller keeps what it has and tries again."""


class StoreAwayError(StoreUnavailableError):
    """Not to be reached, overloaded, or it does not let us in: no batch is to blame, and trying them one
    by one is of no use.
    """


class StoreFullError(StoreUnavailableError):
    """There is no room now, on the disk or in memory. No batch is to blame, also where a smaller one
    still found room.
    """


class BatchesRefusedError(Exception):
    """The store takes these batches never, and says why in words without their values. Of the other
    batches of the call nothing is promised: append them again.
    """

    def __init__(self, refused: Mapping[BatchKey, str]) -> None:
        super().__init__(f"{len(refused)} batches can never be stored")
        self.refused = dict(refused)


class QueryTooLargeError(ValueError):
    """The answer would exceed POINTS_MAX rows; ask for a larger step or a shorter range."""


def check_query(step_ms: int | None, aggregate: str) -> None:
    """What every store refuses before it looks. Raises ValueError."""
    if step_ms is not None and step_ms < 1:
        raise ValueError(f"a step of {step_ms} ms; 1 ms is the least")
    if aggregate not in AGGREGATES:
        raise ValueError(f"aggregate {aggregate!r} is none of {', '.join(AGGREGATES)}")


class SeriesStore(Protocol):
    """May be used from one event loop; never blocks it."""

    async def append(self, batches: Sequence[SeriesBatch]) -> Awaitable[None]:
        """Takes the batches over, all or none. The awaitable it returns completes when they are
        durable: only then may they be acknowledged as stored. That may take a while: go on appending
        meanwhile; where too much waits, this call does. Raises StoreUnavailableError, as the awaitable
        may, StoreFullError where any batch would fail for want of room, and BatchesRefusedError.
        """

    async def series(self, selector: Selector = ...) -> list[SeriesInfo]: ...

    async def query(
        self,
        series_ids: Sequence[int],
        start_ms: int,
        end_ms: int,
        *,
        step_ms: int | None = None,
        aggregate: Aggregate = "mean",
    ) -> list[SeriesPoints]:
        """Points with start ≤ time < end, in the order of `series_ids`; unknown ids are left out.
        Raises QueryTooLargeError.
        """

    async def point_count(self) -> int:
        """How many points there are in all, each by itself."""

    async def taken(self, keys: Sequence[BatchKey]) -> frozenset[BatchKey] | None:
        """Those of `keys` whose batches it has taken, also where their points have been forgotten; None
        from a store that does not remember batches.
        """

    async def forget(self, before_ms: int) -> int | None:
        """Forgets some of the points before a time, the oldest first, and gives how many: 0 when none are
        left. The latest point of a series may stay, so that the series can be found. None: it cannot,
        and points go by its own retention.
        """

    async def kept_from_ms(self) -> int:
        """Points before this time are forgotten by a retention of the store's own; 0: there is none."""

    def reach(self) -> Reach:
        """How far back its answers reach."""

    async def close(self) -> None: ...
