"""What is kept about people lies in folders that only the program's own user can open."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from collector.records import Records
from edge_agent.buffer.engine import Engine
from edge_agent.folderlock import folder_locked
from tests.vault.vault_parts import make_vault


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def _records(folder: Path) -> None:
    Records.open(folder / "records.db").close_now()


def _gateway(folder: Path) -> None:
    with folder_locked(folder):
        pass


def _buffer(folder: Path) -> None:
    Engine(folder / "buffer.db", bytes_max=2**24, disk_free_bytes_min=0).close()


def _vault(folder: Path) -> None:
    make_vault(folder.parent).close()


@pytest.mark.parametrize("make", [_records, _gateway, _buffer, _vault])
def test_a_new_data_folder_is_its_owners_alone(tmp_path: Path, make: Callable[[Path], None]) -> None:
    folder = tmp_path / "data"
    make(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
