"""New stores of tests. To make an empty file takes as long as to open it, so one is made, and copied."""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeVar

from collector.series.duckdb_store import DuckDbStore

Store = TypeVar("Store", bound=DuckDbStore)

_EMPTY: Final[list[bytes]] = []


async def open_store(path: Path, kind: type[Store]) -> Store:
    """The store of a file, or an empty one where there is none yet."""
    if not _put_down(path):
        await (await kind.open(path)).close()
        _keep(path)
    return await kind.open(path)


def _put_down(path: Path) -> bool:
    """The empty file, where there is none yet; whether there is one now."""
    if not path.exists() and _EMPTY:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(_EMPTY[0])
    return path.exists()


def _keep(path: Path) -> None:
    _EMPTY.append(path.read_bytes())
