"""Every table of the records database, whichever file describes it, and what those are that need care."""

from __future__ import annotations

from typing import Final

from collector.records import (
    account_tables,
    configuration_tables,
    enrolment_tables,
    notice_tables,
    tables,
)
from collector.records.sealing import Sealed

metadata = tables.metadata
OTHERS: Final = (account_tables, configuration_tables, enrolment_tables, notice_tables)
"""Loaded here, so that `metadata` is whole for whoever asks this module."""

SEALED_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    table.name: names
    for table in metadata.sorted_tables
    if (names := tuple(column.name for column in table.c if isinstance(column.type, Sealed)))
}
"""By table."""

ABOUT_PEOPLE: Final = tuple(
    table.name for table in metadata.sorted_tables if "pseudonym" in table.c or table.name in SEALED_COLUMNS
)
