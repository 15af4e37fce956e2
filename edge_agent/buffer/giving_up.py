"""What goes when not everything can stay: thin old bulk batches, drop bulk, drop urgent, drop alarms;
oldest first.

The work of one call is sized to what is needed, so that reaching the cap with weeks of data in the
file delays an append by milliseconds, not by the whole file.
"""

from __future__ import annotations

from typing import Final

from edge_agent.buffer.layout import BULK_KEY_MIN, Row, make_row, split_key
from edge_agent.buffer.store import Store
from edge_agent.buffer.thinning import thin
from telemetry.batch import GapReason

KEY_MAX: Final = 2**63 - 1
THIN_READINGS_MIN: Final = 20_000
"""Readings that one call may look at to thin them: some 20 ms of work on a small machine."""
_STEP_ROWS: Final = 64


class GivingUp:
    """Makes room in a store, inside the caller's transaction. Remembers how far thinning has come,
    so that batches in which nothing can be thinned are not unpacked again and again.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thinned_to = BULK_KEY_MIN

    def make_room(
        self, shortage_bytes: int, incoming_readings: int, reason: GapReason, *, urgent_too: bool = True
    ) -> None:
        """Gives up at least so many bytes, if there are as many. In each lane batches on loan go
        last: they may be on their way already.
        """
        bulk, urgent = (BULK_KEY_MIN, KEY_MAX), (0, BULK_KEY_MIN - 1)
        lanes = [(bulk, False), *([(urgent, False), (urgent, True)] if urgent_too else [])]
        wanted = shortage_bytes - self._thin(shortage_bytes, max(THIN_READINGS_MIN, 4 * incoming_readings))
        for (low, high), alarms in lanes:
            for loaned in (False, True):
                wanted -= self._drop(low, high, wanted, reason, loaned=loaned, alarms=alarms)

    def _thin(self, wanted_bytes: int, readings_max: int) -> int:
        store, freed, looked_at = self._store, 0, 0
        while freed < wanted_bytes and looked_at < readings_max:
            keys = store.keys(self._thinned_to, KEY_MAX, 1)
            if not keys:
                break
            (key,) = keys
            self._thinned_to = key + 1
            if key in store.loans:
                continue
            row = store.row(key)
            if row is None or row.thinned:
                looked_at += 1
                continue
            if store.remove_if_damaged(row):
                freed += row.size_bytes
                continue
            looked_at += row.readings + 100
            freed += self._thin_row(row)
        return freed

    def _thin_row(self, row: Row) -> int:
        thinned = thin(row.item())
        if thinned is None:
            return 0
        new = make_row(row.id, split_key(row.key)[1], thinned, thinned=True)
        self._store.replace(row, new)
        self._store.declare(row.id, "thinned", row.readings - new.readings, 0)
        return row.size_bytes - new.size_bytes

    def _drop(
        self, low: int, high: int, wanted_bytes: int, reason: GapReason, *, loaned: bool, alarms: bool
    ) -> int:
        store, freed, dropped = self._store, 0, set[int]()
        while freed < wanted_bytes:
            keys = store.keys(low, high, _STEP_ROWS)
            if not keys:
                break
            for key in keys:
                low = key + 1
                if (key in store.loans, key in store.alarms) != (loaned, alarms):
                    continue
                row = store.row(key)
                if row is None:
                    continue
                if not store.remove_if_damaged(row):
                    store.delete(key, key)
                    store.declare(row.id, reason, row.readings, row.records)
                dropped.add(key)
                freed += row.size_bytes
                if freed >= wanted_bytes:
                    break
        store.loans -= dropped
        return freed
