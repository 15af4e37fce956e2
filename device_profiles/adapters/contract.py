"""What an adapter makes of a vendor's message: events, each with its values by name.

An adapter knows a vendor's format and nothing else: no device, no place, no clock. It never raises;
what it cannot use it leaves out and names with a fixed word.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Final, Literal, NamedTuple

from device_profiles.values import to_number
from telemetry.credential_map import normalise_identifier
from telemetry.named import Named

EVENTS_MAX: Final = 100
"""Of one message; WeCom's interface allows 100 records a call."""
TEXT_CHARACTERS_MAX: Final = 64
WHOLE_MAX: Final = 2**64

CardNotation = Literal["decimal", "decimal-reversed", "hex", "hex-reversed"]
"""How a station writes the number of a card; reversed: least significant byte first."""


class Event(NamedTuple):
    """One thing that happened in front of a device.

    values: all that it tells, by name. raw_time: the device's own time as it wrote it, a number in
    seconds or an ISO 8601 text. credential: whose it was, normalised. temperature_c: a body
    temperature. passed: somebody was let through. door: which one. serial, previous: the device's
    own count of its events, and that of the event before. key: equal in what was sent twice.
    replayed: the device tells it again, or later than it happened. refused: a fixed word for everything
    in it that could not be used.
    """

    values: Mapping[str, Named]
    raw_time: object = None
    credential: str | None = None
    temperature_c: float | None = None
    passed: bool = False
    door: int | None = None
    serial: int | None = None
    previous: int | None = None
    key: Hashable = None
    replayed: bool = False
    refused: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "Event(…)"


class Adapter(NamedTuple):
    """A vendor's format: how it is read, and what its device wants to hear when all went well."""

    read: Callable[[object, CardNotation, list[str]], list[Event]]
    answer: bytes


def to_text(raw: object) -> str | None:
    """A short text or whole number as text; None for nothing, and for all else."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        raw = str(raw) if abs(raw) < WHOLE_MAX else ""
    if not isinstance(raw, str):
        return None
    text = raw.strip()
    return text if text and len(text) <= TEXT_CHARACTERS_MAX and text.isprintable() else None


def to_whole(raw: object) -> int | None:
    """A whole number that may be written as text."""
    number = to_number(raw)
    return int(number) if isinstance(number, float) and number.is_integer() else None


def to_truth(raw: object) -> bool | None:
    """A truth value that may be written as text."""
    if isinstance(raw, str):
        return {"true": True, "false": False}.get(raw.strip().lower())
    return raw if isinstance(raw, bool) else None


def person_credential(scheme: str, text: str, refused: list[str]) -> str | None:
    """The credential of a person whom a station knows by a number of its own."""
    try:
        return normalise_identifier(scheme, text)
    except ValueError:
        refused.append("bad_person")
        return None
