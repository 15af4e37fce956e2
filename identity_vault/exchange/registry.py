"""The gateways that may ask for a map, and which version each has confirmed."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, insert, select, update

from foundation.keyfiles import parse_public, public_text
from identity_vault.database import tables
from identity_vault.maps.builder import MapGateway, parse_purposes
from telemetry.envelope import key_id
from telemetry.purposes import Purpose

GATEWAYS_MAX: Final = 500
"""Far more than a school has; every one of them costs a map a minute."""

GatewayState = Literal["active", "revoked"]


class RegistryError(ValueError):
    """A gateway or key that is there already, or is not; says which and what to do."""


class Gateway(msgspec.Struct, frozen=True):
    """A row of the register. confirmed_version: the map it works with, as far as it has told."""

    id: str
    public_key: str
    key_id: str
    purposes: str
    generation: int
    state: GatewayState
    added_ms: int
    asked_ms: int | None
    confirmed_version: int
    confirmed_ms: int | None

    @property
    def for_maps(self) -> MapGateway:
        return MapGateway(self.id, self.generation, parse_purposes(self.purposes))

    @property
    def key(self) -> Ed25519PublicKey:
        return parse_public(self.public_key)


_COLUMNS: Final = tuple(tables.gateways.c[name] for name in Gateway.__struct_fields__)


def all_gateways(connection: Connection) -> list[Gateway]:
    """By id, the revoked ones too."""
    return [Gateway(*row) for row in connection.execute(select(*_COLUMNS).order_by(tables.gateways.c.id))]


def find_gateway(connection: Connection, gateway_id: str) -> Gateway | None:
    return _one(connection, tables.gateways.c.id == gateway_id)


def find_by_key(connection: Connection, named: bytes) -> Gateway | None:
    """By the short name of its key, whatever its state."""
    return _one(connection, tables.gateways.c.key_id == named.hex())


def add_gateway(
    connection: Connection, gateway_id: str, key: Ed25519PublicKey, purposes: tuple[Purpose, ...], now_ms: int
) -> None:
    """Raises RegistryError for an id or key that is there already."""
    if find_gateway(connection, gateway_id) is not None:
        raise RegistryError(
            f"there is a gateway {gateway_id} already; `campus vault gateway replace` gives it another key"
        )
    if len(all_gateways(connection)) >= GATEWAYS_MAX:
        raise RegistryError(f"there are {GATEWAYS_MAX} gateways already, more than a school has")
    connection.execute(
        insert(tables.gateways).values(
            id=gateway_id,
            generation=1,
            state="active",
            added_ms=now_ms,
            confirmed_version=0,
            purposes=",".join(purposes),
            **_key_values(connection, key),
        )
    )


def replace_gateway(
    connection: Connection,
    gateway_id: str,
    key: Ed25519PublicKey,
    purposes: tuple[Purpose, ...] | None,
    now_ms: int,
) -> int:
    """Another device in the place of a gateway, active again: a new key, and a map that is blinded
    anew, so that the lost one's map leads nowhere. Returns the generation. Raises RegistryError.
    """
    found = find_gateway(connection, gateway_id)
    if found is None:
        raise RegistryError(f"there is no gateway {gateway_id}; `campus vault gateway add` adds it")
    values: dict[str, Any] = _key_values(connection, key)
    if purposes is not None:
        values["purposes"] = ",".join(purposes)
    connection.execute(
        update(tables.gateways)
        .where(tables.gateways.c.id == gateway_id)
        .values(
            generation=found.generation + 1,
            state="active",
            added_ms=now_ms,
            asked_ms=None,
            confirmed_version=0,
            confirmed_ms=None,
            **values,
        )
    )
    return found.generation + 1


def rotate_key(connection: Connection, gateway: Gateway, key: Ed25519PublicKey) -> bool:
    """The same device with a new key: its map stays as it is. False where `gateway` is no longer as it was read.
    Raises RegistryError for a key that is somebody's already.
    """
    same = (tables.gateways.c.id == gateway.id) & (tables.gateways.c.key_id == gateway.key_id)
    active = tables.gateways.c.state == "active"
    values = _key_values(connection, key)
    return connection.execute(update(tables.gateways).where(same & active).values(**values)).rowcount == 1


def revoke_gateway(connection: Connection, gateway_id: str) -> None:
    """From now on it gets nothing, and nobody waits for it to confirm. Raises RegistryError."""
    found = find_gateway(connection, gateway_id)
    if found is None or found.state != "active":
        raise RegistryError(f"{gateway_id} is no active gateway; see: campus vault gateway list")
    connection.execute(
        update(tables.gateways).where(tables.gateways.c.id == gateway_id).values(state="revoked")
    )


def note_asked(connection: Connection, gateway: Gateway, have: int, now_ms: int) -> bool:
    """Takes down that a gateway asked, and that it works with version `have`; whether that is news."""
    is_news = have != gateway.confirmed_version
    values: dict[str, Any] = {"asked_ms": now_ms}
    if is_news:
        values |= {"confirmed_version": have, "confirmed_ms": now_ms if have else None}
    connection.execute(update(tables.gateways).where(tables.gateways.c.id == gateway.id).values(**values))
    return is_news


def _key_values(connection: Connection, key: Ed25519PublicKey) -> dict[str, str]:
    owner = find_by_key(connection, key_id(key))
    if owner is not None:
        raise RegistryError(
            f"this key is that of gateway {owner.id} already; make a new one with `campus edge keygen`"
        )
    return {"public_key": public_text(key), "key_id": key_id(key).hex()}


def _one(connection: Connection, condition: Any) -> Gateway | None:
    row = connection.execute(select(*_COLUMNS).where(condition)).first()
    return None if row is None else Gateway(*row)
