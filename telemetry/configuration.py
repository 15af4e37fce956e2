"""What a collector tells a gateway to do: its sections, versioned, as differences.

A remote configuration is the part of ``gateway.toml`` that says what to read and how: never who the gateway
is, where it keeps its data, whom it believes and how it reaches them (`REMOTE_TABLES`). It is taken apart
into sections, each a JSON text: a table is a section of its own (``batch``), and so is each of the sources
(``modbus/hall``: the one named hall). A difference names sections; a gateway applies the whole of it or
nothing.

Offers travel in an envelope signed by the collector (`Kind.CONFIGURATION`), on the topic ``config`` or in the
answer to a post. They may be lost, repeated and reordered: the gateway tells with its status what it runs,
and is offered what it lacks.
"""

from __future__ import annotations

import hashlib  # noqa: TID251  # of configurations, which name no person
import json
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from telemetry.decoding import DECODING_ERRORS, INT_MAX, describe

FORMAT: Final = 1
SOURCE_TABLES: Final = ("mqtt", "modbus", "http", "serial", "osdp", "ble")
"""Lists of tables with a name each."""
REMOTE_TABLES: Final = ("batch", "buffer", "uplink", "report", "silence", *SOURCE_TABLES)
"""Of gateway.toml; all others belong to who stands before the gateway."""
SECTIONS_MAX: Final = 500
BYTES_MAX: Final = 512 * 1024
"""Of the texts of all sections, in UTF-8: an answer to a post is 1 MiB at most."""
NAME_CHARS_MAX: Final = 64
"""Of a source."""
REASON_CHARS_MAX: Final = 1_000
DIGEST_CHARS_MAX: Final = 64

Sections = Mapping[str, str]
"""By name, each the JSON of its table, written canonically."""


class ConfigurationError(ValueError):
    """What is no remote configuration, or does not fit; the message says where."""


class OtherFormatError(ConfigurationError):
    """An offer of a format that this program does not know."""


class Offer(msgspec.Struct, frozen=True, array_like=True):
    """A version for one gateway, as the difference from another one.

    base: digest of the sections it starts from; empty: from none, whatever runs. changed: new or other sections; removed:
    their names. digest: of the outcome.
    """

    format: int
    school: str
    gateway: str
    version: int
    issued_ms: int
    base: str
    changed: dict[str, str]
    removed: list[str]
    digest: str


class Running(msgspec.Struct, frozen=True, array_like=True):
    """What a gateway says of its configuration, in its status. version 0: none from a collector.

    refused: the version that could not be applied, and why in words for people.
    """

    version: int
    digest: str
    refused: int | None = None
    reason: str = ""


def split(document: Mapping[str, Any]) -> dict[str, str]:
    """The sections of a configuration as TOML has it. Raises ConfigurationError, also for a table that a
    collector may not set.
    """
    found: dict[str, str] = {}
    for table, value in document.items():
        if table not in REMOTE_TABLES:
            raise ConfigurationError(
                f"[{table}] cannot come from the collector; these can: {', '.join(REMOTE_TABLES)}"
            )
        if table not in SOURCE_TABLES:
            found[table] = _json(value)
            continue
        if not isinstance(value, list):
            raise ConfigurationError(f"{table}: write [[{table}]], a table for each source")
        for one in value:
            name = one.get("name") if isinstance(one, dict) else None
            if not isinstance(name, str) or not 0 < len(name) <= NAME_CHARS_MAX:
                raise ConfigurationError(
                    f"[[{table}]]: each needs a name of at most {NAME_CHARS_MAX} characters, by which it is told apart"
                )
            if f"{table}/{name}" in found:
                raise ConfigurationError(f"[[{table}]]: there are two named {name}")
            found[f"{table}/{name}"] = _json(one)
    _check_size(found)
    return found


def join(sections: Sections) -> dict[str, Any]:
    """The configuration as TOML has it. Raises ConfigurationError."""
    document: dict[str, Any] = {}
    for name in sorted(sections):
        table, slash, _ = name.partition("/")
        if table not in REMOTE_TABLES or bool(slash) != (table in SOURCE_TABLES):
            raise ConfigurationError(f"section {name} is none that a collector may set")
        try:
            value = json.loads(sections[name])
        except (ValueError, RecursionError):
            raise ConfigurationError(f"section {name} is no JSON") from None
        if slash:
            document.setdefault(table, []).append(value)
        else:
            document[table] = value
    return document


def digest(sections: Sections) -> str:
    """Hexadecimal SHA-256 by which both sides tell that they mean the same; empty for no sections."""
    if not sections:
        return ""
    return hashlib.sha256(msgspec.msgpack.encode(sorted(sections.items()))).hexdigest()


def difference(before: Sections, after: Sections) -> tuple[dict[str, str], list[str]]:
    """What is changed or new, and the names of what is gone."""
    changed = {name: text for name, text in after.items() if before.get(name) != text}
    return changed, sorted(before.keys() - after.keys())


def apply(before: Sections, offer: Offer) -> dict[str, str]:
    """The sections after an offer. Raises ConfigurationError where it starts from something else than
    `before`, or does not come out as it says.
    """
    if not offer.base:
        before = {}
    elif offer.base != digest(before):
        raise ConfigurationError("the offer starts from another configuration than the one that runs")
    after = {name: text for name, text in before.items() if name not in offer.removed} | offer.changed
    _check_size(after)
    if digest(after) != offer.digest:
        raise ConfigurationError("the offer does not come out as it says")
    return after


def encode_offer(offer: Offer) -> bytes:
    return msgspec.msgpack.encode(offer)


def decode_offer(data: bytes) -> Offer:
    """Raises ConfigurationError."""
    try:
        offer = msgspec.msgpack.decode(data, type=Offer)
    except DECODING_ERRORS as error:
        raise ConfigurationError(f"no offer: {describe(error)}") from None
    if offer.format != FORMAT:
        raise OtherFormatError("an offer of another format; the gateway needs a newer program")
    if not 0 < offer.version <= INT_MAX or not 0 <= offer.issued_ms <= INT_MAX:
        raise ConfigurationError("an offer with a number out of range")
    if len(offer.removed) > SECTIONS_MAX:
        raise ConfigurationError(f"an offer that removes {len(offer.removed)} sections")
    _check_size(offer.changed)
    return offer


def _check_size(sections: Sections) -> None:
    if len(sections) > SECTIONS_MAX:
        raise ConfigurationError(f"{len(sections)} sections; at most {SECTIONS_MAX} can be sent")
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in sections.values())
    if size > BYTES_MAX:
        raise ConfigurationError(f"a configuration of {size} bytes; at most {BYTES_MAX} can be sent")


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError):
        raise ConfigurationError("dates and numbers without end cannot be sent; write text") from None
