"""A chain of rows, and somebody who may write the database but has not the key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection

from identity_vault.audit import Problem, record, verify
from identity_vault.vault import Vault


def write_rows(vault: Vault, count: int) -> None:
    """In one transaction."""
    with vault.begin() as connection:
        for number in range(count):
            record(
                vault, connection, actor="session:s", action="resolve", purpose="health",
                pupil=f"{number:016x}", role="nurse", count=number,
            )  # fmt: skip


def take_down_fence(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS audit_no_update")
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS audit_no_delete")
    else:
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS audit_fence ON audit")


def tamper(vault: Vault, *statements: str) -> None:
    with vault.database.begin() as connection:
        take_down_fence(connection)
        for statement in statements:
            connection.exec_driver_sql(statement)


def problems_of(vault: Vault) -> list[Problem]:
    with vault.read() as connection:
        return verify(vault, connection)


def tried(vault: Vault, *work: str | Callable[[Connection], object]) -> list[Problem]:
    """What is found after this work without the fence; afterwards everything is as before."""
    with vault.database.begin() as connection:
        take_down_fence(connection)
        for one in work:
            if isinstance(one, str):
                connection.exec_driver_sql(one)
            else:
                one(connection)
        found = verify(vault, connection)
        connection.rollback()
    return found


def head_file(vault: Vault) -> Path:
    return vault.config.vault.data_dir / "audit.head"
