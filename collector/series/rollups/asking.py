"""Questions to a store with roll-ups: planned gateway by gateway, asked, and put together."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from collector.series.contract import Aggregate, Selector, SeriesInfo, SeriesPoints, SeriesStore
from collector.series.duckdb_file import StoreDamagedError
from collector.series.memory_index import Origin
from collector.series.rollups.answers import (
    Part,
    Plan,
    can_be_rolled,
    join,
    make_plan,
    of_answers,
    read_rolled,
)
from collector.series.rollups.book import RollupBook
from collector.series.rollups.listing import RolledSeries
from collector.series.rollups.marks import Marks
from collector.series.rollups.rolling import name_of
from collector.series.rollups.rows import Column
from collector.series.rollups.tables import Table


class Questions:
    """Raises what the store and `RollupBook` do, and QueryTooLargeError. Where roll-ups cannot be read because
    they are damaged, points answer.
    """

    def __init__(self, store: SeriesStore, book: RollupBook, marks: Marks, listed: RolledSeries) -> None:
        self._store = store
        self._book = book
        self._marks = marks
        self._listed = listed

    async def ask(
        self,
        series_ids: Sequence[int],
        start_ms: int,
        end_ms: int,
        step_ms: int | None,
        aggregate: Aggregate,
    ) -> list[SeriesPoints]:
        """See SeriesStore.query."""
        await self._listed.load()
        found = {info.id: info for id_ in series_ids if (info := await self._info(id_))}
        infos = list(found.values())
        if step_ms is None or not can_be_rolled(step_ms):
            return await self._points(infos, start_ms, end_ms, step_ms, aggregate)
        number = -1
        while number != self._book.number:  # a plan is of one file, which may have been made anew meanwhile
            number = self._book.number
            try:
                parts = await self._planned(infos, start_ms, end_ms, step_ms, aggregate)
            except StoreDamagedError:
                return await self._points(infos, start_ms, end_ms, step_ms, aggregate)
        return _answers(infos, join(parts, aggregate) if parts else None)

    async def _planned(
        self, infos: Sequence[SeriesInfo], start_ms: int, end_ms: int, step_ms: int, aggregate: Aggregate
    ) -> list[Part]:
        """Each row's place is one in `infos`."""
        parts: list[Part] = []
        for plan, places in self._plans(infos, start_ms, end_ms, step_ms).items():
            answers = await self._parts(plan, [infos[place] for place in places], step_ms, aggregate)
            parts += [_placed(part, places) for part in answers]
        return parts

    async def _info(self, id_: int) -> SeriesInfo | None:
        found = await self._store.series(Selector(after_id=id_ - 1, limit=1))
        return found[0] if found and found[0].id == id_ else await self._listed.info(id_)

    async def _points(
        self,
        infos: Sequence[SeriesInfo],
        start_ms: int,
        end_ms: int,
        step_ms: int | None,
        aggregate: Aggregate,
    ) -> list[SeriesPoints]:
        """What only points can answer."""
        ids = [info.id for info in infos]
        known = await self._store.query(ids, start_ms, end_ms, step_ms=step_ms, aggregate=aggregate)
        answers = {answer.series.id: answer for answer in known}
        return [answers.get(info.id) or SeriesPoints(info, [], [], [], []) for info in infos]

    def _plans(
        self, infos: Sequence[SeriesInfo], start_ms: int, end_ms: int, step_ms: int
    ) -> dict[Plan, list[int]]:
        """Places of series by how they are answered for, which is the same for all of a gateway."""
        by_origin: dict[Origin, list[int]] = {}
        for place, info in enumerate(infos):
            by_origin.setdefault(Origin(info.school, info.gateway), []).append(place)
        plans: dict[Plan, list[int]] = {}
        for origin, places in by_origin.items():
            marked = self._marks.hours(origin, start_ms, end_ms)
            plan = make_plan(start_ms, end_ms, step_ms, self._book.horizons, marked)
            plans.setdefault(plan, []).extend(places)
        return plans

    async def _parts(
        self, plan: Plan, infos: Sequence[SeriesInfo], step_ms: int, aggregate: Aggregate
    ) -> list[Part]:
        """Each row's place is one in `infos`."""
        parts: list[Part] = []
        numbered = {self._book.id_of(name_of(info)): place for place, info in enumerate(infos)}
        numbers = sorted(number for number in numbered if number is not None)
        rolled: dict[Table, Sequence[tuple[int, int]]] = {"hours": plan.hours, "minutes": plan.minutes}
        for table, spans in rolled.items():
            if spans and numbers:
                work = partial(
                    read_rolled, table=table, ids=numbers, spans=spans, step_ms=step_ms, aggregate=aggregate
                )
                parts.append(_placed(await self._book.read(work), [numbered[number] for number in numbers]))
        place_of = {info.id: place for place, info in enumerate(infos)}
        for span in plan.points:
            answers = await self._store.query(list(place_of), *span, step_ms=step_ms, aggregate=aggregate)
            if answers:
                part = of_answers(answers, span)
                parts.append(_placed(part, [place_of[answer.series.id] for answer in answers]))
        return parts


def _placed(part: Part, places: Sequence[int]) -> Part:
    """The same, its places looked up."""
    table: Column = np.array(places, np.int64)
    return part._replace(place=table[part.place])


def _answers(infos: Sequence[SeriesInfo], rows: Part | None) -> list[SeriesPoints]:
    if rows is None:
        return [SeriesPoints(info, [], [], [], []) for info in infos]
    edges = np.searchsorted(rows.place, np.arange(len(infos) + 1))
    columns = (rows.window_ms, rows.value, rows.quality, rows.counts)
    return [
        SeriesPoints(info, *(column[low:high].tolist() for column in columns))
        for info, low, high in zip(infos, edges[:-1], edges[1:], strict=True)
    ]
