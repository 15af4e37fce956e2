"""Deletes a pupil: the order to collector and gateways first, then everything the vault knows."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from identity_vault import roster
from identity_vault.audit import record
from identity_vault.database import tables
from identity_vault.rights import orders, receipts
from identity_vault.vault import Vault


def erase(vault: Vault, connection: Connection, actor: str, pupil_id: str) -> str:
    """All or nothing in the caller's transaction; the receipt's code.

    What was deleted may lie in SQLite's log until `vault.database.forget_deleted()`: to be called after
    the transaction. Raises orders.OrdersFullError.
    """
    counts = _count(connection, pupil_id)
    code = receipts.add(connection, "erasure", pupil_id, vault.now_ms(), receipts.Detail(counts=counts))
    orders.make_erasure(vault, connection, pupil_id, code)
    receipts.forget_pupil(connection, pupil_id)
    roster.remove_pupil(connection, pupil_id)
    record(
        vault,
        connection,
        actor=actor,
        action="erase",
        pupil=pupil_id,
        receipt=code,
        rows=sum(counts.values()),
    )
    return code


def is_confirmation(details: roster.PupilDetails, typed: str) -> bool:
    """Whether these are the last four characters of the student number."""
    return typed.strip().upper() == details.student_number[-4:].upper()


def _count(connection: Connection, pupil_id: str) -> dict[str, int]:
    """Rows by table that go with a pupil."""
    found = {"pupils": 1}
    for table in (tables.credentials, tables.guardians, tables.consents, tables.corrections):
        query = select(func.count()).select_from(table).where(table.c.pupil == pupil_id)
        found[table.name] = connection.scalar(query) or 0
    links, guardians = tables.links, tables.guardians
    query = select(func.count()).select_from(links.join(guardians, guardians.c.id == links.c.guardian))
    found["links"] = connection.scalar(query.where(guardians.c.pupil == pupil_id)) or 0
    return found
