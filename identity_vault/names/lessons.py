"""Which classes have PE now: a PE teacher has names for those only."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from identity_vault.calendar.windows import lessons_between
from identity_vault.vault import Vault

MARGIN_MS: Final = 5 * 60_000
"""Before and after a lesson, as the gate of a gateway has it: rule 8 of our privacy rules."""
SUBJECT: Final = "pe"


def classes_in_pe(vault: Vault, connection: Connection, now_ms: int) -> set[str]:
    """Ids of the classes that have a timetabled PE lesson now, or within the margin."""
    near = lessons_between(connection, now_ms - MARGIN_MS, now_ms + MARGIN_MS + 1, vault.config.zone)
    return {
        class_id
        for class_id, lessons in near.items()
        for one in lessons
        if one.subject == SUBJECT and one.start_ms - MARGIN_MS <= now_ms < one.end_ms + MARGIN_MS
    }
