"""The head of the chain, kept beside the database: without it nobody would miss rows cut off the end.

``data_dir/audit.head`` names the last row and its MAC, and is authenticated itself. It is written
after the commit, so it can be behind (a crash in between) but never ahead of an honest database: a
table that ends before its head has lost rows, one that goes on after it with rows that fit has not,
since only the vault can make those. The file only ever moves forward, whoever writes last.
"""

from __future__ import annotations

import contextlib
import fcntl
import hmac
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from identity_vault.audit.chain import MAC_BYTES, Link

FILE_NAME: Final = "audit.head"
_BYTES_MAX: Final = 1_024


class HeadLostError(Exception):
    """There is no head file, or it is none of this vault's. `reason`: "missing", "unreadable", "damaged"."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the head file is {reason}")
        self.reason = reason


class _Head(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seq: int
    mac: str
    seal: str


def read_head(data_dir: Path, key: bytes) -> Link:
    """The last row that is known to have been written. Raises HeadLostError, also for an unreadable file."""
    try:
        with (data_dir / FILE_NAME).open("rb") as file:
            data = file.read(_BYTES_MAX)
    except FileNotFoundError:
        raise HeadLostError("missing") from None
    except OSError:
        raise HeadLostError("unreadable") from None
    try:
        head = msgspec.json.decode(data, type=_Head)
        link = Link(head.seq, bytes.fromhex(head.mac))
        whole = len(link.mac) == MAC_BYTES and hmac.compare_digest(_seal(key, link), bytes.fromhex(head.seal))
    except (ValueError, OverflowError, RecursionError):  # what msgspec raises is a ValueError, too
        raise HeadLostError("damaged") from None
    if not whole:
        raise HeadLostError("damaged")
    return link


def move_head(data_dir: Path, key: bytes, link: Link) -> None:
    """Names a later row; an earlier one than stands there changes nothing. Raises OSError."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # with PostgreSQL nothing else may be in it
    with _alone(data_dir):
        with contextlib.suppress(HeadLostError):
            if read_head(data_dir, key).seq >= link.seq:
                return
        fresh = data_dir / f"{FILE_NAME}.new"
        content = msgspec.json.encode(_Head(link.seq, link.mac.hex(), _seal(key, link).hex()))
        with _create(fresh) as file:
            file.write(content + b"\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(data_dir / FILE_NAME)


@contextlib.contextmanager
def _alone(data_dir: Path) -> Iterator[None]:
    """A command and the running vault may both have committed just now."""
    with _create(data_dir / f"{FILE_NAME}.lock") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _create(path: Path) -> BinaryIO:
    """The folder's owner's alone, also where root runs a command beside their vault, as SQLite does it."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(file, owner.st_uid, owner.st_gid)
    return os.fdopen(file, "wb")


def _seal(key: bytes, link: Link) -> bytes:
    return hmac.digest(key, b"head\0" + link.seq.to_bytes(8, "big") + link.mac, "sha256")
