"""The stores that the conformance suite runs on."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import pytest
from prometheus_client import CollectorRegistry

from collector.series.contract import SeriesStore
from collector.series.duckdb_store import DuckDbStore
from collector.series.influx import Influx, InfluxTarget
from collector.series.rollups.settings import RetentionSection
from collector.series.rollups.store import RolledStore
from collector.series.server_store import ServerStore
from collector.series.server_wire import Access, ServerWire
from collector.series.victoria import Victoria
from tests.series.new_stores import open_store
from tests.series.servers import InfluxServer, VictoriaServer

HOLD_S = 0.004
"""Long enough to be held, and short enough for hundreds of appends; loss is another test's business."""


class StoreHarness(Protocol):
    """A place for one store; `open` again after `close` finds the same data."""

    one_point_a_time: bool
    """Whether points of one series with the same time replace each other."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def open(self) -> SeriesStore: ...


class DuckDbHarness:
    one_point_a_time = False

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    async def open(self) -> DuckDbStore:
        return await open_store(Path(self._folder.name) / "series.duckdb", DuckDbStore)


class FlushedStore(ServerStore):
    """Asks only after the server lets everything written be found: it would show it a second later."""

    flush: Any = None

    async def _in_reader(self, work: Any) -> Any:
        if self.flush:
            self.flush()
        return await super()._in_reader(work)


class VictoriaHarness:
    """One server, one value of the label db a place. Half of the places let the server aggregate."""

    one_point_a_time = True
    server: VictoriaServer
    numbers = itertools.count()

    def __enter__(self) -> Self:
        self._number = next(self.numbers)
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    async def open(self) -> ServerStore:
        access = Access(self.server.url, extra=(("extra_label", f"db=place-{self._number}"),))
        raw_points = 0 if self._number % 2 else 1_000
        store = FlushedStore(
            Victoria(ServerWire(access), raw_points=raw_points), hold_s=HOLD_S, held_bytes_max=1_000_000
        )
        store.flush = self.server.flush
        return store


class InfluxHarness:
    """One server, one database a place."""

    one_point_a_time = True
    server: InfluxServer
    numbers = itertools.count()

    def __enter__(self) -> Self:
        self.database = f"place-{next(self.numbers)}"
        self.server.ask("/query", q=f'CREATE DATABASE "{self.database}"')
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.ask("/query", q=f'DROP DATABASE "{self.database}"')

    async def open(self) -> ServerStore:
        wire = ServerWire(Access(self.server.url))
        return ServerStore(Influx(wire, InfluxTarget(self.database)), hold_s=0, held_bytes_max=0)


class ForwardStore(RolledStore):
    """Rolls up whatever is ready before every other question; its hours are over as soon as they have come."""

    registry: CollectorRegistry
    forward = True
    asked = 0

    async def query(self, *args: Any, **options: Any) -> Any:
        self.asked += 1
        if self.asked % 2 and self.forward:
            await self.roller.round()
        return await super().query(*args, **options)


class RolledHarness:
    """A store with roll-ups over a place of another harness."""

    below: type[StoreHarness]

    def __enter__(self) -> Self:
        self._place = self.below().__enter__()
        self._folder = tempfile.TemporaryDirectory()
        self.one_point_a_time = self._place.one_point_a_time
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._place.__exit__(type_, error, trace)
        self._folder.cleanup()

    async def open(self, **changes: Any) -> ForwardStore:
        return await open_rolled(await self._place.open(), Path(self._folder.name), **changes)


async def open_rolled(store: SeriesStore, folder: Path, **changes: Any) -> ForwardStore:
    """With roll-ups in a file of `folder`; an hour need not be quiet for any time."""
    retention, registry = RetentionSection(**changes.pop("retention", {})), CollectorRegistry()
    options: dict[str, Any] = {"now_ms": lambda: 2**52, "quiet_s": 0.0} | changes
    opened = await ForwardStore.open(store, folder / "rollups.duckdb", retention, registry, **options)
    opened.registry = registry
    return opened


class RolledDuckDb(RolledHarness):
    one_point_a_time = False
    below = DuckDbHarness


class RolledVictoria(RolledHarness):
    one_point_a_time = True
    below = VictoriaHarness


class RolledInflux(RolledHarness):
    one_point_a_time = True
    below = InfluxHarness


@pytest.fixture(scope="session")
def victoria() -> Iterator[VictoriaServer]:
    server = VictoriaServer().start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def influx() -> Iterator[InfluxServer]:
    server = InfluxServer().start()
    yield server
    server.remove()


_HARNESSES: dict[str, type[Any]] = {
    "duckdb": DuckDbHarness,
    "victoriametrics": VictoriaHarness,
    "influxdb": InfluxHarness,
    "duckdb-rolled": RolledDuckDb,
    "victoriametrics-rolled": RolledVictoria,
    "influxdb-rolled": RolledInflux,
}
_ROLLED_SERVERS = ["victoriametrics-rolled", "influxdb-rolled"]


@pytest.fixture(scope="session", params=[name for name in _HARNESSES if name not in _ROLLED_SERVERS])
def harness(request: pytest.FixtureRequest) -> type[Any]:
    """Every store, and the one with roll-ups over DuckDB: over servers it has tests of its own."""
    return _harness(request)


@pytest.fixture(scope="session", params=_ROLLED_SERVERS)
def rolled_server(request: pytest.FixtureRequest) -> type[RolledHarness]:
    return _harness(request)


def _harness(request: pytest.FixtureRequest) -> type[Any]:
    if "influxdb" in request.param:
        InfluxHarness.server = request.getfixturevalue("influx")
    if "victoriametrics" in request.param:
        VictoriaHarness.server = request.getfixturevalue("victoria")
    return _HARNESSES[request.param]
