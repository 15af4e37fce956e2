"""Values one after another, each behind a tag that says what it is and so how long it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final, Literal, NamedTuple

from device_profiles.payloads.contract import Found, PayloadError
from telemetry.named import Named, Value

Items = Iterable[tuple[str, Named]]
BROKEN: Final = "unknown_channel"
"""A tag of unknown length: where the next one stands, nobody can tell."""


class Entry(NamedTuple):
    """What stands behind a tag: how many bytes, and what they say. `refused`: why they give nothing."""

    size: int
    read: Callable[[bytes], Items]
    refused: str = ""


def number(
    name: str,
    size: int,
    *,
    divisor: int = 1,
    unit: str = "1",
    signed: bool = False,
    missing: tuple[int, ...] = (),
    order: Literal["big", "little"] = "little",
) -> Entry:
    """One number. missing: raw values that mean that there is none."""

    def read(data: bytes) -> Items:
        raw = int.from_bytes(data, order, signed=signed)
        value: Value = raw if divisor == 1 else raw / divisor
        yield name, Named(None if raw in missing else value, unit)

    return Entry(size, read)


def numbers(size: int, *names: str, divisor: int = 1, unit: str = "1") -> Entry:
    """Several numbers of `size` bytes each, least significant byte first."""

    def read(data: bytes) -> Items:
        for at, name in enumerate(names):
            raw = int.from_bytes(data[at * size : (at + 1) * size], "little")
            yield name, Named(raw if divisor == 1 else raw / divisor, unit)

    return Entry(size * len(names), read)


def flag(name: str, size: int = 1) -> Entry:
    """A truth value; what is neither 0 nor 1 stays a number, which no row takes for true."""

    def read(data: bytes) -> Items:
        raw = int.from_bytes(data, "little")
        yield name, Named(bool(raw) if raw in (0, 1) else raw)

    return Entry(size, read)


def hexadecimal(name: str, size: int) -> Entry:
    def read(data: bytes) -> Items:
        yield name, Named(data.hex(), "hex")

    return Entry(size, read)


def skipped(size: int, reason: str) -> Entry:
    """Bytes that give nothing, for a reason."""
    return Entry(size, lambda _: (), reason)


def read_tlv(payload: bytes, entries: Mapping[bytes, Entry], tag_bytes: int) -> Found:
    """All values up to the first unknown tag. Zeros at the end are padding.

    Raises PayloadError "truncated" for a value that is cut off, and "unknown_channel" where nothing
    was understood at all.
    """
    found = Found()
    at = 0
    while any(payload[at:]):
        entry = entries.get(payload[at : at + tag_bytes])
        if entry is None:
            if not (found or found.refused):
                raise PayloadError(BROKEN)
            found.refused.append(BROKEN)
            break
        at += tag_bytes
        data = payload[at : at + entry.size]
        if len(data) < entry.size:
            raise PayloadError("truncated")
        found.update(entry.read(data))
        if entry.refused:
            found.refused.append(entry.refused)
        at += entry.size
    return found
