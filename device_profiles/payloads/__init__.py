"""Codecs of payloads that rows of a profile cannot describe: TLV families, flags, encryption."""

from __future__ import annotations

from typing import Final

from device_profiles.payloads.contract import NO_CONTEXT, Context, PayloadCodec, PayloadError

__all__ = ["NO_CONTEXT", "PAYLOADS", "Context", "PayloadCodec", "PayloadError"]

PAYLOADS: Final[dict[str, PayloadCodec]] = {}
"""Name, as a profile gives it → a codec."""
