"""Enrolment in the records database: invitations, certificates, keys in their last days, wrong codes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from sqlalchemy import Connection, LargeBinary, delete, func, insert, literal, or_, select, update

from collector.records import gateways
from collector.records.enrolment_tables import (
    enrolment_failures,
    gateway_certificates,
    gateway_keys,
    invitations,
)
from collector.records.gateways import Gateway
from collector.records.tables import gateways as gateway_rows

FAILURES_KEPT_MS: Final = 60 * 60_000
INVITATIONS_KEPT_MS: Final = 24 * 60 * 60_000
"""Used or not: a code that has ended is told from one that never was for no longer."""
SLACK_MS: Final = 60_000
"""A clock that was put back by more makes an invitation one of another time, which is not taken."""
ENDED_MS: Final = 0
"""Until when a key is believed that has ended: no clock that is put back brings it to life."""


@dataclass(frozen=True)
class Invitation:
    """`code_key`: as `telemetry.enrolment.code_key` makes it."""

    id: int
    school: str
    gateway: str
    code_key: bytes
    replaces: bool
    made_by: str
    made_ms: int
    expires_ms: int
    used_ms: int | None = None

    def __repr__(self) -> str:
        return f"Invitation({self.school}/{self.gateway})"


@dataclass(frozen=True)
class Certificate:
    """One that was given out. serial, fingerprint: hexadecimal; certificate: DER, empty where it was not asked
    for.
    """

    serial: str
    school: str
    gateway: str
    fingerprint: str
    certificate: bytes
    issued_ms: int
    not_after_ms: int
    revoked_ms: int | None = None


@dataclass(frozen=True)
class OldKey:
    """A key that another took the place of; believed until `until_ms`."""

    key_id: str
    public_key: str
    school: str
    gateway: str
    until_ms: int


class Proved(NamedTuple):
    """Evidence that a gateway uses what it was given last: its key and the serial of its newest certificate at
    that time, empty without one.
    """

    school: str
    gateway: str
    key_id: str
    serial: str


class Registered(NamedTuple):
    """All that says who may come in. certificates: not revoked, of a gateway the newest last."""

    gateways: list[Gateway]
    old_keys: list[OldKey]
    certificates: list[Certificate]


def registered(connection: Connection, now_ms: int) -> Registered:
    keys = select(gateway_keys).where(gateway_keys.c.until_ms > now_ms)
    return Registered(
        gateways.find_all(connection),
        [OldKey(**row) for row in connection.execute(keys).mappings()],
        certificates(connection),
    )


def find_gateway(connection: Connection, school: str, id_: str) -> Gateway | None:
    query = select(gateway_rows).where(gateway_rows.c.school == school, gateway_rows.c.id == id_)
    row = connection.execute(query).mappings().one_or_none()
    return Gateway(**row) if row else None


def add_invitation(connection: Connection, made: Invitation) -> None:
    """Its `id` is not looked at; older ones for the same gateway end."""
    same = (invitations.c.school == made.school) & (invitations.c.gateway == made.gateway)
    old = invitations.c.expires_ms < made.made_ms - INVITATIONS_KEPT_MS
    ahead = invitations.c.made_ms > made.made_ms + INVITATIONS_KEPT_MS
    connection.execute(delete(invitations).where(or_(same, old, ahead)))
    values = {name: value for name, value in made.__dict__.items() if name != "id"}
    connection.execute(insert(invitations), [values])


def current_invitations(connection: Connection, now_ms: int) -> list[Invitation]:
    """Those whose time it is, used ones too."""
    query = (
        select(invitations)
        .where(invitations.c.made_ms <= now_ms + SLACK_MS, invitations.c.expires_ms > now_ms)
        .order_by(invitations.c.id)
    )
    return [Invitation(**row) for row in connection.execute(query).mappings()]


def use_invitation(connection: Connection, id_: int, at_ms: int) -> None:
    connection.execute(update(invitations).where(invitations.c.id == id_).values(used_ms=at_ms))


def end_invitations(connection: Connection, school: str, gateway: str) -> None:
    same = (invitations.c.school == school) & (invitations.c.gateway == gateway)
    connection.execute(delete(invitations).where(same))


def failures(connection: Connection, now_ms: int) -> list[tuple[int, str]]:
    """(time, address) of the wrong codes of the last hour, oldest first; older ones go, and those of a time
    that is yet to come.
    """
    column = enrolment_failures.c
    outside = or_(column.at_ms <= now_ms - FAILURES_KEPT_MS, column.at_ms > now_ms + SLACK_MS)
    connection.execute(delete(enrolment_failures).where(outside))
    query = select(column.at_ms, column.address).order_by(column.at_ms)
    return [(row.at_ms, row.address) for row in connection.execute(query)]


def add_failure(connection: Connection, at_ms: int, address: str) -> None:
    connection.execute(insert(enrolment_failures), [{"at_ms": at_ms, "address": address}])


def certificates(
    connection: Connection, school: str | None = None, gateway: str = "", *, whole: bool = False
) -> list[Certificate]:
    """Not revoked, of all gateways or of one; of a gateway the newest last. whole: with the DER, which nobody
    needs of all of them every second.
    """
    column = gateway_certificates.c
    der = column.certificate if whole else literal(b"", LargeBinary).label("certificate")
    query = select(*(one for one in column if one is not column.certificate), der)
    query = query.where(column.revoked_ms.is_(None))
    if school is not None:
        query = query.where(column.school == school, column.gateway == gateway)
    query = query.order_by(column.school, column.gateway, column.issued_ms)
    return [Certificate(**row) for row in connection.execute(query).mappings()]


def count_issued(connection: Connection, school: str, gateway: str, since_ms: int) -> int:
    column = gateway_certificates.c
    query = select(func.count()).where(
        column.school == school, column.gateway == gateway, column.issued_ms > since_ms
    )
    return connection.scalar(query) or 0


def newest_issued_ms(connection: Connection, school: str, gateway: str) -> int:
    """0 without any."""
    column = gateway_certificates.c
    query = select(func.max(column.issued_ms)).where(column.school == school, column.gateway == gateway)
    return connection.scalar(query) or 0


def add_certificate(connection: Connection, certificate: Certificate) -> None:
    connection.execute(insert(gateway_certificates), [certificate.__dict__])


def revoke_certificates(
    connection: Connection, school: str, gateway: str, at_ms: int, keep: Sequence[str] = ()
) -> int:
    """All of a gateway but those with the serials `keep`; how many."""
    column = gateway_certificates.c
    result = connection.execute(
        update(gateway_certificates)
        .where(column.school == school, column.gateway == gateway, column.revoked_ms.is_(None))
        .where(column.serial.not_in(keep))
        .values(revoked_ms=at_ms)
    )
    return result.rowcount


def revoked(connection: Connection, now_ms: int) -> list[tuple[str, int]]:
    """(serial, when) of the revoked certificates that would still be good."""
    column = gateway_certificates.c
    query = (
        select(column.serial, column.revoked_ms)
        .where(column.revoked_ms.is_not(None), column.not_after_ms > now_ms)
        .order_by(column.serial)
    )
    return [(row.serial, row.revoked_ms) for row in connection.execute(query)]


def owner_of_key(connection: Connection, key_id: str) -> tuple[str, str] | None:
    """(school, gateway) that has or had this key."""
    for table, name in ((gateway_rows, gateway_rows.c.id), (gateway_keys, gateway_keys.c.gateway)):
        row = connection.execute(select(table.c.school, name).where(table.c.key_id == key_id)).first()
        if row:
            return row[0], row[1]
    return None


def find_old_key(connection: Connection, key_id: str, now_ms: int) -> OldKey | None:
    """One that is still believed."""
    query = select(gateway_keys).where(gateway_keys.c.key_id == key_id, gateway_keys.c.until_ms > now_ms)
    row = connection.execute(query).mappings().one_or_none()
    return OldKey(**row) if row else None


def retire_key(connection: Connection, gateway: Gateway) -> None:
    """The gateway's key is believed no more, unless `renew_old_key` says so; another takes its place."""
    old = OldKey(gateway.key_id, gateway.public_key, gateway.school, gateway.id, ENDED_MS)
    connection.execute(insert(gateway_keys), [old.__dict__])


def end_old_keys(connection: Connection, school: str, gateway: str) -> None:
    """From now on they are not believed."""
    column = gateway_keys.c
    connection.execute(
        update(gateway_keys)
        .where(column.school == school, column.gateway == gateway)
        .values(until_ms=ENDED_MS)
    )


def forget_old_key(connection: Connection, key_id: str) -> None:
    """It is about to be in use again."""
    connection.execute(delete(gateway_keys).where(gateway_keys.c.key_id == key_id))


def renew_old_key(connection: Connection, key_id: str, until_ms: int) -> None:
    """It is believed until then; nothing where it is no old key."""
    connection.execute(update(gateway_keys).where(gateway_keys.c.key_id == key_id).values(until_ms=until_ms))


def set_key(connection: Connection, school: str, id_: str, public_key: str, key_id: str) -> None:
    """A registered gateway has this key now and may send."""
    connection.execute(
        update(gateway_rows)
        .where(gateway_rows.c.school == school, gateway_rows.c.id == id_)
        .values(public_key=public_key, key_id=key_id, state="active", revoked_ms=None)
    )


def revoke_gateway(connection: Connection, school: str, id_: str, at_ms: int) -> bool:
    """The gateway with all its keys and certificates, and what invitation there is; False when there is no
    such active gateway.
    """
    if not gateways.revoke(connection, school, id_, at_ms):
        return False
    revoke_certificates(connection, school, id_, at_ms)
    end_old_keys(connection, school, id_)
    end_invitations(connection, school, id_)
    return True
