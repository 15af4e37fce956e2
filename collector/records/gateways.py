"""Gateways the collector knows, each by one Ed25519 public key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from collector.records.enrolment_tables import gateway_keys
from collector.records.tables import gateways

GatewayState = Literal["active", "revoked"]


@dataclass(frozen=True)
class Gateway:
    """A registered gateway. `public_key` in Base64, `key_id` in hex as envelopes carry it."""

    school: str
    id: str
    public_key: str
    key_id: str
    state: GatewayState
    added_ms: int
    revoked_ms: int | None = None


class GatewayExistsError(Exception):
    """The id or the key is registered already."""


def add(connection: Connection, gateway: Gateway) -> None:
    """Raises GatewayExistsError."""
    same = (gateways.c.school == gateway.school) & (gateways.c.id == gateway.id)
    clash = connection.execute(
        select(gateways.c.school, gateways.c.id).where(same | (gateways.c.key_id == gateway.key_id))
    ).first()
    if clash:
        raise GatewayExistsError(
            f"{clash.school}/{clash.id} is registered already with this id or this key; revoke it and "
            "register a replacement under a new id"
        )
    once = select(gateway_keys.c.key_id).where(gateway_keys.c.key_id == gateway.key_id)
    if connection.execute(once).first():
        raise GatewayExistsError("this key was a gateway's before, and never comes back; make a new one")
    try:
        connection.execute(insert(gateways), [gateway.__dict__])
    except IntegrityError:
        raise GatewayExistsError("somebody else has just registered this id or this key") from None


def revoke(connection: Connection, school: str, id_: str, at_ms: int) -> bool:
    """False when there is no such active gateway."""
    result = connection.execute(
        update(gateways)
        .where(gateways.c.school == school, gateways.c.id == id_, gateways.c.state == "active")
        .values(state="revoked", revoked_ms=at_ms)
    )
    return result.rowcount > 0


def find_all(connection: Connection) -> list[Gateway]:
    query = select(gateways).order_by(gateways.c.school, gateways.c.id)
    return [Gateway(**row) for row in connection.execute(query).mappings()]
