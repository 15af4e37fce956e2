"""Heart rates that straps and bands broadcast in their advertisements, without a connection.

Sources: the Polar SDK (https://github.com/polarofficial/polar-ble-sdk), and for XOSS and Xiaomi, who publish
none, the decoders of https://decoder.theengs.io/devices/devices.html. A band that does not measure goes on
broadcasting: 0, 255, or what an older firmware keeps there. A rate that no heart has is therefore no rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from device_profiles.payloads.contract import Context, PayloadError
from telemetry.named import Named

Values = Mapping[str, Named]
RATE_MIN: Final = 30
RATE_MAX: Final = 240
_RATE_AT: Final = 3
_BAND_BYTES: Final = 24
_BAND_KIND: Final = 0x02


def _rate(payload: bytes) -> Named:
    raw = payload[_RATE_AT]
    return Named(raw if RATE_MIN <= raw <= RATE_MAX else None, "/min")


def decode_polar(payload: bytes, _context: Context) -> Values:
    """Polar straps: flags, a code, the rate averaged over a short and over a long time. Raises
    PayloadError.
    """
    if len(payload) < 4:
        raise PayloadError("truncated")
    return {
        "heart_rate": _rate(payload),
        "heart_rate_short": Named(payload[2], "/min"),
        "battery_low": Named(bool(payload[0] & 0x01)),
        "packet": Named(payload[0] >> 2 & 0x07),
    }


def decode_xoss(payload: bytes, _context: Context) -> Values:
    """XOSS X2: the battery in byte 1. Raises PayloadError."""
    if len(payload) < 4:
        raise PayloadError("truncated")
    return {"heart_rate": _rate(payload), "battery": Named(payload[1] & 0x7F, "%")}


def decode_mi_band(payload: bytes, _context: Context) -> Values:
    """Mi Bands and Amazfit watches: 02, flags, a byte, the rate, filling, the address. Raises
    PayloadError.
    """
    if len(payload) != _BAND_BYTES or payload[0] != _BAND_KIND:
        raise PayloadError("unknown_packet")
    return {"heart_rate": _rate(payload)}
