"""What is in bytes besides themselves: batches decoded, members of gzip and zstd unpacked, rows of
databases as text.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import msgspec
import zstandard
from sqlalchemy import select

from collector.records import Records
from collector.records.all_tables import SEALED_COLUMNS, metadata
from foundation.keyfiles import load_signing_key
from telemetry.batch import BatchError, decode_body, decode_payload
from telemetry.envelope import MAGIC, EnvelopeError, Kind, open_envelope

GZIP: Final = b"\x1f\x8b\x08"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
UNPACKED_BYTES_MAX: Final = 32 * 1024 * 1024
DEPTH_MAX: Final = 3


class Source(NamedTuple):
    """Something to search. like_chance: it is compressed or encrypted, or such things are in it."""

    name: str
    data: bytes
    like_chance: bool = False


def unpacked(source: Source, depth: int = 0) -> Iterator[Source]:
    """The source itself, and all that can be unpacked from it, which in turn may be packed."""
    inner = list(_members(source.data)) if depth < DEPTH_MAX else []
    yield source._replace(like_chance=source.like_chance or bool(inner))
    for what, found in inner:
        yield from unpacked(Source(f"{source.name} > {what}", found), depth + 1)


def _members(data: bytes) -> Iterator[tuple[str, bytes]]:
    if data.startswith(MAGIC):
        yield from _batch(data)
    at = data.find(GZIP)
    while at >= 0:
        try:
            found = zlib.decompressobj(wbits=31).decompress(data[at:], UNPACKED_BYTES_MAX)
        except zlib.error:
            found = b""
        if found:
            yield "gzip", found
        at = data.find(GZIP, at + 1)
    at = data.find(ZSTD)
    while at >= 0:
        try:
            found = zstandard.ZstdDecompressor().decompressobj().decompress(data[at:])
        except zstandard.ZstdError:
            found = b""
        if found:
            yield "zstd", found
        at = data.find(ZSTD, at + 1)


def _batch(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Header, series and records as JSON."""
    try:
        envelope = open_envelope(data)
        if envelope.kind is not Kind.BATCH:
            return
        header, body = decode_payload(envelope.payload)
        found = decode_body(header, body)
    except (EnvelopeError, BatchError):
        return
    yield "batch", msgspec.json.encode({"header": header, "series": found.series, "records": found.records})


def sqlite_rows(file: Path) -> Iterator[Source]:
    """Every row of every table as text, and every value that is bytes by itself."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        tables = [row[0] for row in connection.execute("select name from sqlite_master where type = 'table'")]
        for table in tables:
            yield from _rows(
                f"{file.name}/{table}", connection.execute(f'select * from "{table}"').fetchall()
            )


def sealed_values(file: Path, key_file: Path) -> Iterator[Source]:
    """What the sealed columns of a records database hold, opened with the collector's key."""
    records = Records.open(file, load_signing_key(key_file))
    try:
        for name, columns in SEALED_COLUMNS.items():
            query = select(*(metadata.tables[name].c[column] for column in columns))
            rows = records.look_now(lambda connection, query=query: connection.execute(query).all())  # type: ignore[misc]  # mypy does not infer the lambda
            yield from _rows(f"{file.name}/{name} opened", [tuple(row) for row in rows])
    finally:
        records.close_now()


def duckdb_rows(file: Path) -> Iterator[Source]:
    """Every row of every table as text."""
    with duckdb.connect(str(file), read_only=True) as connection:
        for (table,) in connection.execute("select table_name from information_schema.tables").fetchall():
            yield from _rows(
                f"{file.name}/{table}", connection.execute(f'select * from "{table}"').fetchall()
            )


def _rows(name: str, rows: list[tuple[object, ...]]) -> Iterator[Source]:
    yield Source(name, "\n".join("\t".join(map(str, row)) for row in rows).encode())
    for row in rows:
        yield from (
            Source(f"{name} value", value, like_chance=True)
            for value in row
            if isinstance(value, bytes) and len(value) > 8
        )
