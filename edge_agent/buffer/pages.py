"""Rows from the bare pages of a damaged SQLite file, without SQLite.

Every leaf page of a table is read for itself, so that a damaged header, root or interior page costs
nothing but itself. Layout: https://www.sqlite.org/fileformat2.html
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from edge_agent.buffer import wal
from edge_agent.buffer.layout import PAGE_BYTES
from telemetry.packed import BODY_BYTES_MAX

_TABLE_LEAF: Final = 0x0D
_LOCAL_MAX: Final = PAGE_BYTES - 35
_LOCAL_MIN: Final = (PAGE_BYTES - 12) * 32 // 255 - 23
_PAYLOAD_MAX: Final = BODY_BYTES_MAX + 64 * 1024
_INTEGER_BYTES: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}

RawRow = tuple[int, list[Any]]
"""Rowid and columns; an INTEGER PRIMARY KEY is None among the columns, as it is the rowid."""


class Image:
    """A database file with its committed log laid over it."""

    def __init__(self, main: BinaryIO, log: BinaryIO | None) -> None:
        self._main = main
        self._log = log
        self._logged, self._doubtful = wal.read_frames(log) if log else wal.Frames({}, [])
        main_pages = -(-main.seek(0, 2) // PAGE_BYTES)
        self._numbers = sorted({*range(1, main_pages + 1), *self._logged})

    def page(self, number: int) -> bytes:
        """The page's newest image; shorter or empty where the file ends."""
        file, offset = self._main, (number - 1) * PAGE_BYTES
        if self._log and number in self._logged:
            file, offset = self._log, self._logged[number]
        file.seek(offset)
        return file.read(PAGE_BYTES)

    def rows(self) -> Iterator[RawRow]:
        """Every row that can be taken apart, unchecked. Rows of freed pages are left out as far as
        the list of free pages can be read.
        """
        free = self._free_pages()
        for number in self._numbers:
            if number not in free:
                yield from self._page_rows(number, self.page(number))
        for number, offset in self._doubtful:
            if self._log:
                self._log.seek(offset)
                yield from self._page_rows(number, self._log.read(PAGE_BYTES))

    def _page_rows(self, number: int, page: bytes) -> Iterator[RawRow]:
        start = 100 if number == 1 else 0
        if len(page) < start + 8 or page[start] != _TABLE_LEAF:
            return
        cells = min(int.from_bytes(page[start + 3 : start + 5], "big"), PAGE_BYTES // 4)
        for at in range(start + 8, start + 8 + 2 * cells, 2):
            # A damaged page is taken apart as far as it goes; each row is checked by its CRC later.
            with contextlib.suppress(ValueError, IndexError, OverflowError):
                yield self._row(page, int.from_bytes(page[at : at + 2], "big"))

    def _row(self, page: bytes, at: int) -> RawRow:
        size, at = _varint(page, at)
        rowid, at = _varint(page, at)
        if not 0 < size <= _PAYLOAD_MAX:
            raise ValueError("payload size")
        if size <= _LOCAL_MAX:
            payload = page[at : at + size]
        else:
            spill = _LOCAL_MIN + (size - _LOCAL_MIN) % (PAGE_BYTES - 4)
            local = spill if spill <= _LOCAL_MAX else _LOCAL_MIN
            following = int.from_bytes(page[at + local : at + local + 4], "big")
            payload = page[at : at + local] + self._overflow(following, size - local)
        if len(payload) != size:
            raise ValueError("payload is cut off")
        return rowid, _columns(payload)

    def _overflow(self, number: int, size: int) -> bytes:
        parts = []
        while size > 0:
            page = self.page(number) if number else b""
            if len(page) < 4:
                raise ValueError("overflow chain ends early")
            parts.append(page[4 : 4 + size])
            size -= PAGE_BYTES - 4
            number = int.from_bytes(page[:4], "big")
        return b"".join(parts)

    def _free_pages(self) -> set[int]:
        header = self.page(1)
        if not header.startswith(b"SQLite format 3\0"):
            return set()
        known, free = set(self._numbers), set[int]()
        trunk = int.from_bytes(header[32:36], "big")
        while trunk in known and trunk not in free:
            free.add(trunk)
            page = self.page(trunk)
            count = min(int.from_bytes(page[4:8], "big"), PAGE_BYTES // 4 - 2)
            free.update(int.from_bytes(page[8 + 4 * i : 12 + 4 * i], "big") for i in range(count))
            trunk = int.from_bytes(page[:4], "big")
        # A list that does not add up would make rows disappear; without it some come twice at worst.
        return free if len(free) == int.from_bytes(header[36:40], "big") else set()


@contextlib.contextmanager
def open_image(path: Path) -> Iterator[Image]:
    """A database file and its log (`<path>-wal`), whatever state they are in."""
    log_path = path.with_name(path.name + "-wal")
    with contextlib.ExitStack() as stack:
        main: BinaryIO = io.BytesIO()
        log: BinaryIO | None = None
        if path.exists():
            main = stack.enter_context(path.open("rb"))
        if log_path.exists():
            log = stack.enter_context(log_path.open("rb"))
        yield Image(main, log)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number = 0
    for count in range(8):
        byte = data[at + count]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, at + count + 1
    return number << 8 | data[at + 8], at + 9


def _columns(payload: bytes) -> list[Any]:
    header_bytes, at = _varint(payload, 0)
    value_at = header_bytes
    values: list[Any] = []
    while at < header_bytes:
        kind, at = _varint(payload, at)
        size = _INTEGER_BYTES.get(kind, 0) if kind < 12 else (kind - 12) // 2
        raw = payload[value_at : value_at + size]
        value_at += size
        if kind >= 12:
            values.append(raw.decode() if kind % 2 else raw)
        elif kind in (8, 9):
            values.append(kind - 8)
        elif kind == 0:
            values.append(None)
        elif kind in _INTEGER_BYTES:
            values.append(int.from_bytes(raw, "big", signed=True))
        else:
            raise ValueError("column type")
    if value_at != len(payload):
        raise ValueError("columns do not fill the payload")
    return values
