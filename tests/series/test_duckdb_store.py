"""What is DuckDB's own: the file, full disks, two processes, compaction, loading."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import duckdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.series import duckdb_store
from collector.series.contract import BatchKey, SeriesBatch, StoreUnavailableError
from collector.series.duckdb_file import StoreFileError
from collector.series.duckdb_store import SERIES_FILE, DuckDbStore
from telemetry.batch import Body
from telemetry.readings import SeriesKey
from tests.series.conftest import DuckDbHarness
from tests.series.naive_reference import Question, batch_lists, check_store, questions

READINGS = 5_000
NOISE = np.random.default_rng(1)
FULL = 100_000
"""Less than any of the stores here needs, more than pytest writes."""


def make_batch(sequence: int, readings: int = READINGS) -> SeriesBatch:
    """Values that do not compress; the time says which batch a point is of."""
    key = SeriesKey("co2", "air-1", "main/101")
    value = NOISE.random(readings).tolist()
    body = Body([key], [readings], [sequence] * readings, value, [0] * readings, [])
    return SeriesBatch(BatchKey("example", "gw-1", "bulk", "a", sequence), 0, body)


def names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


class SmallDisk:
    """A place that takes only so many bytes, until it is given more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, size_bytes: int) -> None:
        """From now on there is room for `size_bytes`, or none at all if more is in use."""
        raise NotImplementedError

    def free(self) -> None:
        raise NotImplementedError


class SmallMount(SmallDisk):
    def _resize(self, size: str) -> None:
        subprocess.run(["mount", "-o", f"remount,size={size}", self.folder], check=True)

    def fill(self, size_bytes: int) -> None:
        disk = os.statvfs(self.folder)
        self._resize(str(max(size_bytes, (disk.f_blocks - disk.f_bfree) * disk.f_frsize)))

    def free(self) -> None:
        self._resize("512m")


class SmallFiles(SmallDisk):
    """No file may grow beyond the limit (EFBIG): what can be had without the right to mount."""

    def fill(self, size_bytes: int) -> None:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))

    def free(self) -> None:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@pytest.fixture(params=["mount", "limit"])
def small_disk(request: pytest.FixtureRequest) -> Iterator[SmallDisk]:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        command = ["mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", str(folder)]
        disk: SmallDisk = SmallFiles(folder)
        if (
            request.param == "mount"
            and subprocess.run(command, capture_output=True, check=False).returncode == 0
        ):
            # Lazily: a failed test may leave its store open.
            stack.callback(subprocess.run, ["umount", "--lazy", str(folder)], check=True)
            disk = SmallMount(folder)
        stack.callback(disk.free)
        yield disk


# At 5 MB the write-ahead log cannot grow. At 18 MB (12 MB for one file) what fails is the checkpoint
# that DuckDB makes when the log reaches 16 MB, or the log once more; then DuckDB refuses all until
# the file is opened anew.
@pytest.mark.parametrize("size_mb", [5, 18])
async def test_a_full_disk_takes_nothing_and_loses_nothing(small_disk: SmallDisk, size_mb: int) -> None:
    path = small_disk.folder / "series.duckdb"
    store = await DuckDbStore.open(path)
    small_disk.fill(size_mb * 1_000_000)
    taken = 0
    with contextlib.suppress(StoreUnavailableError):
        while taken < 1_000:
            await store.append([make_batch(taken + 1)])
            taken += 1
    assert 10 < taken < 1_000

    small_disk.fill(FULL)
    before = await store.series()
    assert before[0].latest.time_ms == taken
    for _ in range(3):
        with pytest.raises(StoreUnavailableError):
            await store.append([make_batch(taken + 1), make_batch(taken + 2)])
        assert await store.series() == before
        assert await store.point_count() == taken * READINGS
        [answer] = await store.query([1], 0, 10_000, step_ms=1)
        assert answer.counts == [READINGS] * taken

    small_disk.free()
    await store.append([make_batch(sequence) for sequence in range(1, taken + 3)])
    assert await store.point_count() == (taken + 2) * READINGS
    await store.close()
    store = await DuckDbStore.open(path)
    assert await store.point_count() == (taken + 2) * READINGS
    assert (await store.series())[0].latest.time_ms == taken + 2
    await store.close()


async def test_closing_on_a_full_disk_keeps_everything(small_disk: SmallDisk) -> None:
    path = small_disk.folder / "series.duckdb"
    store = await DuckDbStore.open(path)
    for sequence in range(1, 31):
        await store.append([make_batch(sequence)])
    small_disk.fill(FULL)
    await store.close()
    small_disk.free()
    store = await DuckDbStore.open(path)
    assert await store.point_count() == 30 * READINGS
    await store.close()


async def test_a_checkpoint_is_made_on_closing(tmp_path: Path) -> None:
    path = tmp_path / "series.duckdb"
    store = await DuckDbStore.open(path)
    await store.append([make_batch(1)])
    assert (tmp_path / "series.duckdb.wal").stat().st_size > 8 * READINGS
    await store.close()
    assert names_in(tmp_path) == ["series.duckdb"]


@contextlib.contextmanager
def other_process(path: Path) -> Iterator[int]:
    """Another process that has the file open; gives its process id."""
    program = f"import duckdb; c = duckdb.connect({str(path)!r}); print('open', flush=True); input()"
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        try:
            yield process.pid
        finally:
            process.communicate("\n")


async def test_two_processes_cannot_open_one_file(tmp_path: Path) -> None:
    path = tmp_path / "series.duckdb"
    await (await DuckDbStore.open(path)).close()
    with (
        other_process(path) as pid,
        pytest.raises(StoreFileError, match=r"series\.duckdb is in use") as error,
    ):
        await DuckDbStore.open(path)
    assert f"by process {pid}; stop that one first" in str(error.value)
    await (await DuckDbStore.open(path)).close()


@pytest.mark.parametrize("content", [b"SQLite format 3\0" + bytes(4_096), b"x", b"hello " * 5_000])
async def test_a_foreign_file_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "series.duckdb"
    path.write_bytes(content)
    with pytest.raises(StoreFileError, match=r"series\.duckdb is not a DuckDB file; move it away"):
        await DuckDbStore.open(path)
    assert path.read_bytes() == content


async def test_a_duckdb_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "series.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE points(a INTEGER)")
    before = path.read_bytes()
    with pytest.raises(StoreFileError, match=r"series\.duckdb is a DuckDB file but not a series store"):
        await DuckDbStore.open(path)
    assert path.read_bytes() == before


async def test_a_file_of_another_schema_version_says_which(tmp_path: Path) -> None:
    path = tmp_path / "series.duckdb"
    await (await DuckDbStore.open(path)).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("UPDATE campus_series_store SET version = 99")
    with pytest.raises(
        StoreFileError, match=rf"series\.duckdb has schema version 99.* knows {SERIES_FILE.version};"
    ):
        await DuckDbStore.open(path)


async def test_a_damaged_file_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "series.duckdb"
    store = await DuckDbStore.open(path)
    await store.append([make_batch(1)])
    await store.close()
    data = bytearray(path.read_bytes())
    data[12_288:] = bytes(len(data) - 12_288)
    path.write_bytes(data)
    with pytest.raises(StoreFileError, match=r"series\.duckdb .*backup"):
        await DuckDbStore.open(path)


async def test_a_place_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file" / "series.duckdb", tmp_path):
        with pytest.raises(StoreFileError, match="cannot be opened"):
            await DuckDbStore.open(path)


async def test_leftovers_of_an_interrupted_creation_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "new" / "series.duckdb"
    path.parent.mkdir()
    path.write_bytes(b"")
    path.with_name("series.duckdb.new").write_bytes(b"half")
    path.with_name("series.duckdb.new.wal").write_bytes(b"half")
    store = await DuckDbStore.open(path)
    await store.append([make_batch(1)])
    await store.close()
    assert names_in(path.parent) == ["series.duckdb"]


async def test_applied_batches_are_kept_as_ranges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duckdb_store, "COMPACT_ROWS", 20)
    path = tmp_path / "series.duckdb"
    sequences = [*range(1, 60), *range(100, 130, 2)]
    for half in (sequences[:50], sequences[50:]):
        store = await DuckDbStore.open(path)
        for sequence in half:
            await store.append([make_batch(sequence, 1)])
        await store.close()
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("SELECT count(*) FROM applied").fetchall()[0][0] <= 41
    store = await DuckDbStore.open(path)
    await store.append([make_batch(sequence, 1) for sequence in sequences])
    assert await store.point_count() == len(sequences)
    await store.append([make_batch(70, 1)])
    assert await store.point_count() == len(sequences) + 1
    await store.close()


async def test_a_question_beyond_the_memory_limit_is_refused(tmp_path: Path) -> None:
    store = await DuckDbStore.open(tmp_path / "series.duckdb", memory_limit="24MB", threads=1)
    key = SeriesKey("co2", "air-1", "main/101")
    for sequence in range(20):
        times = list(range(sequence * 50_000, (sequence + 1) * 50_000))
        body = Body([key], [50_000], times, [1.0] * 50_000, [0] * 50_000, [])
        await store.append([SeriesBatch(BatchKey("example", "gw-1", "bulk", "a", sequence + 1), 0, body)])
    with pytest.raises(ValueError, match=r"larger step|more memory"):
        await store.query([1], 0, 10**9, step_ms=1)
    [answer] = await store.query([1], 0, 10**9, step_ms=100_000, aggregate="count")
    assert answer.counts == [100_000] * 10
    await store.close()


@given(
    batches=batch_lists(st.floats(-1e6, 1e6, allow_subnormal=False)),
    asked=st.lists(questions, min_size=6, max_size=6),
)
@settings(max_examples=30, deadline=None)
async def test_any_number_is_kept_as_it_is(batches: list[SeriesBatch], asked: list[Question]) -> None:
    await check_store(DuckDbHarness, batches, asked)
