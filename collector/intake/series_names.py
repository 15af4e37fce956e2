"""The series tables of batches. A gateway sends the same table again and again, so what was found out about one
is remembered with it.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Annotated, Final

import msgspec

from collector.intake.record_bounds import NAME_CHARS_MAX, Objection, is_name
from telemetry.packed import READINGS_MAX
from telemetry.quantities import QUANTITIES, Lane
from telemetry.readings import SeriesKey

SERIES_REMEMBERED_MAX: Final = 400
"""Of one table; a larger one is decoded each time."""
_REMEMBERED: Final = 256
_REMEMBERED_BYTES_MAX: Final = 16 * 1024
_ARRAY_16: Final = 0xDC
"""Begins an array with its length in the next two bytes; shorter ones begin with less, longer ones with more."""
_decode = msgspec.msgpack.Decoder(
    Annotated[tuple[SeriesKey, ...], msgspec.Meta(max_length=READINGS_MAX)]
).decode


class SeriesNames(tuple[SeriesKey, ...]):  # noqa: SLOT001  # it remembers
    """Equal tables are mostly the same object, but need not be."""

    @cached_property
    def objection(self) -> Objection | None:
        """What speaks against a batch of these series; None when nothing does."""
        return next(filter(None, map(_objection, self)), None)


def series_names(table: bytes) -> SeriesNames:
    """A table as it lies in a batch. Raises what msgspec raises."""
    return _remembered(table) if _is_small(table) else SeriesNames(_decode(table))


def _is_small(table: bytes) -> bool:
    """By the length it begins with, too: a series takes as little as 13 bytes here, and 400 in memory."""
    length = int.from_bytes(table[1:3], "big") if table[0] == _ARRAY_16 else 0
    return table[0] <= _ARRAY_16 and length <= SERIES_REMEMBERED_MAX and len(table) <= _REMEMBERED_BYTES_MAX


@lru_cache(_REMEMBERED)
def _remembered(table: bytes) -> SeriesNames:
    return SeriesNames(_decode(table))


def _objection(key: SeriesKey) -> Objection | None:
    if not all(is_name(name, NAME_CHARS_MAX) for name in key):
        return (
            "name_not_allowed",
            f"a series name of more than {NAME_CHARS_MAX} characters or with control characters",
        )
    quantity = QUANTITIES.get(key.quantity)
    if quantity is None:
        return "quantity_not_registered", "a quantity this collector does not know"
    if quantity.lane is not Lane.AMBIENT:
        return "personal_quantity", "a quantity of the personal lane as a reading"
    return None
