"""Answers a join: from pseudonyms to people and back to counts, remembered and audited."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, insert, select, update

from identity_vault.audit import record
from identity_vault.database import tables
from identity_vault.joins.counting import Asked, SetQuestion, join, within_window
from identity_vault.joins.limits import JoinLimits, default_limits
from identity_vault.roster.cases import owners
from identity_vault.vault import Vault
from telemetry.exchange import JoinAnswer, JoinQuestion

_KEY = "joins"
_ABOUT = f"meta.value/{_KEY}"


class People:
    """Who is behind the pseudonyms of a question. cases, exposures: sets of people as
    `identity_vault.joins.counting` has them.
    """

    def __init__(self, vault: Vault, connection: Connection, question: JoinQuestion) -> None:
        rows = connection.execute(select(tables.pupils.c.id, tables.pupils.c.slot))
        bits = {str(id_): 1 << slot for id_, slot in rows}
        self.everybody = sum(bits.values())
        case_owners = owners(vault, connection, question.case_purpose)
        self.cases, self.cases_unknown = _set(question.cases, case_owners, bits)
        exposure_owners = owners(vault, connection, question.exposure_purpose)
        self.exposures: dict[str, int] = {}
        for name, pseudonyms in question.exposures.items():
            self.exposures[name], _ = _set(pseudonyms, exposure_owners, bits)
        asked = {one for pseudonyms in question.exposures.values() for one in pseudonyms}
        self.exposed = len(asked)
        self.exposed_unknown = sum(one not in exposure_owners for one in asked)


class Considered(NamedTuple):
    """A question that was answered, and not yet remembered. history: as it is to be kept, None for no
    change.
    """

    question: JoinQuestion
    people: People
    answer: JoinAnswer
    history: list[Asked] | None


def consider(
    vault: Vault, connection: Connection, question: JoinQuestion, limits: JoinLimits | None = None
) -> Considered:
    """The answer, to be told only after `remember`; one question after the other, or two could be
    answered that are not answered together. Raises FieldError.
    """
    limits = limits or default_limits()
    people, now_ms = People(vault, connection, question), vault.now_ms()
    for unknown, asked in (
        (people.cases_unknown, len(set(question.cases))),
        (people.exposed_unknown, people.exposed),
    ):
        if unknown > max(limits.unknown_free.value, limits.unknown_share_max.value * asked):
            refused = "too many pseudonyms that are unknown, or of another purpose"
            return Considered(question, people, JoinAnswer({}, refused), None)
    history = within_window(load_history(vault, connection), now_ms, limits)
    sets = SetQuestion(question.case_purpose, people.cases, question.exposure_purpose, people.exposures)
    answer, remembered = join(sets, history, people.everybody, now_ms, limits)
    return Considered(question, people, answer, None if remembered is None else [*history, remembered])


def remember(vault: Vault, connection: Connection, found: Considered) -> None:
    """Takes the question down and audits it, in the caller's transaction."""
    if found.history is not None:
        _save_history(vault, connection, found.history)
    answer, people = found.answer, found.people
    record(
        vault,
        connection,
        actor="collector",
        action="join_refused" if answer.refused else "join",
        purpose=found.question.case_purpose,
        exposure_purpose=found.question.exposure_purpose,
        cases=people.cases.bit_count(),
        exposures=len(found.question.exposures),
        told=sum(one.exposed is not None for one in answer.exposures.values()),
        unknown=people.cases_unknown + people.exposed_unknown,
        again=int(found.history is None and not answer.refused),
        **({"reason": answer.refused} if answer.refused else {}),
    )


def load_history(vault: Vault, connection: Connection) -> list[Asked]:
    """What was asked lately. Raises FieldError."""
    table = tables.meta
    text = connection.scalar(select(table.c.value).where(table.c.key == _KEY))
    return [] if text is None else vault.fields.open(base64.b64decode(text), _ABOUT, list[Asked])


def _save_history(vault: Vault, connection: Connection, history: list[Asked]) -> None:
    table = tables.meta
    text = base64.b64encode(vault.fields.seal(history, _ABOUT)).decode()
    if not connection.execute(update(table).where(table.c.key == _KEY).values(value=text)).rowcount:
        connection.execute(insert(table).values(key=_KEY, value=text))


def _set(pseudonyms: Iterable[str], owner: Mapping[str, str], bits: Mapping[str, int]) -> tuple[int, int]:
    """Who they are, and how many distinct ones are nobody."""
    found, unknown = 0, 0
    for pseudonym in set(pseudonyms):
        bit = bits.get(owner.get(pseudonym, ""))
        if bit is None:
            unknown += 1
        else:
            found |= bit
    return found, unknown
