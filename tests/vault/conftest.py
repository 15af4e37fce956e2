from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from identity_vault.vault import Vault
from tests.postgresql import PostgreSql
from tests.vault.rights_parts import Clock
from tests.vault.vault_parts import make_config, make_vault


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    """An empty vault on SQLite."""
    with make_vault(tmp_path) as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def any_vault(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Vault]:
    """An empty vault on either database."""
    vault: dict[str, object] = {}
    if request.param == "postgresql":
        server: PostgreSql = request.getfixturevalue("postgresql")
        vault = {"database": server.new_database()}
    with make_vault(tmp_path, config=make_config(tmp_path, vault=vault)) as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(tmp_path: Path, clock: Clock) -> Iterator[Vault]:
    config = make_config(tmp_path, web={"port": 0})
    with make_vault(tmp_path, config=config, now_ms=clock) as vault:
        yield vault
