"""Where a site's collector keeps what it has taken, and how a balance reads that."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import duckdb
from sqlalchemy import select, text

from collector.records import Records
from collector.series.metric_names import name_of, split_suffix
from foundation.keyfiles import load_signing_key
from tests.chaos.ledger import Point
from tests.postgresql import PostgreSql, running_postgresql
from tests.series.servers import VictoriaServer


class Stores(Protocol):
    """The stores of one collector whose folder is given."""

    def settings(self) -> str:
        """Sections of collector.toml."""

    def records_place(self, folder: Path) -> Path | str:
        """The records database."""

    def rows(self, folder: Path, query: str) -> list[Any]:
        """Of the records database, which may be in use."""

    def opened(self, folder: Path, columns: Any) -> list[tuple[Any, ...]]:
        """Of the same, sealed columns too."""

    def points(self, folder: Path) -> Counter[Any]:
        """Everything in the series store. The collector must have ended."""

    def kept_of(self, point: Point) -> Any:
        """How `points` would have it."""


class Embedded:
    """SQLite and DuckDB in the collector's folder."""

    def settings(self) -> str:
        return ""

    def records_place(self, folder: Path) -> Path:
        return folder / "collector-data" / "records.db"

    def rows(self, folder: Path, query: str) -> list[Any]:
        return rows_of(self.records_place(folder), query)

    def opened(self, folder: Path, columns: Any) -> list[tuple[Any, ...]]:
        return _looked_up(folder, self.records_place(folder), select(*columns))

    def points(self, folder: Path) -> Counter[Any]:
        with duckdb.connect(str(folder / "collector-data" / "series.duckdb"), read_only=True) as connection:
            found = connection.execute(
                "SELECT quantity, device, ts, value FROM points JOIN series ON points.series = series.id"
            ).fetchall()
            assert connection.execute("SELECT count(*) FROM points").fetchall() == [(len(found),)]
        return Counter((quantity, device, ts, value) for quantity, device, ts, value in found)

    def kept_of(self, point: Point) -> Any:
        return point


class Servers:
    """PostgreSQL and VictoriaMetrics, each to be killed. VictoriaMetrics keeps one point a series and
    millisecond, so points of the same moment are moved on: the time is not compared.
    """

    def __init__(self, postgresql: PostgreSql, victoria: VictoriaServer) -> None:
        self.postgresql, self.victoria = postgresql, victoria
        self._database = postgresql.new_database()

    def settings(self) -> str:
        return (
            f'[records]\ndatabase = "{self._database}"\n'
            f'[store]\nkind = "victoriametrics"\nurl = "{self.victoria.url}"\n'
        )

    def records_place(self, folder: Path) -> str:
        return self._database

    def rows(self, folder: Path, query: str) -> list[Any]:
        return _looked_up(folder, self._database, text(query))

    def opened(self, folder: Path, columns: Any) -> list[tuple[Any, ...]]:
        return _looked_up(folder, self._database, select(*columns))

    def points(self, folder: Path) -> Counter[Any]:
        self.victoria.flush()
        found: Counter[Any] = Counter()
        answer = self.victoria.ask("/api/v1/export", **{"match[]": '{__name__=~"environment_.*"}'})
        for line in answer.splitlines():
            row = json.loads(line)
            metric, companion = split_suffix(row["metric"].pop("__name__"))
            name = name_of(metric, row["metric"])
            if name is not None and not companion:
                found.update((name.key.quantity, name.key.device, value) for value in row["values"])
        return found

    def kept_of(self, point: Point) -> Any:
        quantity, device, _, value = point
        return quantity, device, value


@contextmanager
def running_servers() -> Iterator[Servers]:
    with running_postgresql() as postgresql:
        victoria = VictoriaServer().start()
        try:
            yield Servers(postgresql, victoria)
        finally:
            victoria.remove()


def rows_of(file: Path, query: str) -> list[Any]:
    """Of an SQLite file, which may be in use."""
    connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=20)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def _looked_up(folder: Path, where: Path | str, query: Any) -> list[tuple[Any, ...]]:
    records = Records.open(where, load_signing_key(folder / "collector.key"))
    try:
        found = records.look_now(lambda connection: connection.execute(query).all())
    finally:
        records.close_now()
    return [tuple(row) for row in found]
