"""What can be told about a write-ahead log beside what SQLite tells.

SQLite stops reading a log at its first bad frame and says nothing, so that batches behind it
disappear and their sequence numbers would be given again: the collector would take the new batches
for repetitions. This module notices it. Layout: https://www.sqlite.org/walformat.html
"""

from __future__ import annotations

import struct
import sys
from enum import Enum
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from edge_agent.buffer.layout import PAGE_BYTES

HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 24
FRAME_BYTES: Final = FRAME_HEADER_BYTES + PAGE_BYTES
_MAGIC: Final = (0x377F0682, 0x377F0683)


class Verdict(Enum):
    """What a file's log looks like."""

    WHOLE = "whole"
    TORN = "torn"
    """The end is torn. Most likely a transaction that was never promised; nobody can be sure."""
    DAMAGED = "damaged"
    """Something that had been promised is behind a tear, or missing."""


class Index(NamedTuple):
    """From the shared memory file: how many frames were committed, under which salt."""

    frames: int
    salt: bytes


def read_index(shm: Path) -> Index | None:
    """None when there is no file, or its two copies of the header differ. Never for a file that this
    process has a connection to: see `read_open_index`.
    """
    try:
        with shm.open("rb") as file:
            return read_open_index(file)
    except OSError:
        return None


def read_open_index(file: BinaryIO) -> Index | None:
    """As `read_index`, of a file just opened, which must stay open as long as the connection.

    Closing any handle of a file drops all locks that the process has on it (POSIX, fcntl(2)), those
    of SQLite too. The next process to look into the buffer would then believe that nobody has it open,
    cut the file, and the gateway would die of SIGBUS at its next write.
    """
    first, second = file.read(48), file.read(48)
    if len(second) < 48 or first != second:
        return None
    frames = int.from_bytes(first[16:20], sys.byteorder)
    return Index(frames, first[32:40])


def judge(wal: Path, before: Index | None, frames: int) -> Verdict:
    """The verdict on a log in which SQLite found so many committed frames.

    `before` is the index as it was before SQLite opened the file. After a killed process it is
    exact, after a power cut it may be old or missing, but it never runs ahead of what was synced.
    """
    try:
        size = wal.stat().st_size
    except FileNotFoundError:
        size = 0
    if size < HEADER_BYTES:
        return Verdict.TORN if size or (before and before.frames) else Verdict.WHOLE
    with wal.open("rb") as file:
        header = file.read(HEADER_BYTES)
        salt = header[16:24]
        if before and before.salt == salt and before.frames >= frames:
            return Verdict.WHOLE if before.frames == frames else Verdict.DAMAGED
        commits_max = 1 if _is_sound(header) else 0
        file.seek(HEADER_BYTES + frames * FRAME_BYTES)
        tail_bytes = commits = 0
        while frame := file.read(FRAME_HEADER_BYTES):
            if not commits_max or _belongs(frame, salt):
                tail_bytes += len(frame)
                commits += len(frame) == FRAME_HEADER_BYTES and frame[4:8] != b"\0\0\0\0"
            file.seek(PAGE_BYTES, 1)
        if not commits_max:
            tail_bytes += HEADER_BYTES
    # One unsynced transaction at most can be at the end when the power goes, and none before the
    # log's header is synced; more mean damage.
    return Verdict.DAMAGED if commits > commits_max else Verdict.TORN if tail_bytes else Verdict.WHOLE


class Frames(NamedTuple):
    """Of a log, up to its last commit frame: `sound` page number → offset of its newest image;
    `doubtful` (page number, offset) of the images that fail their checksum.
    """

    sound: dict[int, int]
    doubtful: list[tuple[int, int]]


def read_frames(file: BinaryIO) -> Frames:
    """All frames that belong to the log, those behind a damaged one too: a frame's checksum starts
    from the one stored in the frame before it, so each can be checked by itself.
    """
    found = Frames({}, [])
    header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        return found
    salt = header[16:24] if _is_sound(header) else b""
    order, seed = _order(header), header[24:32]
    pending = Frames({}, [])
    offset = HEADER_BYTES
    while len(frame := file.read(FRAME_BYTES)) == FRAME_BYTES:
        page, size = struct.unpack(">II", frame[:8])
        salt = salt or frame[8:16]
        if _belongs(frame, salt):
            at = offset + FRAME_HEADER_BYTES
            if _checksum(frame[:8] + frame[FRAME_HEADER_BYTES:], seed, order) == frame[16:24]:
                pending.sound[page] = at
            else:
                pending.doubtful.append((page, at))
            if size:
                found.sound.update(pending.sound)
                found.doubtful.extend(pending.doubtful)
                pending = Frames({}, [])
        seed = frame[16:24]
        offset += FRAME_BYTES
    return found


def _belongs(frame: bytes, salt: bytes) -> bool:
    """Whether a frame is of this log and not left over from before it was last begun anew; then
    both halves of its salt differ. One may be damaged.
    """
    return frame[8:12] == salt[:4] or frame[12:16] == salt[4:]


def _order(header: bytes) -> str:
    magic = int.from_bytes(header[:4], "big")
    big = magic & 1 if magic in _MAGIC else sys.byteorder == "big"
    return ">" if big else "<"


def _is_sound(header: bytes) -> bool:
    return int.from_bytes(header[:4], "big") in _MAGIC and (
        _checksum(header[:24], b"\0" * 8, _order(header)) == header[24:32]
    )


def _checksum(data: bytes, seed: bytes, order: str) -> bytes:
    s0, s1 = struct.unpack(">II", seed)
    for one, two in struct.iter_unpack(f"{order}II", data):
        s0 = (s0 + one + s1) & 0xFFFFFFFF
        s1 = (s1 + two + s0) & 0xFFFFFFFF
    return struct.pack(">II", s0, s1)
