"""What the decoders of this package have in common: which exceptions bytes from outside can cause,
and how to speak of them without repeating what was in the bytes.
"""

from __future__ import annotations

import re
from typing import Final

import msgspec

DECODING_ERRORS: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""All that msgspec raises for hostile bytes: deep nesting and bad UTF-8 are no MsgspecError."""
INT_MAX: Final = 2**53 - 1
"""Bound of times and sequence numbers: exact in a double, safe in every database's integer."""

_SAFE: Final = re.compile(
    r"Expected `[a-z0-9 |-]+`( of (at least )?length \d+( to \d+)?)?, got `?[a-z0-9_-]+`?"
)
_PATH: Final = re.compile(r"(?: - at (?:`key` in )?`(\$(?:\[(?:\d+|\.\.\.)\]|\.[a-z0-9_]+)*)`)$")


def describe(error: Exception) -> str:
    """What is wrong with the bytes, in words that never quote them: a batch may speak of a person,
    and errors are logged.
    """
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "a text is not UTF-8"
    if not isinstance(error, msgspec.ValidationError):
        return "truncated or no MessagePack"
    text = str(error)
    path = _PATH.search(text)
    safe = _SAFE.match(text)
    what = safe[0] if safe else "a value that is not allowed"
    return f"{what} at {path[1]}" if path else what
