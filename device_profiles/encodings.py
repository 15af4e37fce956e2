"""How a message over MQTT is written: JSON, or Sparkplug B."""

from __future__ import annotations

from typing import Any

from device_profiles.input_text import hex_bytes, hex_field, json_object
from device_profiles.parsing import parse_json
from device_profiles.sparkplug import parse_sparkplug

SPARKPLUG_B = "sparkplug-b"


def parse_payload(encoding: str, payload: bytes) -> Any:
    """A message in the encoding that a profile names. Raises DecodeError."""
    if encoding == SPARKPLUG_B:
        return parse_sparkplug(payload)
    assert encoding == "json", "the schema has checked the encoding"
    return parse_json(payload)


def messages_of(encoding: str, text: str) -> list[bytes]:
    """What examples and `campus profile decode` are given: a JSON text as it stands; of binary messages
    the hexadecimal digits, or {"data": digits}, one a line, those before the last sent before it.
    Raises InputError.
    """
    if encoding != SPARKPLUG_B:
        return [text.encode("utf-8", "surrogatepass")]
    if text.strip().startswith("{"):
        return [hex_field(json_object(text), "data")]
    return [hex_bytes(line) for line in text.splitlines() if line.strip()] or [b""]
