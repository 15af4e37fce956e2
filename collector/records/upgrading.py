"""Takes a records database to another revision, in one transaction; an SQLite file is copied before.

The copy lies beside the file, readable by its owner only, until the first row has to be deleted: it
would keep what must not be kept (`forget_copies`).
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from pathlib import Path
from typing import Final, Literal

import structlog
from sqlalchemy import Connection, Engine, func, inspect, or_, select, table, text
from sqlalchemy import column as named

from collector.records import schema
from collector.records.all_tables import ABOUT_PEOPLE
from collector.records.engine import Place, empty_journal, vacuum
from collector.records.errors import RecordsFileError, RecordsUnavailableError
from collector.records.sealing import Keyring

Upgrade = Literal["auto", "command"]
"""Whether a program that starts takes an older database to its own revision by itself."""

AUTO_BYTES_MAX: Final = 1024**3
"""A larger file takes minutes, for which a start should not hold the gateways up unforeseen."""
_ROOM: Final = 3
"""Times the size of the file: the copy, the table being written anew, the journal."""

log = structlog.get_logger()


def refuse_to_start(place: Place, revision: str, upgrade: Upgrade | None) -> None:
    """Raises RecordsFileError where the command is wanted. Left to us: SQLite files of a usual size go by
    themselves, PostgreSQL waits: there is no copy of ours, its administrator has one made first.
    """
    large = place.file is not None and place.file.stat().st_size > AUTO_BYTES_MAX
    if upgrade == "auto" or (upgrade is None and place.is_sqlite and not large):
        return
    raise RecordsFileError(
        f"{place.shown} is at revision {revision}, this program needs {schema.HEAD}; make a backup, stop "
        "every collector that uses it, and run: campus collector database upgrade CONFIG"
    )


def migrate(connection: Connection, place: Place, keyring: Keyring, target: str, now_ms: int) -> Path | None:
    """Up or down to `target`, in the caller's transaction; the copy that was made of an SQLite file.

    Raises RecordsFileError.
    """
    # Here, for it costs a start 0.1 s, and hardly any start needs it.
    from alembic import command  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    found = schema.look(connection, place)
    assert found is not None, "a database with tables"
    if found == target:
        return None
    copy = _copy(place, found) if place.file else None
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL statement_timeout = 0"))
    schema.stamp(connection, found)
    config = Config()
    config.set_main_option("script_location", "collector.records:migrations")
    config.attributes.update(connection=connection, keyring=keyring, now_ms=now_ms)
    up = schema.REVISIONS.index(target) > schema.REVISIONS.index(found)
    (command.upgrade if up else command.downgrade)(config, target)
    return copy


def clean(engine: Engine, place: Place, target: str) -> None:
    """After a migration: the journal of SQLite, and rows of PostgreSQL as they were, hold columns in clear
    that are sealed by now; a column that PostgreSQL drops stays in its rows until they are written anew.
    """
    if place.is_sqlite:
        empty_journal(engine)
    elif target >= "0003":  # the first one that seals
        there = set(inspect(engine).get_table_names())
        vacuum(engine, [name for name in ABOUT_PEOPLE if name in there], all_anew=True)


def losses(connection: Connection, found: str, target: str) -> dict[str, int]:
    """Rows by table that an older revision has no place for."""
    lost: dict[str, int] = {}
    if target < "0004" <= found:
        for name in (
            "accounts",
            "api_tokens",
            "account_audit",
            "gateway_certificates",
            "gateway_configurations",
        ):
            lost[name] = connection.scalar(select(func.count()).select_from(table(name))) or 0
    if target == "0001" and found != "0001":
        of_version_2 = (
            "access_events", "heart_rate_windows", "meal_records", "safety_events", "class_lists",
            "class_pseudonyms", "erased_pseudonyms", "order_reports",
        )  # fmt: skip
        there = set(inspect(connection).get_table_names())
        for name in sorted(there & set(of_version_2)):
            lost[name] = connection.scalar(select(func.count()).select_from(table(name))) or 0
        alerts = table("alerts", named("value"), named("device"))
        unfit = or_(alerts.c.value.is_(None), alerts.c.device.is_(None))
        lost["alerts"] = connection.scalar(select(func.count()).select_from(alerts).where(unfit)) or 0
    return {name: count for name, count in lost.items() if count}


def forget_copies(place: Place) -> None:
    """Deletes the copies that migrations made: something in them is to be kept no longer."""
    if place.file is None:
        return
    for copy in place.file.parent.glob(f"{place.file.name}.before-*"):
        try:
            copy.unlink(missing_ok=True)
        except OSError as error:
            raise RecordsUnavailableError(f"{copy} cannot be deleted: {error.strerror}; delete it") from error
        log.info("deleted the copy from before the migration", file=str(copy))


def _copy(place: Place, revision: str) -> Path:
    """Of what is committed; somebody else's transaction, even our own, is not in it."""
    file = place.file
    assert file is not None
    size_bytes = file.stat().st_size
    if shutil.disk_usage(file.parent).free < _ROOM * size_bytes:
        raise RecordsFileError(
            f"{file} cannot be migrated: its disk needs {_ROOM * size_bytes // 1024**2 + 1} MiB free; make room"
        )
    copy = file.with_name(f"{file.name}.before-{revision}")
    part = copy.with_name(f"{copy.name}.part")
    try:
        part.unlink(missing_ok=True)
        part.touch(mode=0o600)
        source, target = sqlite3.connect(file), sqlite3.connect(part)
        try:
            source.backup(target)
        finally:
            source.close()
            target.close()
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(copy)
    except (OSError, sqlite3.Error) as error:
        part.unlink(missing_ok=True)
        raise RecordsFileError(f"{copy} cannot be written: {error}; make room beside {file}") from error
    return copy
