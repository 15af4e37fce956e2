"""Who did what with whose data, when: rows that are only ever added, each chained to the one before.

`record` writes in the caller's transaction, so that nothing happens without its row and no row stands
for what did not happen. `verify` finds what was changed afterwards.
"""

from identity_vault.audit.checking import Problem, has_noted, note_of, verify
from identity_vault.audit.pruning import KEEP_DAYS_MIN, AuditDamagedError, prune
from identity_vault.audit.reading import AuditRow, find
from identity_vault.audit.trail import Detail, Entry, begin_head, keep_head, operator, record, record_many

__all__ = [
    "KEEP_DAYS_MIN",
    "AuditDamagedError",
    "AuditRow",
    "Detail",
    "Entry",
    "Problem",
    "begin_head",
    "find",
    "has_noted",
    "keep_head",
    "note_of",
    "operator",
    "prune",
    "record",
    "record_many",
    "verify",
]
