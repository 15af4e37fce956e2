"""Bytes as people and tools write them: hexadecimal, or a field of a JSON object."""

from __future__ import annotations

import binascii
import re
from typing import Any, Final

from device_profiles.parsing import DecodeError, parse_json

HEX_CHARACTERS_MAX: Final = 16_384
_BETWEEN = re.compile(r"[\s:,;-]+|0x")
_HEX = re.compile(r"(?:[0-9a-fA-F]{2})*").fullmatch


class InputError(ValueError):
    """A text that holds no input; `reason` is one fixed word, the message says what was expected."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def hex_bytes(text: str) -> bytes:
    """The bytes of hexadecimal digits, whatever stands between the pairs. Raises InputError."""
    digits = _BETWEEN.sub("", text)
    if len(digits) > HEX_CHARACTERS_MAX or not _HEX(digits):
        raise InputError("not_hex", "expected pairs of hexadecimal digits, such as 42 4d 00 1c")
    return bytes.fromhex(digits)


def json_object(text: str) -> dict[str, Any]:
    """Raises InputError."""
    try:
        value = parse_json(text.encode("utf-8", "surrogatepass"))
    except DecodeError as error:
        raise InputError(error.reason, "expected hexadecimal digits or a JSON object") from None
    if not isinstance(value, dict):
        raise InputError("not_an_object", "expected hexadecimal digits or a JSON object")
    return value


def text_field(given: dict[str, Any], name: str) -> str | None:
    value = given.get(name)
    return value if isinstance(value, str) else None


def hex_field(given: dict[str, Any], *names: str) -> bytes:
    """The bytes of the first of these fields that there is. Raises InputError."""
    for name in names:
        if isinstance(given.get(name), str):
            return hex_bytes(given[name])
    raise InputError("not_hex", f"expected a field {' or '.join(names)} of hexadecimal digits")


def hex_or_base64_field(given: dict[str, Any], *names: str) -> bytes:
    """As `hex_field`, for what network servers write in base64. Raises InputError."""
    try:
        return hex_field(given, *names)
    except InputError:
        text = next((given[name] for name in names if isinstance(given.get(name), str)), "")
        try:
            found = binascii.a2b_base64(text.strip(), strict_mode=True)
        except ValueError:
            found = b""
        if not found:
            raise
        return found
