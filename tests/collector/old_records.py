"""Records databases as older programs left them, and what is in a database whatever its revision."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Table, insert, inspect, select

from collector.records import (
    DeadLetter,
    Records,
    account_tables,
    alerts,
    all_tables,
    configuration_tables,
    enrolment_tables,
    tables,
)
from tests.collector.conftest import NOW_MS, PSEUDONYM, SCHOOL
from tests.collector.kept_records import RECORDS, keep

SCRIPTS = {
    "0001": Path(__file__).with_name("records_v1.sql"),
    "0002": Path(__file__).with_name("records_v2.sql"),
    "0003": Path(__file__).with_name("records_v3.sql"),
    "0004": Path(__file__).with_name("records_v4.sql"),
}
"""By revision: what `.dump` of sqlite3 says of a file that the program of that time wrote; from 0003 on
sealed under `record_databases.KEY`.
"""


FEVER: dict[str, Any] = {
    "cause": "c", "kind": "fever", "state": "open", "school": SCHOOL, "gateway": "gw-1",
    "device": "station-gate", "place": "gate/east", "at_ms": NOW_MS, "opened_ms": NOW_MS,
    "pseudonym": PSEUDONYM, "class_id": "3-2", "site": "forehead", "value": 38.2, "unit": "Cel",
    "limit": 37.3, "doubtful": False, "record_type": "morning_check",
}  # fmt: skip
NOT_IN_VERSION_1 = [
    FEVER | {"cause": "d", "value": None, "pseudonym": None, "class_id": None},
    FEVER | {"cause": "e", "kind": "panic", "device": None, "value": 1.0, "record_type": "safety_event"},
]
NOT_IN_VERSION_3: dict[Table, dict[str, Any]] = {
    account_tables.accounts: {
        "username": "zhang", "display_name": "示例", "role": "admin", "totp_secret": b"totp", "state": "active",
        "must_change": False, "failures": 0, "created_ms": NOW_MS, "changed_ms": NOW_MS,
    },
    enrolment_tables.invitations: {
        "school": SCHOOL, "gateway": "gw-2", "code_key": b"code", "replaces": False, "made_by": "zhang",
        "made_ms": NOW_MS, "expires_ms": NOW_MS,
    },
    configuration_tables.gateway_configurations: {
        "school": SCHOOL, "gateway": "gw-1", "version": 1, "sections": b"sections", "digest": "d", "note": "",
        "made_by": "zhang", "made_ms": NOW_MS,
    },
}  # fmt: skip


async def fill(records: Records) -> None:
    """Records of all types, alerts with and without a value, a dead letter, a report, and a row of each
    later table with something sealed.
    """
    await keep(records, RECORDS, NOW_MS)
    await records.run(lambda connection: alerts.add(connection, [FEVER, *NOT_IN_VERSION_1]))
    await records.add_dead_letters([DeadLetter(NOW_MS, SCHOOL, "gw-1", "r", "d", b"\x00envelope\xff")])
    report = {"order_id": "o", "report": b"report"}
    await records.run(lambda connection: connection.execute(insert(tables.order_reports), [report]))
    for table, row in NOT_IN_VERSION_3.items():
        await records.run(partial(_insert, table=table, row=row))


def _insert(connection: Connection, table: Table, row: dict[str, Any]) -> None:
    connection.execute(insert(table), [row])


def write_old_file(file: Path, revision: str) -> None:
    connection = sqlite3.connect(file)
    connection.executescript(SCRIPTS[revision].read_text("utf-8"))
    connection.close()


def shape(connection: Connection) -> dict[str, object]:
    """Columns, indexes and uniqueness of every table, in no order."""
    seen = inspect(connection)
    return {
        table: (
            sorted((one["name"], str(one["type"]), one["nullable"]) for one in seen.get_columns(table)),
            sorted((str(one["name"]), one["column_names"]) for one in seen.get_indexes(table)),
            sorted(sorted(one["column_names"]) for one in seen.get_unique_constraints(table)),
            sorted(seen.get_pk_constraint(table)["constrained_columns"]),
        )
        for table in seen.get_table_names()
    }


def content(connection: Connection) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table, opened; without the keys."""
    return {
        table.name: _rows(connection, table)
        for table in all_tables.metadata.sorted_tables
        if table.name != "sealing_keys"
    }


def _rows(connection: Connection, table: Table) -> list[dict[str, Any]]:
    rows = [dict(row) for row in connection.execute(select(table)).mappings()]
    return sorted(rows, key=lambda row: str(sorted(row.items())))
