"""Series that only roll-ups know: the store has forgotten them, or never had a point of them."""

from __future__ import annotations

from collections.abc import Iterable

from collector.series.contract import Selector, SeriesInfo, SeriesStore
from collector.series.duckdb_file import StoreDamagedError
from collector.series.memory_index import SeriesName, matches
from collector.series.rollups import tables
from collector.series.rollups.book import RollupBook
from collector.series.rollups.rolling import name_of
from collector.series.server_index import id_of

_PAGE = 1_000


class RolledSeries:
    """Listed beside the store's own. Their ids are made from their names, as those of servers are."""

    def __init__(self, store: SeriesStore, book: RollupBook) -> None:
        self._store = store
        self._book = book
        self._found: dict[SeriesName, SeriesInfo] = {}
        self._ids: dict[int, SeriesName] = {}
        self._ready = False

    def __bool__(self) -> bool:
        return bool(self._found)

    async def load(self) -> None:
        """Once, when the store answers. Raises StoreUnavailableError."""
        if self._ready:
            return
        theirs: set[SeriesName] = set()
        selector = Selector(limit=_PAGE)
        while page := await self._store.series(selector):
            theirs.update(map(name_of, page))
            selector = selector._replace(after_id=page[-1].id)
        names = self._book.names()
        self._ids = {id_of(name): name for name in names}
        await self._add(name for name in names if name not in theirs)
        self._ready = True

    def reload(self) -> None:
        """There is another file of roll-ups."""
        self._found, self._ids, self._ready = {}, {}, False

    async def merged(self, names: Iterable[SeriesName]) -> None:
        """Late points of these series have been merged."""
        await self._add([name for name in names if await self._in_store(name) is None])

    async def _in_store(self, name: SeriesName) -> SeriesInfo | None:
        selector = Selector(*name.key[:3], name.origin.gateway, name.origin.school)
        return next((one for one in await self._store.series(selector) if name_of(one) == name), None)

    async def _add(self, names: Iterable[SeriesName]) -> None:
        numbers = {number: name for name in names if (number := self._book.id_of(name)) is not None}
        if not numbers:
            return
        try:
            latest = await self._book.read(lambda cursor: tables.latest(cursor, list(numbers)))
        except StoreDamagedError:
            return  # with the file these series go as well
        for number, point in latest.items():
            name = numbers[number]
            info = SeriesInfo(id_of(name), *name.origin, *name.key, point)
            self._found[name] = info
            self._ids[info.id] = name

    def seen(self, names: Iterable[SeriesName]) -> None:
        """The store has points of them from now on."""
        for name in names:
            self._found.pop(name, None)

    async def info(self, id_: int) -> SeriesInfo | None:
        """By the id that it has here, also when the store knows it meanwhile by another."""
        name = self._ids.get(id_)
        return name and (self._found.get(name) or await self._in_store(name))

    def select(self, selector: Selector) -> list[SeriesInfo]:
        chosen = [
            info
            for name, info in self._found.items()
            if info.id > selector.after_id and matches(selector, name)
        ]
        return sorted(chosen, key=lambda info: info.id)[: selector.limit]
