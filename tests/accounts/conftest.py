"""A bench of accounts for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.accounts.accounts_bench import Bench
from tests.collector.record_databases import RecordsDatabase, make_database


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> RecordsDatabase:
    return make_database(request, tmp_path)


@pytest.fixture
async def bench(database: RecordsDatabase) -> AsyncIterator[Bench]:
    records = database.open()
    try:
        yield Bench(records)
    finally:
        await records.close()
