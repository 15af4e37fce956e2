"""The synchronous buffer: a store, and what to do when the disk is full or the file damaged.

Runs in one thread. Every change is one transaction that is tried again after room was made, and
once more in a new file if the old one turns out to be damaged.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Container, Sequence
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

import structlog

from edge_agent.buffer import files, wal
from edge_agent.buffer.contract import BatchId, BufferFullError, BufferStats, Item, Leased, Removed
from edge_agent.buffer.disk import Ballast, free_bytes, means_damaged, means_full
from edge_agent.buffer.erasing import Erased, erase
from edge_agent.buffer.giving_up import GivingUp
from edge_agent.buffer.layout import BULK_KEY_MIN, PAGE_BYTES, ROW_OVERHEAD_BYTES, is_sound, key_of
from edge_agent.buffer.salvage import new_name
from edge_agent.buffer.store import NOTHING_REMOVED, DamagedError, Store
from telemetry.batch import Gap, Stream
from telemetry.ranges import Range

log = structlog.get_logger()
T = TypeVar("T")

_SLACK_BYTES_MAX: Final = 256 * 1024
_KEY_MAX: Final = 2**63 - 1
_LAST_ATTEMPT: Final = 2
# sqlite3 fails to decode its own message when that quotes a damaged schema.
_TROUBLE: Final = (sqlite3.DatabaseError, DamagedError, UnicodeDecodeError)


class Engine:
    """An open buffer; its two bounds may be changed between two calls. Raises BufferFullError; OSError when
    the directory cannot be used.
    """

    def __init__(self, path: Path, *, bytes_max: int, disk_free_bytes_min: int) -> None:
        self._path = path
        self.bytes_max = bytes_max
        self.disk_free_bytes_min = disk_free_bytes_min
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._ballast = Ballast(files.beside(path, ".ballast"))
        self._index: BinaryIO | None = None
        try:
            self._open()
        except sqlite3.Error as error:
            if not means_full(error):
                raise
            raise BufferFullError(f"no room for the buffer file {path}: {error}") from error
        self._ballast.restore()

    def _open(self) -> None:
        path, log_path = self._path, files.beside(self._path, "-wal")
        files.finish(path)
        if not path.exists() and not log_path.exists():
            files.create(path)
        elif not (path.exists() and files.looks_like_ours(path)):
            self._quarantine(None, "not a database")
        try:
            self._open_once()
        except _TROUBLE as error:
            if not _is_damage(error):
                raise
            self._quarantine(self._connection, str(error))
            self._open_once()

    def _open_once(self) -> None:
        self._close_index()
        before = wal.read_index(files.beside(self._path, "-shm"))
        self._connection = files.connect(self._path)
        try:
            self._examine(before)
        except BaseException as error:
            # The connection to a damaged file is closed later: closing would fold in its log.
            if not _is_damage(error):
                self.close()
            raise

    def _examine(self, before: wal.Index | None) -> None:
        """Makes a store of the connection. Raises DamagedError or sqlite3.Error."""
        connection = self._connection
        files.prepare(connection)
        found = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != ("ok",) or not files.schema_is_ours(connection):
            raise DamagedError(f"quick_check: {found[0]}")
        now = self._read_index()
        verdict = wal.judge(files.beside(self._path, "-wal"), before, now.frames if now else 0)
        if verdict is wal.Verdict.DAMAGED:
            raise DamagedError("the write-ahead log is damaged")
        self.store = Store(connection)
        self._giving_up = GivingUp(self.store)
        if verdict is wal.Verdict.TORN:
            # Whether the torn end held promised batches cannot be known: their numbers must not be
            # given again. The rows before it are whole and stay.
            log.warning("end of the buffer's log was torn; a new generation begins", file=self._path.name)
            self._write(lambda store, _: store.begin_generation(new_name()))
        self.stats: BufferStats = self.store.stats()

    def _quarantine(self, connection: sqlite3.Connection | None, reason: str) -> None:
        log.error("buffer file is damaged, put aside", file=self._path.name, reason=reason)
        files.quarantine(self._path, connection)

    def _read_index(self) -> wal.Index | None:
        with contextlib.suppress(OSError):
            # Closed after the connection and not before, see `wal.read_open_index`.
            self._index = files.beside(self._path, "-shm").open("rb")
            return wal.read_open_index(self._index)
        return None

    def _close_index(self) -> None:
        if self._index is not None:
            self._index.close()
            self._index = None

    def close(self) -> None:
        self._connection.close()
        self._close_index()

    def _guarded(self, action: Callable[[], T]) -> T:
        """The action; a second time in a new file if the first try finds the old one damaged."""
        try:
            return action()
        except _TROUBLE as error:
            if not _is_damage(error):
                raise
            try:
                self._quarantine(self._connection, str(error))
                self._open_once()
            except sqlite3.Error as later:
                if not means_full(later):
                    raise
                raise BufferFullError(f"no room for a new buffer file: {later}") from later
            return action()
        finally:
            self.stats = self.store.stats()

    def _write(self, change: Callable[[Store, int], T]) -> T:
        """A change in one transaction. On a full disk folds the log in and tries again; then throws
        off the ballast for a last attempt, in which the file must not grow: otherwise the ballast's
        room would be used up, and later nothing could be deleted any more. The change is told
        which attempt it is.
        """
        store = self.store
        try:
            for attempt in range(_LAST_ATTEMPT + 1):
                if attempt == _LAST_ATTEMPT:
                    self._ballast.release()
                if attempt:
                    self._fold_in()
                try:
                    with store.transaction():
                        return change(store, attempt)
                except sqlite3.Error as error:
                    self._giving_up = GivingUp(store)
                    if not means_full(error):
                        raise
                    reason = str(error)
            raise BufferFullError(f"the disk of {self._path.name} is full: {reason}")
        finally:
            if not self._ballast.there:
                self._fold_in()
                self._ballast.restore()

    def _fold_in(self) -> None:
        with contextlib.suppress(sqlite3.OperationalError):
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def append(self, items: Sequence[Item]) -> list[BatchId]:
        incoming = sum(len(item.body) + ROW_OVERHEAD_BYTES for item in items)
        readings = sum(item.readings for item in items)
        urgent = any(item.stream == "urgent" for item in items)
        if incoming > self.bytes_max:
            raise BufferFullError(f"{incoming} bytes at once, the buffer holds {self.bytes_max}")

        def change(store: Store, attempt: int) -> list[BatchId]:
            giving_up = self._giving_up
            last = attempt == _LAST_ATTEMPT
            shortage = self._growth_bytes(items) if last or self._disk_is_low() else 0
            if shortage > 0:
                giving_up.make_room(shortage, readings, "disk_full", urgent_too=urgent)
            if last and self._growth_bytes(items) > 0:
                raise BufferFullError(f"the disk of {self._path.name} is full, nothing is left to give up")
            ids = store.append(items)
            # Only now, so that a new bulk batch goes before an old urgent one.
            over = store.tally.size_bytes - self.bytes_max
            if over > 0:
                giving_up.make_room(over + self._slack_bytes, readings, "dropped")
            return ids

        return self._guarded(lambda: self._write(change))

    @property
    def _slack_bytes(self) -> int:
        return min(self.bytes_max // 64, _SLACK_BYTES_MAX)

    def _disk_is_low(self) -> bool:
        return free_bytes(self._path.parent) < self.disk_free_bytes_min

    def _growth_bytes(self, items: Sequence[Item]) -> int:
        """By how much the file would grow for these, above what is free inside it; at most."""
        pages = sum(-(-(len(item.body) + ROW_OVERHEAD_BYTES) // PAGE_BYTES) + 1 for item in items)
        return pages * PAGE_BYTES - self.store.free_page_bytes()

    def lease(self, batches_max: int, stream: Stream | None = None) -> list[Leased]:
        low = BULK_KEY_MIN if stream == "bulk" else 0
        high = BULK_KEY_MIN - 1 if stream == "urgent" else _KEY_MAX

        def action() -> list[Leased]:
            store = self.store
            alarms = sorted(key for key in store.alarms - store.loans if low <= key <= high)[:batches_max]
            taken = store.loans.union(alarms)
            keys = store.keys(low, high, batches_max + len(taken))
            free = (alarms + [key for key in keys if key not in taken])[:batches_max]
            rows = [row for key in free if (row := store.row(key))]
            damaged = [row for row in rows if not is_sound(row)]
            if damaged:
                log.error("batches failed their checksum", batches=len(damaged))
                self._write(lambda store, _: [store.remove_if_damaged(row) for row in damaged])
                rows = [row for row in rows if row not in damaged]
            leased = [store.leased(row) for row in rows]
            store.loans.update(row.key for row in rows)
            return leased

        return self._guarded(action)

    def received(self, stream: Stream, generation: str, ranges: Sequence[Range]) -> None:
        def action() -> None:
            keys = self.store.key_ranges(stream, generation, ranges)
            self._write(lambda store, _: store.mark_received(keys))

        self._guarded(action)

    def accept(self, stream: Stream, generation: str, ranges: Sequence[Range]) -> Removed:
        def action() -> Removed:
            keys = self.store.key_ranges(stream, generation, ranges)
            removed = self._write(lambda store, _: [store.delete(low, high) for low, high in keys])
            loans = self.store.loans
            loans -= {key for key in loans for low, high in keys if low <= key <= high}
            return Removed(*map(sum, zip(*removed, strict=True))) if removed else NOTHING_REMOVED

        return self._guarded(action)

    def reject(self, id_: BatchId, reason: str) -> Removed:
        def change(store: Store, _: int) -> Removed:
            total = NOTHING_REMOVED
            for low, high in store.key_ranges(id_.stream, id_.generation, [(id_.sequence, id_.sequence)]):
                total = store.delete(low, high)
                store.loans.discard(low)
            if total.batches:
                store.declare(id_, "rejected", total.readings, total.records)
            return total

        removed = self._guarded(lambda: self._write(change))
        if removed.batches:
            log.error("batch rejected by the collector", reason=reason, readings=removed.readings)
        return removed

    def erase(self, pseudonyms: Container[str], after_key: int) -> Erased:
        """One step of it: the batches with records behind `after_key`, some of them."""

        def change(store: Store, _: int) -> Erased:
            with files.overwriting(self._connection):
                return erase(store, pseudonyms, after_key)

        return self._guarded(lambda: self._write(change))

    def finish_erasing(self) -> None:
        """The log is folded in, for it holds rows as they were; so do the sets put aside."""
        self._fold_in()
        files.remove_damaged_sets(self._path)

    def keep(self, ids: Sequence[BatchId] | None) -> None:
        store = self.store
        if ids is None:
            store.loans.clear()
            return
        for id_ in ids:
            ordinal = store.ordinals.get(id_.generation)
            if ordinal is not None:
                store.loans.discard(key_of(id_.stream, ordinal, id_.sequence))

    def unreceived_alarms(self) -> list[BatchId]:
        return self._guarded(
            lambda: self.store.unreceived_alarms()  # noqa: PLW0108  # after a quarantine the store is another one
        )

    def gaps(self, limit: int) -> tuple[Gap, ...]:
        return self._guarded(lambda: self.store.gap_table.oldest(limit))

    def gaps_delivered(self, gaps: Sequence[Gap]) -> None:
        self._guarded(lambda: self._write(lambda store, _: store.gap_table.forget(gaps)))


def _is_damage(error: BaseException) -> bool:
    return isinstance(error, DamagedError | UnicodeDecodeError) or (
        isinstance(error, sqlite3.Error) and means_damaged(error)
    )
