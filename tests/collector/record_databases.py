"""Records databases of tests: on SQLite and on PostgreSQL, under one key file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, create_engine, text

from collector.records import Records
from tests.postgresql import PostgreSql

on_both = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
"""Runs a test once on each engine; one that says nothing runs on SQLite."""
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


class RecordsDatabase:
    """One database of one test; `where` as `Records.open` takes it."""

    def __init__(self, where: Path | str) -> None:
        self.where = where

    @property
    def is_sqlite(self) -> bool:
        return isinstance(self.where, Path)

    def open(self, key: Ed25519PrivateKey | None = KEY, **options: Any) -> Records:
        return Records.open(self.where, key, **options)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """As anybody sees them who has no key."""
        with self.looking() as connection:
            return [tuple(row) for row in connection.execute(text(query))]

    def change(self, statement: str) -> None:
        with self.looking() as connection:
            connection.execute(text(statement))

    @contextmanager
    def looking(self) -> Iterator[Connection]:
        engine = create_engine(f"sqlite:///{self.where}" if self.is_sqlite else str(self.where))
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()


def make_database(request: pytest.FixtureRequest, folder: Path) -> RecordsDatabase:
    """An empty records database: SQLite, or as `on_both` says. For a fixture of the name `database`."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return RecordsDatabase(folder / "records.db")
    # "postgresql" is everybody's server, "mortal" a test's own.
    server: PostgreSql = request.getfixturevalue(request.param)
    return RecordsDatabase(server.new_schema())


def open_records(file: Path) -> Records:
    """An SQLite file under the tests' key."""
    return Records.open(file, KEY)
