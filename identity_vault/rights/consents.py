"""Giving and withdrawing consent: the rules, the receipt, and who has not heard of a withdrawal yet."""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import Connection, select

from identity_vault import roster
from identity_vault.audit import record
from identity_vault.database import tables
from identity_vault.rights import orders, receipts
from identity_vault.roster.consents import GivenBy
from identity_vault.vault import Vault
from telemetry.purposes import PURPOSE_NAMES, PURPOSES, Purpose

EVIDENCE_CHARS_MAX: Final = 200
WITHDRAWAL_MINUTES_MAX: Final = 5
"""By then every gateway that can be reached must know (rule 7 of our privacy rules)."""


class ConsentError(ValueError):
    """A consent that cannot be given or withdrawn; says why and what would do. Names nobody."""


class Standing(msgspec.Struct, frozen=True):
    """How one purpose stands for a pupil. may_collect: now. consent: the newest, whether it holds or not.

    holds: there is a consent that could be withdrawn. unheeded: the only one is the pupil's own, who is
    too young for it to count.
    """

    purpose: Purpose
    may_collect: bool
    until_ms: int | None
    consent: roster.Consent | None
    holds: bool
    unheeded: bool


class Pending(msgspec.Struct, frozen=True):
    """An erasure that is not confirmed by all. purpose: None for everything about a pupil.

    gateways: that have not confirmed, with when each was last heard of (ms UTC).
    """

    receipt: str
    purpose: Purpose | None
    made_ms: int
    collector_ms: int | None
    gateways: dict[str, int | None]


def give(
    vault: Vault,
    connection: Connection,
    actor: str,
    pupil_id: str,
    purpose: Purpose,
    *,
    given_by: GivenBy,
    evidence: str,
    given_ms: int | None = None,
    guardian: str | None = None,
    until_ms: int | None = None,
) -> str:
    """Records a consent, by default given now, and lets gateways know. The receipt's code.

    guardian: which one, if known. evidence: where the signed form is. Raises ConsentError.
    """
    now_ms = vault.now_ms()
    given = now_ms if given_ms is None else given_ms
    pupil = roster.get_pupil(vault, connection, pupil_id)
    _check(vault, pupil, purpose, given_by, given)
    evidence = evidence.strip()
    if not 1 <= len(evidence) <= EVIDENCE_CHARS_MAX or not evidence.isprintable():
        raise ConsentError(f"say where the signed form is, in 1 to {EVIDENCE_CHARS_MAX} characters")
    if given > now_ms:
        raise ConsentError("a consent cannot be given in the future")
    if given < _withdrawn_ms(connection, pupil_id, purpose):
        raise ConsentError("this consent is older than its withdrawal; only one given since then counts")
    if until_ms is not None and until_ms <= now_ms:
        raise ConsentError("this consent would have ended already; give a later end, or none")
    known = {one.id for one in roster.guardians_of(vault, connection, [pupil_id])}
    if guardian is not None and guardian not in known:
        raise ConsentError("this is no guardian of the pupil")
    roster.give_consent(
        vault,
        connection,
        pupil_id,
        purpose,
        given_by=given_by,
        evidence=evidence,
        given_ms=given,
        guardian=guardian,
        until_ms=until_ms,
    )
    roster.bump(connection)
    detail = receipts.Detail(purpose=purpose, completed_ms=now_ms)
    code = receipts.add(connection, "consent", pupil_id, now_ms, detail)
    record(
        vault, connection, actor=actor, action="consent_give", purpose=purpose, pupil=pupil_id,
        given_by=given_by, receipt=code,
    )  # fmt: skip
    return code


def withdraw(vault: Vault, connection: Connection, actor: str, pupil_id: str, purpose: Purpose) -> str:
    """Ends every consent of a pupil to a purpose and queues its records for deletion. The receipt's code.

    Raises ConsentError where there is nothing to withdraw, and orders.OrdersFullError.
    """
    now_ms = vault.now_ms()
    _check_purpose(purpose)
    count = roster.withdraw_consent(connection, pupil_id, purpose, now_ms)
    if not count:
        raise ConsentError(f"there is no consent to {purpose} that could be withdrawn")
    detail = receipts.Detail(purpose=purpose, counts={"consents": count})
    code = receipts.add(connection, "withdrawal", pupil_id, now_ms, detail)
    orders.make_purpose_erasure(vault, connection, pupil_id, purpose, code)
    record(
        vault, connection, actor=actor, action="consent_withdraw", purpose=purpose, pupil=pupil_id,
        consents=count, receipt=code,
    )  # fmt: skip
    return code


def standings(vault: Vault, connection: Connection, pupil: roster.Pupil) -> list[Standing]:
    """How each purpose stands, in the order of `PURPOSES`."""
    now_ms = vault.now_ms()
    consents = roster.consents_of(connection, [pupil.id])
    permits = roster.effective([pupil], consents, now_ms, vault.config.zone).get(pupil.id, {})
    found = []
    for purpose in PURPOSE_NAMES:
        own = [one for one in consents if one.purpose == purpose]
        holds = any(one.holds(now_ms) for one in own)
        may_collect = purpose in permits
        found.append(
            Standing(
                purpose=purpose,
                may_collect=may_collect,
                until_ms=permits.get(purpose),
                consent=max(own, key=lambda one: (one.holds(now_ms), one.id), default=None),
                holds=holds,
                unheeded=holds and not may_collect and pupil.state == "active",
            )
        )
    return found


def pending(connection: Connection, receipt: str | None = None) -> list[Pending]:
    """Erasures that somebody has not confirmed yet, the oldest first; only that of a receipt, if given."""
    orders_, gateways = tables.orders, tables.gateways
    active = connection.execute(
        select(gateways.c.id, gateways.c.confirmed_version, gateways.c.asked_ms)
        .where(gateways.c.state == "active")
        .order_by(gateways.c.id)
    ).all()
    query = select(orders_).where(orders_.c.kind == "erase", orders_.c.closed_ms.is_(None))
    if receipt is not None:
        query = query.where(orders_.c.receipt == receipt)
    found = []
    for row in connection.execute(query.order_by(orders_.c.made_ms, orders_.c.id)):
        made_for = receipts.find(connection, row.receipt)
        found.append(
            Pending(
                receipt=row.receipt,
                purpose=None if made_for is None else made_for.detail.purpose,
                made_ms=row.made_ms,
                collector_ms=row.collector_done_ms,
                gateways={one.id: one.asked_ms for one in active if one.confirmed_version < row.map_version},
            )
        )
    return found


def _check(
    vault: Vault, pupil: roster.Pupil | None, purpose: Purpose, given_by: GivenBy, given_ms: int
) -> None:
    _check_purpose(purpose)
    if pupil is None or pupil.state != "active":
        raise ConsentError("nobody who is at the school: a consent would have nobody to be for")
    age = roster.age_on(pupil.details.birth_date, given_ms, vault.config.zone)
    if given_by == "pupil" and age < roster.OWN_CONSENT_AGE:
        raise ConsentError(
            f"a pupil under {roster.OWN_CONSENT_AGE} cannot consent alone (Personal Information Protection"
            " Law, article 31); record the consent of a guardian: --by guardian"
        )


def _withdrawn_ms(connection: Connection, pupil_id: str, purpose: Purpose) -> int:
    consents = roster.consents_of(connection, [pupil_id])
    return max((one.withdrawn_ms or 0 for one in consents if one.purpose == purpose), default=0)


def _check_purpose(purpose: Purpose) -> None:
    if not PURPOSES[purpose].needs_consent:
        raise ConsentError(f"{purpose} needs no consent, so there is none to give or to withdraw")
