"""Epochs of pseudonyms: school years. One is current; older ones stay open until they are closed."""

from __future__ import annotations

from typing import Literal

from sqlalchemy import Connection, insert, select, update

from identity_vault.database import tables

EpochState = Literal["current", "open", "closed"]


class EpochError(ValueError):
    """An epoch that does not exist, or a change that makes no sense; says which."""


def current_epoch(connection: Connection) -> str:
    return str(
        connection.execute(select(tables.epochs.c.id).where(tables.epochs.c.state == "current")).scalar_one()
    )


def open_epochs(connection: Connection) -> list[str]:
    """The epochs whose pseudonyms still lead to names, the current one first."""
    table = tables.epochs
    rows = connection.execute(
        select(table.c.id).where(table.c.state != "closed").order_by(table.c.began_ms.desc())
    )
    return [str(id_) for (id_,) in rows]


def all_epochs(connection: Connection) -> list[tuple[str, EpochState, int]]:
    """Id, state and beginning (ms UTC), the newest first."""
    table = tables.epochs
    rows = connection.execute(
        select(table.c.id, table.c.state, table.c.began_ms).order_by(table.c.began_ms.desc())
    )
    return [(id_, state, began_ms) for id_, state, began_ms in rows]


def begin_epoch(connection: Connection, epoch: str, now_ms: int) -> None:
    """From now on pseudonyms are of this epoch; the one before stays open. Raises EpochError."""
    table = tables.epochs
    if connection.scalar(select(table.c.id).where(table.c.id == epoch)) is not None:
        raise EpochError(f"epoch {epoch} has been there already; its pseudonyms would come back")
    connection.execute(update(table).where(table.c.state == "current").values(state="open"))
    connection.execute(insert(table).values(id=epoch, state="current", began_ms=now_ms))


def close_epoch(connection: Connection, epoch: str) -> None:
    """Its pseudonyms lead to no names any more, but for kept cases. Raises EpochError."""
    table = tables.epochs
    state = connection.scalar(select(table.c.state).where(table.c.id == epoch))
    if state is None:
        raise EpochError(f"there is no epoch {epoch}")
    if state == "current":
        raise EpochError(f"epoch {epoch} is the current one; begin the next one first")
    connection.execute(update(table).where(table.c.id == epoch).values(state="closed"))
