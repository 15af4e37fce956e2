"""Whose pseudonym it is: in the epochs that are not closed, and of kept cases beyond."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from identity_vault.database import tables
from identity_vault.roster.epochs import open_epochs
from identity_vault.vault import Vault
from telemetry.purposes import Purpose


def owners(vault: Vault, connection: Connection, purpose: Purpose) -> dict[str, str]:
    """Pseudonym → pupil's id for a purpose: of every pupil in every epoch that is not closed, and of
    kept cases.
    """
    ids: list[str] = list(connection.scalars(select(tables.pupils.c.id)))
    found = {
        vault.pseudonyms.make(purpose, epoch, id_): id_ for epoch in open_epochs(connection) for id_ in ids
    }
    kept = tables.kept_cases
    rows = connection.execute(select(kept.c.pseudonym, kept.c.pupil).where(kept.c.purpose == purpose))
    return {str(row.pseudonym): str(row.pupil) for row in rows} | found


def keep_case(vault: Vault, connection: Connection, pseudonym: str, purpose: Purpose) -> str | None:
    """Keeps a pseudonym beyond the closing of its epoch; its pupil's id, None for an unknown one."""
    ids: list[str] = list(connection.scalars(select(tables.pupils.c.id)))
    for epoch in open_epochs(connection):
        for id_ in ids:
            if vault.pseudonyms.make(purpose, epoch, id_) == pseudonym:
                known = tables.kept_cases.c.pseudonym == pseudonym
                if connection.scalar(select(tables.kept_cases.c.pupil).where(known)) is None:
                    connection.execute(
                        insert(tables.kept_cases).values(
                            pseudonym=pseudonym,
                            pupil=id_,
                            purpose=purpose,
                            epoch=epoch,
                            kept_ms=vault.now_ms(),
                        )
                    )
                return id_
    return None
