"""The buffer's tables behind plain calls: synchronous, one thread, one connection.

Calls that change something run inside `transaction()`. sqlite3 errors are passed on; the engine
decides what they mean.
"""

from __future__ import annotations

import contextlib
import copy
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from edge_agent.buffer.contract import BatchId, BufferStats, Item, Leased, Removed
from edge_agent.buffer.gap_table import GapTable
from edge_agent.buffer.layout import (
    BULK_KEY_MIN,
    LANES,
    ROW_OVERHEAD_BYTES,
    SEQUENCE_MAX,
    VERSION,
    Row,
    is_sound,
    key_of,
    make_row,
    small_crc,
    split_key,
    write_generation,
)
from telemetry.batch import Gap, GapReason, Stream
from telemetry.ranges import Range

_INSERT = f"INSERT INTO batch VALUES ({', '.join('?' * len(Row._fields))})"  # noqa: S608  # no input
NOTHING_REMOVED = Removed(0, 0, 0)


class DamagedError(Exception):
    """The file is a database, but does not say what was written to it."""


@dataclass
class Tally:
    """What the tables add up to, kept along so that nobody has to count."""

    last: dict[Stream, int] = field(default_factory=dict)
    batches: dict[Stream, int] = field(default_factory=dict)
    size_bytes: int = 0
    oldest_ms: int | None = None
    given_up: dict[str, int] = field(default_factory=dict)
    quarantined: int = 0


class Store:
    """An open buffer file. Raises DamagedError where the content contradicts itself."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.gap_table = GapTable(connection)
        self.loans: set[int] = set()
        self.alarms: set[int] = set()
        """Keys of urgent batches with an alarm: the first to be delivered, the last to be given up."""
        self.tally = Tally()
        self._load()

    def _load(self) -> None:
        execute = self._connection.execute
        if execute("PRAGMA user_version").fetchone() != (VERSION,):
            raise DamagedError("not a buffer file of this version")
        rows = execute("SELECT * FROM generation ORDER BY ordinal").fetchall()
        if not rows or any(crc != small_crc("generation", *row) for *row, crc in rows):
            raise DamagedError("the counters of the sequence numbers are damaged")
        self.ordinals: dict[str, int] = {row[1]: row[0] for row in rows}
        self.ordinal: int = rows[-1][0]
        self.generation: str = rows[-1][1]
        urgent_last, bulk_last = rows[-1][2:4]
        self.tally.last = {"urgent": urgent_last, "bulk": bulk_last}
        for stream, lane in LANES.items():
            low, high = lane << 60, (lane + 1 << 60) - 1
            count, size, last = execute(
                "SELECT count(*), total(length(body)), max(key) FROM batch WHERE key BETWEEN ? AND ?",
                (low, high),
            ).fetchone()
            name: Stream = "bulk" if stream == "bulk" else "urgent"
            self.tally.batches[name] = count
            self.tally.size_bytes += int(size) + count * ROW_OVERHEAD_BYTES
            if count and split_key(last)[1:] > (self.ordinal, self.tally.last[name]):
                raise DamagedError("a batch has a number that was never given")
        found = execute("SELECT key FROM batch WHERE key < ? AND alarm", (BULK_KEY_MIN,))
        self.alarms = {key for (key,) in found.fetchall()}
        for _, name_, value, crc in execute("SELECT * FROM counter"):
            if crc != small_crc("counter", name_, value):
                continue
            if name_ == "quarantined":
                self.tally.quarantined = value
            else:
                self.tally.given_up[name_.removeprefix("given_up.")] = value
        self._note_oldest()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable at the end; the tally is put back when it fails."""
        before, alarms = copy.deepcopy(self.tally), self.alarms.copy()
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._note_oldest()
            self._connection.execute("COMMIT")
        except BaseException:
            self.tally, self.alarms = before, alarms
            if self._connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
            raise

    def begin_generation(self, name: str) -> None:
        """New numbers from 1, inside the caller's transaction; older rows keep theirs."""
        self._connection.execute(
            "DELETE FROM generation WHERE NOT EXISTS (SELECT 1 FROM batch WHERE key BETWEEN ordinal << 40"
            " AND (ordinal << 40) + ?1 OR key BETWEEN ?2 + (ordinal << 40) AND ?2 + (ordinal << 40) + ?1)",
            (SEQUENCE_MAX, BULK_KEY_MIN),
        )
        self.ordinal += 1
        self.generation = name
        self.ordinals[name] = self.ordinal
        write_generation(self._connection, self.ordinal, name, 0, 0)
        self.tally.last = {"urgent": 0, "bulk": 0}

    def append(self, items: Sequence[Item]) -> list[BatchId]:
        ids: list[BatchId] = []
        rows: list[Row] = []
        last, batches = self.tally.last, self.tally.batches
        for item in items:
            last[item.stream] += 1
            batches[item.stream] += 1
            id_ = BatchId(item.stream, self.generation, last[item.stream])
            ids.append(id_)
            rows.append(make_row(id_, self.ordinal, item))
        self._connection.executemany(_INSERT, rows)
        write_generation(self._connection, self.ordinal, self.generation, last["urgent"], last["bulk"])
        self.tally.size_bytes += sum(row.size_bytes for row in rows)
        self.alarms.update(row.key for row in rows if row.alarm and row.stream == "urgent")
        return ids

    def keys(self, low: int, high: int, limit: int) -> list[int]:
        """The first keys from `low` up to `high`, both included."""
        found = self._connection.execute(
            "SELECT key FROM batch WHERE key BETWEEN ? AND ? ORDER BY key LIMIT ?", (low, high, limit)
        )
        return [key for (key,) in found.fetchall()]

    def record_keys(self, after_key: int, limit: int) -> list[int]:
        """The next keys of urgent batches with records."""
        found = self._connection.execute(
            "SELECT key FROM batch WHERE key > ? AND key < ? AND records > 0 ORDER BY key LIMIT ?",
            (after_key, BULK_KEY_MIN, limit),
        )
        return [key for (key,) in found.fetchall()]

    def row(self, key: int) -> Row | None:
        found = self._connection.execute("SELECT * FROM batch WHERE key = ?", (key,)).fetchone()
        return Row(*found) if found else None

    def replace(self, old: Row, new: Row) -> None:
        """Puts a thinned row in the place of the row it was."""
        self._connection.execute(_INSERT.replace("INSERT", "INSERT OR REPLACE", 1), new)
        self.tally.size_bytes += new.size_bytes - old.size_bytes

    def delete(self, low: int, high: int) -> Removed:
        """Deletes the rows from `low` to `high`, both included, of one lane."""
        count, readings, records, size = self._connection.execute(
            "SELECT count(*), total(readings), total(records), total(length(body)) FROM batch"
            " WHERE key BETWEEN ? AND ?",
            (low, high),
        ).fetchone()
        if not count:
            return NOTHING_REMOVED
        self._connection.execute("DELETE FROM batch WHERE key BETWEEN ? AND ?", (low, high))
        self._connection.execute("DELETE FROM received WHERE key BETWEEN ? AND ?", (low, high))
        self.alarms = {key for key in self.alarms if not low <= key <= high}
        self.tally.batches[split_key(low)[0]] -= count
        self.tally.size_bytes -= int(size) + count * ROW_OVERHEAD_BYTES
        return Removed(count, int(readings), int(records))

    def key_ranges(self, stream: Stream, generation: str, ranges: Sequence[Range]) -> list[Range]:
        """Ranges of sequence numbers as ranges of keys; none for a generation nobody knows."""
        ordinal = self.ordinals.get(generation)
        if ordinal is None:
            return []
        return [
            (key_of(stream, ordinal, max(first, 1)), key_of(stream, ordinal, min(last, SEQUENCE_MAX)))
            for first, last in ranges
            if first <= min(last, SEQUENCE_MAX)
        ]

    def mark_received(self, keys: Iterable[Range]) -> None:
        for low, high in keys:
            found = self._connection.execute("SELECT key FROM batch WHERE key BETWEEN ? AND ?", (low, high))
            rows = [(key, small_crc("received", key)) for (key,) in found.fetchall()]
            self._connection.executemany("INSERT OR IGNORE INTO received VALUES (?, ?)", rows)

    def leased(self, row: Row) -> Leased:
        found = self._connection.execute("SELECT 1 FROM received WHERE key = ?", (row.key,)).fetchone()
        return Leased(row.id, row.item(), found is not None)

    def unreceived_alarms(self) -> list[BatchId]:
        found = self._connection.execute(
            "SELECT * FROM batch WHERE alarm AND key NOT IN (SELECT key FROM received) ORDER BY key"
        )
        return [row.id for row in map(Row._make, found) if is_sound(row)]

    def remove_if_damaged(self, row: Row) -> bool:
        """Removes a row that fails its checksum: counted, declared, never delivered."""
        if is_sound(row):
            return False
        self.delete(row.key, row.key)
        self.loans.discard(row.key)
        self.give_up("damaged_batches", 1)
        stream, ordinal, sequence = split_key(row.key)
        name = next((name for name, number in self.ordinals.items() if number == ordinal), None)
        if name is not None and sequence:
            self.gap_table.add(Gap(stream, name, sequence, sequence, "damaged", -1))
        return True

    def declare(self, id_: BatchId, reason: GapReason, readings: int, records: int) -> None:
        """Declares and counts what is given up of a batch."""
        self.gap_table.add(Gap(*id_, id_.sequence, reason, readings))
        self.give_up(reason, readings)
        self.give_up(f"{reason}_records", records)

    def give_up(self, reason: str, count: int) -> None:
        if count:
            self.tally.given_up[reason] = self.tally.given_up.get(reason, 0) + count
            self._count(f"given_up.{reason}", self.tally.given_up[reason])

    def count_quarantine(self, total: int) -> None:
        self.tally.quarantined = total
        self._count("quarantined", total)

    def _count(self, name: str, value: int) -> None:
        execute, row = self._connection.execute, (name, value, small_crc("counter", name, value))
        if not execute(
            "UPDATE counter SET name = ?, value = ?, crc = ? WHERE name = ?", (*row, name)
        ).rowcount:
            execute("INSERT INTO counter VALUES (NULL, ?, ?, ?)", row)

    def free_page_bytes(self) -> int:
        """What the file can take without growing."""
        pages, size = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("freelist_count", "page_size")
        )
        return int(pages * size)

    def _note_oldest(self) -> None:
        """Looks the oldest time up anew; two index look-ups."""
        times = [
            self._connection.execute(
                "SELECT time_base_ms FROM batch WHERE key >= ? ORDER BY key LIMIT 1", (low,)
            ).fetchone()
            for low in (0, BULK_KEY_MIN)
        ]
        self.tally.oldest_ms = min((found[0] for found in times if found), default=None)

    def stats(self) -> BufferStats:
        tally = self.tally
        return BufferStats(
            batches=tally.batches["urgent"] + tally.batches["bulk"],
            urgent_batches=tally.batches["urgent"],
            size_bytes=tally.size_bytes,
            oldest_ms=tally.oldest_ms,
            given_up=dict(tally.given_up),
            quarantined=tally.quarantined,
        )
