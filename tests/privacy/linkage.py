"""Which values in records single somebody out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable

import msgspec

from telemetry.records import Record

RECORDS_MIN = 3
"""A device that was used once tells of one person only by accident."""


def telling_values(records: Iterable[Record]) -> set[str]:
    """The texts in records, of whatever field, that occur several times and always with the same
    person.
    """
    people: dict[str, set[str]] = defaultdict(set)
    counts: Counter[str] = Counter()
    for record in records:
        if record.pseudonym is not None:
            for value in msgspec.to_builtins(record).values():
                if isinstance(value, str):
                    people[value].add(record.pseudonym)
                    counts[value] += 1
    return {value for value, found in people.items() if len(found) == 1 and counts[value] >= RECORDS_MIN}
