"""The stores that the conformance suite runs on."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import pytest

from collector.series.contract import SeriesStore
from collector.series.duckdb_store import DuckDbStore


class StoreHarness(Protocol):
    """A place for one store; `open` again after `close` finds the same data."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def open(self) -> SeriesStore: ...


class DuckDbHarness:
    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        return self

    def __exit__(
        self, type_: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    async def open(self) -> DuckDbStore:
        return await DuckDbStore.open(Path(self._folder.name) / "series.duckdb")


@pytest.fixture(scope="session", params=[DuckDbHarness], ids=["duckdb"])
def harness(request: pytest.FixtureRequest) -> type[StoreHarness]:
    made: type[StoreHarness] = request.param
    return made
