"""The buffer's tables, its row keys and the checksum that every row carries."""

from __future__ import annotations

import sqlite3
import zlib
from typing import Any, Final, NamedTuple

import msgspec

from edge_agent.buffer.contract import BatchId, Item
from telemetry.batch import Stream
from telemetry.packed import BODY_BYTES_MAX, READINGS_MAX
from telemetry.quality import ClockQuality

PAGE_BYTES: Final = 4096
VERSION: Final = 1
"""PRAGMA user_version; a file of another version is not opened but put aside."""
ROW_OVERHEAD_BYTES: Final = 256
"""What a row counts for beside its body when sizes are added up."""
SEQUENCE_MAX: Final = 2**40 - 1
ORDINAL_MAX: Final = 2**20 - 1
LANES: Final[dict[str, int]] = {"urgent": 0, "bulk": 1}
BULK_KEY_MIN: Final = 1 << 60

SCHEMA: Final = """
CREATE TABLE generation (
    ordinal INTEGER PRIMARY KEY, name TEXT NOT NULL,
    urgent_last INTEGER NOT NULL, bulk_last INTEGER NOT NULL, crc INTEGER NOT NULL
) STRICT;
CREATE TABLE batch (
    key INTEGER PRIMARY KEY,
    stream TEXT NOT NULL, generation TEXT NOT NULL, sequence INTEGER NOT NULL,
    readings INTEGER NOT NULL, records INTEGER NOT NULL, time_base_ms INTEGER NOT NULL,
    clock INTEGER NOT NULL, boot TEXT NOT NULL, clock_offset_ms INTEGER NOT NULL,
    policy TEXT NOT NULL, alarm INTEGER NOT NULL, thinned INTEGER NOT NULL,
    crc INTEGER NOT NULL, body BLOB NOT NULL
) STRICT;
CREATE TABLE received (key INTEGER PRIMARY KEY, crc INTEGER NOT NULL) STRICT;
CREATE TABLE gap (
    id INTEGER PRIMARY KEY, stream TEXT NOT NULL, generation TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, reason TEXT NOT NULL,
    readings INTEGER NOT NULL, crc INTEGER NOT NULL
) STRICT;
CREATE TABLE counter (id INTEGER PRIMARY KEY, name TEXT NOT NULL, value INTEGER NOT NULL, crc INTEGER NOT NULL)
STRICT;
"""

TABLE_COLUMNS: Final = {5: "generation", 15: "batch", 2: "received", 8: "gap", 4: "counter"}
"""Tables by their number of columns: salvage tells a bare row's table by it."""


class Row(NamedTuple):
    """A row of table `batch`, column by column.

    `received` is a table of its own: setting a flag in place would rewrite the body.
    """

    key: int
    stream: Stream
    generation: str
    sequence: int
    readings: int
    records: int
    time_base_ms: int
    clock: int
    boot: str
    clock_offset_ms: int
    policy: str
    alarm: int
    thinned: int
    crc: int
    body: bytes

    @property
    def id(self) -> BatchId:
        return BatchId(self.stream, self.generation, self.sequence)

    @property
    def size_bytes(self) -> int:
        return len(self.body) + ROW_OVERHEAD_BYTES

    def item(self) -> Item:
        return Item(
            stream=self.stream,
            body=self.body,
            readings=self.readings,
            records=self.records,
            time_base_ms=self.time_base_ms,
            clock=ClockQuality(self.clock),
            boot=self.boot,
            clock_offset_ms=self.clock_offset_ms,
            policy=self.policy,
            alarm=bool(self.alarm),
        )


def key_of(stream: Stream, ordinal: int, sequence: int) -> int:
    """The row key: its order is the order of delivery (urgent first, older generations first)."""
    return LANES[stream] << 60 | ordinal << 40 | sequence


def split_key(key: int) -> tuple[Stream, int, int]:
    """Stream, ordinal of the generation and sequence number of a key."""
    return ("bulk" if key >> 60 else "urgent"), key >> 40 & ORDINAL_MAX, key & SEQUENCE_MAX


def make_row(id_: BatchId, ordinal: int, item: Item, *, thinned: bool = False) -> Row:
    """The row of an item, with its checksum."""
    row = Row(
        key_of(id_.stream, ordinal, id_.sequence),
        *id_,
        item.readings,
        item.records,
        item.time_base_ms,
        int(item.clock),
        item.boot,
        item.clock_offset_ms,
        item.policy,
        int(item.alarm),
        int(thinned),
        0,
        item.body,
    )
    return row._replace(crc=_batch_crc(row))


def _batch_crc(row: Row) -> int:
    return zlib.crc32(row.body, zlib.crc32(msgspec.msgpack.encode(row[:13])))


def is_sound(row: Row) -> bool:
    """Whether a row is, bit by bit, what was written. The row may come from raw, damaged pages."""
    try:
        return (
            row.crc == _batch_crc(row)
            and split_key(row.key)[::2] == (row.stream, row.sequence)
            and 0 <= row.readings <= READINGS_MAX
            and len(row.body) <= BODY_BYTES_MAX
        )
    except (TypeError, ValueError, OverflowError, AttributeError):
        return False


def small_crc(table: str, *values: Any) -> int:
    """The checksum of a row of the small tables: over its table's name and its other columns."""
    return zlib.crc32(msgspec.msgpack.encode((table, values)))


def write_generation(
    connection: sqlite3.Connection, ordinal: int, name: str, urgent_last: int, bulk_last: int
) -> None:
    """Writes a generation and its last numbers; the one with the highest ordinal is in use."""
    row = (ordinal, name, urgent_last, bulk_last)
    connection.execute(
        "INSERT OR REPLACE INTO generation VALUES (?, ?, ?, ?, ?)", (*row, small_crc("generation", *row))
    )
