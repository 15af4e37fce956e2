"""Codecs of payloads that rows of a profile cannot describe: TLV families, flags, encryption."""

from __future__ import annotations

from typing import Final

from device_profiles.payloads.bluetooth import BLUETOOTH
from device_profiles.payloads.contract import NO_CONTEXT, Context, Found, PayloadCodec, PayloadError
from device_profiles.payloads.elsys import ELSYS
from device_profiles.payloads.milesight import MILESIGHT
from device_profiles.payloads.sensecap import SENSECAP

__all__ = ["NO_CONTEXT", "PAYLOADS", "Context", "Found", "PayloadCodec", "PayloadError"]

PAYLOADS: Final[dict[str, PayloadCodec]] = {**BLUETOOTH, **ELSYS, **MILESIGHT, **SENSECAP}
"""Name, as a profile gives it → a codec."""
