"""JSON from devices: bounded, and an error that never repeats what came."""

from __future__ import annotations

from typing import Any, Final

import msgspec

PAYLOAD_BYTES_MAX: Final = 64 * 1024


class DecodeError(ValueError):
    """The payload is no JSON that is read here; `reason` is one of a few fixed words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


_decode = msgspec.json.Decoder().decode


def parse_json(payload: bytes) -> Any:
    """The JSON value. Raises DecodeError: "empty", "too_large", "too_deep", "not_json"."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise DecodeError("too_large")
    if not payload:
        raise DecodeError("empty")
    try:
        return _decode(payload)
    except RecursionError:
        raise DecodeError("too_deep") from None
    except (msgspec.MsgspecError, UnicodeError):
        raise DecodeError("not_json") from None
