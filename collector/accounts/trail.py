"""The audit of the collector: who signed in, changed or read what, each row chained to the one before.

``link(n) = HMAC-SHA-256(key, link(n - 1) + row n)``, 32 zero bytes before the first; a row counts as the
MessagePack of its number and columns. The key grows from the collector's key file, so who may only write the
database can neither change, move nor remove a row unseen. What is cut off the end shows by a note of the
last row, kept outside (as in docs/decisions/0020, without a head file: several collectors share a database).

Rows that are old enough are cut off the beginning. The row that says so holds the number and the link of the last
one that went, so the chain goes on from there; and since it is in the chain itself, nobody without the key can say
that something was cut.
"""

from __future__ import annotations

import getpass
import hmac
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Connection

from collector.accounts.model import AuditRow
from collector.accounts.principal import Principal
from collector.records import Records, RecordsUnavailableError, account_audit
from collector.records.account_audit import StoredAuditRow

GENESIS: Final = bytes(32)
READ_NOTED_MS: Final = 10 * 60_000
"""A page that is open reads every few seconds; one row says so for as long."""
READERS_MAX: Final = 10_000
PROBLEMS_MAX: Final = 1_000
_NOTE_BYTES: Final = 4
CUT: Final = "audit_cut"
CUT_ROWS_MAX: Final = 50_000
BY_ITSELF: Final = "collector"
"""The actor of what nobody asked for."""
_CUT_ROWS: Final = re.compile(r"[0-9]{1,18}-([0-9]{1,18})")
_CUT_LINK: Final = re.compile(r"[0-9a-f]{64}")
_NOTE: Final = re.compile(r"([0-9]{1,18})-[0-9a-f]{8}")
log = structlog.get_logger()
_encode = msgspec.msgpack.Encoder().encode


class Problem(NamedTuple):
    """What is wrong with the rows `first` to `last`."""

    first: int
    last: int
    what: str

    def __str__(self) -> str:
        rows = f"row {self.first}" if self.first == self.last else f"rows {self.first} to {self.last}"
        return f"{rows}: {self.what}"


class Verified(NamedTuple):
    """How many rows there are, what is wrong, and the note of the last one, empty without rows. cut_to: the
    last row that went when its time was over; 0: none has.
    """

    rows: int
    problems: list[Problem]
    note: str
    cut_to: int


def derive(key: Ed25519PrivateKey, name: str) -> bytes:
    """32 bytes for a purpose, from the collector's key file."""
    info = b"campus-pulse/collector/accounts/1/" + name.encode()
    return HKDF(SHA256(), 32, salt=None, info=info).derive(key.private_bytes_raw())


def operator() -> str:
    """The actor of a command: the operating-system user who runs it."""
    try:
        return f"command:{getpass.getuser()}"[:64]
    except (OSError, KeyError):  # a user without a name, as in a container
        return f"command:uid {os.getuid()}"


class Trail:
    """Rows are added in the transaction of what they tell of."""

    def __init__(self, records: Records, key: Ed25519PrivateKey, now_ms: Callable[[], int]) -> None:
        self._records = records
        self._key = derive(key, "audit")
        self._now_ms = now_ms
        self._read: OrderedDict[tuple[str, str], int] = OrderedDict()

    def add(
        self, connection: Connection, actor: str, action: str, subject: str = "", detail: str = ""
    ) -> None:
        """One row, in the caller's transaction (`Records.run`)."""
        before = account_audit.last(connection)
        id_, link = (before.id + 1, before.link) if before else (1, GENESIS)
        row = StoredAuditRow(
            id_,
            self._now_ms(),
            _printable(actor, 64),
            _printable(action, 32),
            _printable(subject, 130),
            _printable(detail, 500),
            b"",
        )
        values = {**vars(row), "link": _link(self._key, link, row)}
        account_audit.add(connection, StoredAuditRow(**values))

    async def note(self, actor: str, action: str, subject: str = "", detail: str = "") -> None:
        """A row of its own, for what has no transaction here (an export, an invitation)."""
        await self._records.run(partial(self.add, actor=actor, action=action, subject=subject, detail=detail))

    async def note_read(self, principal: Principal, what: str) -> None:
        """Somebody reads personal data (`what`: a permission): a row for each session and 10 minutes. Where
        the database cannot write, the log says so, for a nurse has to see a fever on a full disk too.
        """
        key, now_ms = (principal.session or f"{principal.way} {principal.name}", what), self._now_ms()
        if now_ms - self._read.get(key, -READ_NOTED_MS) < READ_NOTED_MS:
            return
        try:
            await self.note(principal.name, "read", what, principal.way)
        except RecordsUnavailableError:
            log.error(
                "audit.read_not_noted", session=principal.session, way=principal.way, what=what
            )  # the cause is the database's, which tells it
            return
        self._read.pop(key, None)
        self._read[key] = now_ms
        if len(self._read) > READERS_MAX:
            self._read.popitem(last=False)

    async def cut(self, before_ms: int) -> int:
        """Removes the rows from before `before_ms` up to the first that is younger, and says so in the trail;
        how many. The newest stays whatever its age, and at most `CUT_ROWS_MAX` go at once.
        """
        return await self._records.run(lambda connection: self._cut(connection, before_ms))

    def _cut(self, connection: Connection, before_ms: int) -> int:
        newest = account_audit.last(connection)
        if newest is None:
            return 0
        stays = min(account_audit.first_since(connection, before_ms) or newest.id, newest.id)
        rows = list(islice(account_audit.walk(connection, stays - 1), CUT_ROWS_MAX))
        if not rows:
            return 0
        last, wrong = rows[-1], len(_check(rows, [self._key], *_anchor(connection)).problems)
        account_audit.remove(connection, last.id)
        said = f"{last.link.hex()}{f', {wrong} did not fit' if wrong else ''}"
        self.add(connection, BY_ITSELF, CUT, f"{rows[0].id}-{last.id}", said)
        if wrong:
            log.warning("audit.cut_with_problems", first=rows[0].id, last=last.id, problems=wrong)
        return len(rows)

    async def find(self, before_id: int | None = None, limit: int = 50) -> list[AuditRow]:
        """Newest first; `before_id` pages on."""
        rows = await self._records.look(lambda connection: account_audit.find(connection, before_id, limit))
        return [AuditRow(row.id, row.at_ms, row.actor, row.action, row.subject, row.detail) for row in rows]

    async def verify(self, older_keys: Sequence[Ed25519PrivateKey] = ()) -> Verified:
        """Reads all of it. older_keys: of key files that were replaced, the newest first."""
        keys = [self._key, *(derive(key, "audit") for key in older_keys)]
        return await self._records.look(lambda connection: _verify(connection, keys))

    async def has_noted(self, note: str) -> bool | None:
        """Whether the row that somebody noted stands there as it was; None: it went when its time was over, as
        `verify` finds. Raises ValueError for no note.
        """
        found = _NOTE.fullmatch(note.strip().lower())
        if found is None:
            raise ValueError("a note is a row's number and 8 digits, such as 612-3f2a91bc")
        number = int(found[1])
        rows, (cut_to, link) = await self._records.look(
            lambda connection: (account_audit.find(connection, number + 1, 1), _anchor(connection))
        )
        if number < cut_to:
            return None
        if number == cut_to:
            return _note_of(cut_to, link) == found[0]
        return bool(rows) and _note(rows[0]) == found[0]


def _verify(connection: Connection, keys: Sequence[bytes]) -> Verified:
    return _check(account_audit.walk(connection), keys, *_anchor(connection))


def _anchor(connection: Connection) -> tuple[int, bytes]:
    """Number and link of the last row that was cut off, as the newest cut says; `_check` finds out whether that
    is true, for the row that says so is in the chain.
    """
    row = account_audit.last_of(connection, CUT)
    numbers, link = (_CUT_ROWS.fullmatch(row.subject), _CUT_LINK.match(row.detail)) if row else (None, None)
    return (int(numbers[1]), bytes.fromhex(link[0])) if numbers and link else (0, GENESIS)


def _check(rows: Iterable[StoredAuditRow], keys: Sequence[bytes], cut_to: int, link: bytes) -> Verified:
    """A key that a later row fits is never followed by an older one: nobody goes back. cut_to, link: where the
    chain begins if the first row is the next one.
    """
    problems: list[Problem] = []
    allowed, count, before, last = list(keys), 0, GENESIS, None
    for row in rows:
        count += 1
        if last is None and row.id > cut_to > 0:
            before, expected = link, cut_to + 1
        else:
            expected = last.id + 1 if last else 1
        if row.id != expected:
            problems.append(Problem(expected, row.id - 1, "removed"))
        fits = [at for at, key in enumerate(allowed) if row.link == _link(key, before, row)]
        if fits:
            allowed = allowed[: fits[0] + 1]
        elif row.id == expected:
            problems.append(
                Problem(row.id, row.id, "does not fit the chain: it, or the row before it, was changed")
            )
        before, last = row.link, row
        if len(problems) >= PROBLEMS_MAX:
            break
    return Verified(count, problems, _note(last) if last else "", cut_to)


def _link(key: bytes, before: bytes, row: StoredAuditRow) -> bytes:
    content = _encode((row.id, row.at_ms, row.actor, row.action, row.subject, row.detail))
    return hmac.digest(key, before + content, "sha256")


def _note(row: StoredAuditRow) -> str:
    return _note_of(row.id, row.link)


def _note_of(id_: int, link: bytes) -> str:
    return f"{id_}-{link[:_NOTE_BYTES].hex()}"


def _printable(text: str, chars_max: int) -> str:
    """PostgreSQL takes no NUL, and a list should stay one line a row."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:chars_max]
