"""Answers browsers: names by pseudonym, and break-glass. Every name that goes out is in the audit first."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, select

from identity_vault.audit import Detail, Entry, record_many
from identity_vault.database.tables import pupils
from identity_vault.fields import FieldError
from identity_vault.names import grants
from identity_vault.names.pacing import LOCK_S, Excess, Pacing
from identity_vault.names.permission import NotPermittedError, permission
from identity_vault.names.roles import Role, default_roles
from identity_vault.roster import PupilDetails, class_names, map_version
from identity_vault.roster.cases import owners
from identity_vault.vault import Vault
from telemetry.decoding import DECODING_ERRORS
from telemetry.names import (
    BREAK_GLASS_MINUTES_MAX,
    NAMES_AT_ONCE_MAX,
    REASON_CHARS_MAX,
    REASON_CHARS_MIN,
    BreakGlass,
    BreakGlassAnswer,
    NamesAnswer,
    NamesQuestion,
    PupilName,
)
from telemetry.purposes import PURPOSE_NAMES, Purpose
from telemetry.resolve_token import Claims, TokenError, read

Question = TypeVar("Question", NamesQuestion, BreakGlass)
Result = TypeVar("Result")

_log = structlog.get_logger(__name__)


class NamesRefusedError(Exception):
    """A question that is not answered. status: of HTTP. reason: one word for a counter. detail: for the
    page. retry_after_s: when asking again makes sense.
    """

    def __init__(self, status: int, reason: str, detail: str, retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.status, self.reason, self.detail = status, reason, detail
        self.retry_after_s = None if retry_after_s is None else math.ceil(retry_after_s)


class _ExcessError(Exception):
    """A session asked for too much, and is locked."""

    def __init__(self, what: Excess) -> None:
        super().__init__(what)
        self.what = what


class NamesDesk:
    """collector_key: whose tokens count; None: nobody's. now_s: a monotonic clock.

    Pseudonyms are made once a version of the map and purpose; names are opened for each question and
    kept nowhere.
    """

    def __init__(
        self,
        vault: Vault,
        collector_key: Ed25519PublicKey | None,
        *,
        roles: Mapping[str, Role] | None = None,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._vault = vault
        self._key = collector_key
        self._roles = default_roles() if roles is None else roles
        self._pacing = Pacing(now_s)
        self._owners: dict[Purpose, tuple[int, dict[str, str]]] = {}

    async def resolve(self, token: str, body: bytes) -> NamesAnswer:
        """Raises NamesRefusedError or VaultUnavailableError."""
        claims, role = self._admit(token)
        question = _decode(body, NamesQuestion)
        if len(question.pseudonyms) > NAMES_AT_ONCE_MAX:
            raise _wrong(f"pseudonyms: at most {NAMES_AT_ONCE_MAX}")
        asked = list(dict.fromkeys(question.pseudonyms))
        purpose = question.purpose or claims.purpose
        wait_s = self._pacing.busy_for_s(len(asked))
        if wait_s:
            raise NamesRefusedError(429, "busy", "too many names are asked for at once", wait_s)
        people = await self._run(
            claims, purpose, lambda connection: self._names(connection, claims, role, purpose, asked)
        )
        return NamesAnswer(people)

    async def break_glass(self, token: str, body: bytes) -> BreakGlassAnswer:
        """Raises NamesRefusedError or VaultUnavailableError."""
        claims, role = self._admit(token)
        question = _decode(body, BreakGlass)
        if not REASON_CHARS_MIN <= len(question.reason.strip()) <= REASON_CHARS_MAX:
            raise _wrong(f"reason: {REASON_CHARS_MIN} to {REASON_CHARS_MAX} characters")
        if not 1 <= question.minutes <= BREAK_GLASS_MINUTES_MAX:
            raise _wrong(f"minutes: 1 to {BREAK_GLASS_MINUTES_MAX}")
        return await self._run(
            claims, question.purpose, lambda connection: self._grant(connection, claims, role, question)
        )

    def prepare(self, connection: Connection) -> None:
        """Makes the pseudonyms of a new version beforehand, so that no nurse waits for them."""
        for purpose in PURPOSE_NAMES:
            self._owners_of(connection, purpose)

    def _admit(self, token: str) -> tuple[Claims, Role]:
        """Who asks, if they may ask anything now."""
        if self._key is None:
            raise NamesRefusedError(401, "bad_token", "this vault has no [collector] in its configuration")
        try:
            claims = read(token, self._key, self._vault.now_ms())
        except TokenError as error:
            raise NamesRefusedError(401, "bad_token", str(error)) from None
        if claims.school != self._vault.school:
            raise NamesRefusedError(401, "bad_token", "the token is of another school")
        wait_s = self._pacing.locked_for_s(claims.session)
        if wait_s:
            raise NamesRefusedError(429, "locked", "this session asked for too much", wait_s)
        role = self._roles.get(claims.role)
        if role is None:
            raise NamesRefusedError(403, "role", "this vault does not know the role")
        return claims, role

    async def _run(self, claims: Claims, purpose: Purpose, work: Callable[[Connection], Result]) -> Result:
        """`work` on the vault's thread. What it refuses is raised after the commit: its row in the audit
        has to stay.
        """

        def transaction(connection: Connection) -> Result | NamesRefusedError:
            if not self._pacing.has_room_for(claims.session):
                return NamesRefusedError(429, "busy", "too many sessions ask at once", LOCK_S)
            try:
                return work(connection)
            except NotPermittedError as error:
                if self._pacing.is_worth_a_row(claims.session):
                    self._record(connection, claims, "resolve_refused", purpose)
                return NamesRefusedError(403, "role", str(error))
            except _ExcessError as error:
                self._record(connection, claims, "session_locked", purpose, excess=error.what)
                _log.warning("names.session_locked", role=claims.role, excess=error.what)
                return NamesRefusedError(429, "locked", "this session asked for too much", LOCK_S)
            except NamesRefusedError as error:
                return error

        found = await self._vault.run(transaction)
        if isinstance(found, NamesRefusedError):
            raise found
        return found

    def _names(
        self, connection: Connection, claims: Claims, role: Role, purpose: Purpose, asked: Sequence[str]
    ) -> dict[str, PupilName]:
        classes, grant = permission(self._vault, connection, claims, role, purpose)
        owned = self._owners_of(connection, purpose)
        ids = {one: owned[one] for one in asked if one in owned}
        named = self._open(connection, role, sorted(set(ids.values())), classes)
        people = {one: named[id_] for one, id_ in ids.items() if id_ in named}
        excess = self._pacing.count(claims.session, people, (one for one in asked if one not in people))
        if excess is not None:
            raise _ExcessError(excess)
        detail: dict[str, Detail] = {"role": claims.role}
        if grant is not None:
            detail["grant"] = grant
        entries = [Entry(_actor(claims), "resolve", purpose, ids[one], detail) for one in people]
        if len(people) < len(asked):
            unknown = detail | {"count": len(asked) - len(people)}
            entries.append(Entry(_actor(claims), "resolve_unknown", purpose, None, unknown))
        record_many(self._vault, connection, entries)
        return people

    def _grant(
        self, connection: Connection, claims: Claims, role: Role, question: BreakGlass
    ) -> BreakGlassAnswer:
        if question.purpose not in role.break_glass:
            raise NotPermittedError("break-glass does not open this purpose to this role")
        if role.own_classes and not claims.classes:
            raise NotPermittedError("the token names no class: the grant would open nothing")
        if grants.is_overdone(connection, claims.session, self._vault.now_ms()):
            raise NamesRefusedError(429, "grants", "too many grants wait for a review", LOCK_S)
        id_, expires_ms = grants.give(
            self._vault, connection, claims, question.purpose, question.reason.strip(), question.minutes
        )
        return BreakGlassAnswer(id_, question.purpose, expires_ms)

    def _record(
        self, connection: Connection, claims: Claims, action: str, purpose: Purpose, **detail: Detail
    ) -> None:
        entry = Entry(_actor(claims), action, purpose, None, {"role": claims.role, **detail})
        record_many(self._vault, connection, (entry,))

    def _owners_of(self, connection: Connection, purpose: Purpose) -> dict[str, str]:
        version = map_version(connection)
        made = self._owners.get(purpose)
        if made is None or made[0] != version:
            made = self._owners[purpose] = (version, owners(self._vault, connection, purpose))
        return made[1]

    def _open(
        self, connection: Connection, role: Role, ids: Sequence[str], classes: frozenset[str] | None
    ) -> dict[str, PupilName]:
        """What the role is shown of these pupils, those of other classes left out."""
        wanted = [pupils.c.id.in_(ids)] + ([pupils.c.class_id.in_(classes)] if classes is not None else [])
        rows = connection.execute(
            select(pupils.c.id, pupils.c.class_id, pupils.c.sealed).where(*wanted)
        ).all()
        called = class_names(connection) if "class" in role.shows else {}
        found: dict[str, PupilName] = {}
        for id_, class_id, sealed in rows:
            try:
                name = self._vault.fields.open(sealed, f"pupils.sealed/{id_}", PupilDetails).name
            except FieldError as error:  # one damaged row does not take the others' names away
                _log.error("names.field_damaged", cause=str(error))
                continue
            if "class" in role.shows:
                found[id_] = PupilName(name, class_id, *called.get(class_id, ("", "")))
            else:
                found[id_] = PupilName(name)
        return found


def _actor(claims: Claims) -> str:
    return f"session:{claims.session}"


def _wrong(detail: str) -> NamesRefusedError:
    return NamesRefusedError(422, "wrong_question", detail)


def _decode(body: bytes, type_: type[Question]) -> Question:
    try:
        return msgspec.json.decode(body, type=type_)
    except DECODING_ERRORS:
        raise _wrong("not a question as the vault knows it") from None
