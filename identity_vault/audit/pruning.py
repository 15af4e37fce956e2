"""Removes the oldest rows of the audit and anchors the chain anew."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, func, select

from identity_vault.audit.chain import Audited, raw_bytes, raw_columns
from identity_vault.audit.checking import verify
from identity_vault.audit.trail import PRUNE, record
from identity_vault.database.fence import open_fence
from identity_vault.database.tables import audit

KEEP_DAYS_MIN: Final = 180
"""Network logs are kept for six months at least: Cybersecurity Law, article 21 (3)."""
_MS_PER_DAY: Final = 86_400_000


class AuditDamagedError(Exception):
    """What would be removed was tampered with: it is evidence."""


def prune(
    vault: Audited, connection: Connection, *, actor: str, keep_days: int, damaged: bool = False
) -> int:
    """Removes rows from the oldest on as long as they are older; how many. The last row always stays.

    The row that says so holds the number and the MAC of the last row removed, which `verify` goes on
    from. Raises ValueError below `KEEP_DAYS_MIN`, and AuditDamagedError where rows to be removed do not
    fit the chain, unless `damaged`.
    """
    if keep_days < KEEP_DAYS_MIN:
        raise ValueError(f"the audit is kept for {KEEP_DAYS_MIN} days at least")
    cutoff_ms = vault.now_ms() - keep_days * _MS_PER_DAY
    first_kept = connection.scalar(select(func.min(audit.c.seq)).where(audit.c.at_ms >= cutoff_ms))
    if first_kept is None:
        first_kept = connection.scalar(select(func.max(audit.c.seq))) or 0
    older = select(audit.c.seq, raw_columns(connection)[-1]).where(audit.c.seq < first_kept)
    last = connection.execute(older.order_by(audit.c.seq.desc()).limit(1)).first()
    if last is None:
        return 0
    through, mac = last[0], raw_bytes(last[1]) or b""
    evidence = [one for one in verify(vault, connection) if 0 < one.first <= through]
    if evidence and not damaged:
        raise AuditDamagedError(f"{evidence[0]}; and {len(evidence) - 1} more such places")
    with open_fence(connection):
        removed = connection.execute(delete(audit).where(audit.c.seq <= through)).rowcount
    record(
        vault, connection, actor=actor, action=PRUNE, through=through, mac=mac.hex(), removed=removed,
        damaged=len(evidence),
    )  # fmt: skip
    return removed
