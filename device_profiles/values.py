"""From one raw JSON value to a number, strictly: what is not clearly a value is refused, with a reason.

A reason is one fixed word. The raw value never becomes part of it: it could name a person.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import TYPE_CHECKING, Final

from device_profiles.units import SAME, Linear, conversion

if TYPE_CHECKING:
    from device_profiles.bytes_schema import BytesRow
    from device_profiles.schema import FieldRow
    from telemetry.quantities import Quantity

VALUE_MAX: Final = 1e15
"""No instrument shows more; it also keeps integers exact in a double."""
DECIMALS: Final = 6
"""A computed value is rounded to this many decimals: it came from a short decimal and becomes one again."""
NUMBER_CHARACTERS_MAX: Final = 32

_number_text = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch


def to_number(raw: object) -> float | str:
    """The number that JSON number or text stands for, or the reason why it is none."""
    if isinstance(raw, str):
        if len(raw) > NUMBER_CHARACTERS_MAX or _number_text(raw) is None:
            return "not_a_number"
        raw = float(raw)
    elif isinstance(raw, bool) or not isinstance(raw, int | float):
        return "not_a_number"
    if -VALUE_MAX <= raw <= VALUE_MAX:
        return raw + 0.0  # a float, and never minus zero
    return "not_finite" if isinstance(raw, float) and not isfinite(raw) else "number_too_large"


class ValueReader:
    """How one field of a profile reads its raw value."""

    def __init__(self, row: FieldRow | BytesRow) -> None:
        quantity = row.spec
        self.is_bool = quantity.is_bool
        self.invert = row.invert
        self.missing = frozenset(row.missing)
        self.uncertain = frozenset(row.uncertain)
        self.lookup = None if row.map is None else _lookup(row.map)
        own = Linear(row.scale, row.offset)
        known = conversion(row.unit, quantity) if row.unit is not None else None
        self.linear = (known or SAME).after(own)
        self.decimals = DECIMALS if row.decimals is None else row.decimals
        self.rounds = self.linear != SAME or row.decimals is not None
        self.by_unit: dict[str, Linear] | None = None
        self.needs_unit = row.unit is None
        unit_from = getattr(row, "unit_from", None)
        if unit_from is not None:
            self.by_unit = {word: _known(unit, quantity).after(own) for word, unit in unit_from.map.items()}

    @property
    def is_plain(self) -> bool:
        """A JSON number is the value itself."""
        return not (
            self.is_bool
            or self.missing
            or self.uncertain
            or self.lookup is not None
            or self.by_unit is not None
            or self.rounds
        )

    def is_uncertain(self, raw: object) -> bool:
        return _is_in(raw, self.uncertain)

    def read(self, raw: object, unit_word: object = None) -> float | str | None:
        """The value in the quantity's unit, a reason for refusing it, or None where there is none."""
        if raw is None or (self.missing and _is_in(raw, self.missing)):
            return None
        if self.lookup is not None:
            return self._mapped(raw, self.lookup)
        if self.is_bool:
            return self._truth(raw)
        number = to_number(raw)
        return number if isinstance(number, str) else self._converted(number, unit_word)

    def _converted(self, number: float, unit_word: object) -> float | str:
        linear = self.linear
        if self.by_unit is not None and (unit_word is not None or self.needs_unit):
            found = self.by_unit.get(unit_word) if isinstance(unit_word, str) else None
            if found is None:
                return "unknown_unit"
            linear = found
        elif not self.rounds:
            return number
        value = round(number * linear.scale + linear.offset, self.decimals) + 0.0
        return value if isfinite(value) else "not_finite"

    def _truth(self, raw: object) -> float | str:
        if raw is True or (type(raw) is int and raw == 1):
            return 0.0 if self.invert else 1.0
        if raw is False or (type(raw) is int and raw == 0):
            return 1.0 if self.invert else 0.0
        return "not_a_bool"

    @staticmethod
    def _mapped(raw: object, lookup: dict[str | float, float]) -> float | str:
        if isinstance(raw, bool):
            raw = "true" if raw else "false"
        if isinstance(raw, str | int | float):
            return lookup.get(raw, "not_in_map")
        return "not_in_map"


def _lookup(table: dict[str, float]) -> dict[str | float, float]:
    """The map by text and, where its key is a number's text, by that number too."""
    found: dict[str | float, float] = {}
    for text, value in table.items():
        found[text] = value + 0.0
        number = to_number(text)
        if isinstance(number, float):
            found[number] = value + 0.0
    return found


def _is_in(raw: object, sentinels: frozenset[str | int | float]) -> bool:
    """Whether a raw value is one of the listed ones; true is not 1."""
    return isinstance(raw, str | int | float) and not isinstance(raw, bool) and raw in sentinels


def _known(unit: str, quantity: Quantity) -> Linear:
    found = conversion(unit, quantity)
    assert found is not None, "the schema has checked every unit"
    return found
