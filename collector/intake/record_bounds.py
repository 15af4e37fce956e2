"""What a record may hold: texts and numbers that its columns and those who read it can take.

Wide bounds: a doubtful temperature is a finding, not a refusal. They keep out what no device can mean.
"""

from __future__ import annotations

import re
from typing import Final

from telemetry.records import SYMPTOMS, WINDOW_S, HeartRateWindow, Record

Objection = tuple[str, str]
"""A reason, a word for counters, and the detail for a log, which never quotes the batch."""

NAME_CHARS_MAX: Final = 256
ID_CHARS_MAX: Final = 64
"""Of a boot id, a policy version, a class: the columns they are kept in."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PSEUDONYM: Final = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")
"""Crockford's base 32: 128 bits without I, L, O and U."""

_RANGES: Final[dict[str, tuple[float, float]]] = {
    "temperature_c": (-50, 150),
    "ambient_c": (-90, 150),
    "door": (0, 65_535),
    "mean_bpm": (0, 400),
    "min_bpm": (0, 400),
    "max_bpm": (0, 400),
    "samples": (1, 10_000),
    "contact": (0, 1),
    "above_limit_s": (0, WINDOW_S),
    "mass_g": (-1_000, 100_000),
}
"""By field, both ends allowed; one name means the same in every type."""

_BAD_TEXT: Final = ("name_not_allowed", "a text of a record too long or with control characters")
_BAD_PSEUDONYM: Final = ("bad_pseudonym", "a pseudonym that is not 26 characters of Crockford's base 32")
_BAD_NUMBER: Final = ("number_out_of_bounds", "a number of a record that nothing can have measured")


def is_name(text: str, chars_max: int) -> bool:
    return len(text) <= chars_max and not _CONTROL.search(text)


def is_pseudonym(text: str) -> bool:
    return _PSEUDONYM.fullmatch(text) is not None


def record_objection(record: Record) -> Objection | None:
    """What speaks against a record for ever; None when nothing does."""
    if record.pseudonym is not None and not is_pseudonym(record.pseudonym):
        return _BAD_PSEUDONYM
    for field in record.__struct_fields__:
        value = getattr(record, field)
        if isinstance(value, str):
            if not is_name(value, ID_CHARS_MAX if field == "class_id" else NAME_CHARS_MAX):
                return _BAD_TEXT
        elif isinstance(value, tuple):
            if len(value) > len(SYMPTOMS):
                return _BAD_TEXT
        elif value is not None and field in _RANGES:
            lowest, highest = _RANGES[field]
            if not lowest <= value <= highest:
                return _BAD_NUMBER
    if isinstance(record, HeartRateWindow) and record.min_bpm > record.max_bpm:
        return _BAD_NUMBER
    return None
