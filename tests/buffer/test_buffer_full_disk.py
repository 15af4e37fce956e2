"""A real full disk: a small tmpfs where mounting is allowed, a file size limit everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.buffer import Item, SqliteBuffer, disk

CHILD = Path(__file__).with_name("fill_the_disk.py")
MakeItem = Callable[..., Item]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory and the way to fill it: 1 MB of tmpfs, or where that is not permitted, a limit."""
    directory = tmp_path / "disk"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(directory)]
    try:
        mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    yield directory, "stuff" if mounted else "limit"
    if mounted:
        subprocess.run(["umount", "-l", str(directory)], check=True)


def run(directory: Path, medium: str) -> Any:
    child = subprocess.run(
        [sys.executable, str(CHILD), str(directory), medium], capture_output=True, text=True, check=False
    )
    assert child.returncode == 0, child.stderr
    return json.loads(child.stdout.splitlines()[-1])


def check(seen: Any) -> None:
    assert seen["urgent_there"] == 10, "a bulk batch pushed an urgent one out"
    assert seen["there"][0] == seen["there"][1]
    first = seen["after"][0]
    assert seen["after"] == list(range(first, first + 5))
    assert first == seen["appended_while_full"] + 1, "a refused batch used up a number"
    assert seen["rows_after_restart"][0] == seen["rows_after_restart"][1]
    there, in_gaps, given_up = seen["readings"]
    assert in_gaps == given_up
    assert there + given_up == seen["appended"]
    assert set(seen["gap_reasons"]) <= {"disk_full"}
    assert seen["quarantined"] == 0


def test_a_full_disk_refuses_keeps_and_recovers(small_disk: tuple[Path, str]) -> None:
    seen = run(*small_disk)
    check(seen)
    # With a limit on each file the ballast cannot help, and an acceptance may have to wait.
    assert seen["accepted_while_full"] == 4 or small_disk[1] == "limit"
    assert seen["ballast"]


def test_a_file_that_may_not_grow_refuses_keeps_and_recovers(tmp_path: Path) -> None:
    check(run(tmp_path, "limit"))


async def test_old_data_goes_before_the_disk_fills(
    tmp_path: Path, make_item: MakeItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With too little free, the file is not let grow; the rule is the byte cap's."""
    buffer = await SqliteBuffer.open(tmp_path / "buffer.db", bytes_max=10**9, disk_free_bytes_min=0)
    await buffer.append([make_item(0, "urgent")])
    for number in range(1, 41):
        await buffer.append([make_item(number, readings=400)])
    await buffer.close()
    size = (tmp_path / "buffer.db").stat().st_size
    buffer = await SqliteBuffer.open(tmp_path / "buffer.db", bytes_max=10**9, disk_free_bytes_min=2**60)
    for number in range(41, 161):
        await buffer.append([make_item(number, readings=400)])
    stats = buffer.stats()
    gaps = await buffer.gaps(1_000)
    await buffer.close()
    assert (tmp_path / "buffer.db").stat().st_size <= 1.5 * size
    assert stats.urgent_batches == 1
    assert stats.given_up["disk_full"] > 0
    assert sum(gap.readings for gap in gaps) == stats.given_up["disk_full"] + stats.given_up["thinned"]


def test_the_ballast_is_thrown_off_and_comes_back(tmp_path: Path) -> None:
    ballast = disk.Ballast(tmp_path / "ballast")
    ballast.restore()
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= disk.BALLAST_BYTES
    ballast.release()
    assert not (tmp_path / "ballast").exists()
    ballast.restore()
    assert (tmp_path / "ballast").stat().st_size == disk.BALLAST_BYTES
