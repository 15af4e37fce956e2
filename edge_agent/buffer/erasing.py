"""Forgetting somebody: their records are taken out of batches that wait."""

from __future__ import annotations

from collections.abc import Container
from typing import Final, NamedTuple

from edge_agent.buffer.layout import make_row, split_key
from edge_agent.buffer.store import Store
from telemetry.batch import BatchError, erase_records

_STEP_ROWS: Final = 32


class Erased(NamedTuple):
    """records: taken out in this step. last_key: where the next step begins; None: there is no more."""

    records: int
    last_key: int | None


def erase(store: Store, pseudonyms: Container[str], after_key: int) -> Erased:
    """One step, inside the caller's transaction. Only the urgent lane carries records."""
    keys = store.record_keys(after_key, _STEP_ROWS)
    total = 0
    for key in keys:
        row = store.row(key)
        if row is None or store.remove_if_damaged(row):
            continue
        try:
            body, count = erase_records(row.body, pseudonyms)
        except BatchError:
            # Nobody can read it, the collector as little: it goes its way and is refused there.
            continue
        if count:
            item = row.item()._replace(body=body, records=row.records - count)
            store.replace(row, make_row(row.id, split_key(key)[1], item, thinned=bool(row.thinned)))
            total += count
    return Erased(total, keys[-1] if len(keys) == _STEP_ROWS else None)
