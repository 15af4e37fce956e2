"""What the tests of rights share: a clock, gateways that confirm, guardians."""

from __future__ import annotations

from sqlalchemy import Connection, insert, update

from identity_vault import roster
from identity_vault.database import tables
from identity_vault.vault import Vault
from tests.vault.vault_parts import NOW_MS

DAY_MS = 86_400_000


class Clock:
    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


def add_gateway(connection: Connection, id_: str, version: int = 0, state: str = "active") -> None:
    values = {
        "id": id_, "public_key": "k", "key_id": id_, "purposes": "health", "generation": 1, "state": state,
        "added_ms": NOW_MS, "confirmed_version": version, "confirmed_ms": NOW_MS,
    }  # fmt: skip
    connection.execute(insert(tables.gateways).values(values))


def confirm(connection: Connection, id_: str, version: int) -> None:
    where = tables.gateways.c.id == id_
    connection.execute(update(tables.gateways).where(where).values(confirmed_version=version))


def add_guardian(vault: Vault, pupil: str, relation: str = "母亲") -> roster.Guardian:
    with vault.begin() as connection:
        details = roster.GuardianDetails(name="示例家长甲", phone="13800000001", relation=relation)
        id_ = roster.add_guardian(vault, connection, pupil, details)
    return roster.Guardian(id_, pupil, details)


# Codes.
