"""SwitchBot's meters: temperature with its tenths in a byte of their own, humidity, carbon dioxide.

Source: the vendor's https://github.com/OpenWonderLabs/SwitchBotAPI-BLE; for what stands under the company's
number https://decoder.theengs.io/devices/devices.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from device_profiles.payloads.contract import Context, PayloadError
from telemetry.named import Named

Values = Mapping[str, Named]
_LOW_BITS: Final = 0x7F
_ABOVE_ZERO: Final = 0x80
_TENTHS: Final = 0x0F
_METER_BYTES: Final = 6
_MADE_BYTES_MIN: Final = 11
_CO2_AT: Final = 13


def _climate(tenths: int, degrees: int, humidity: int) -> dict[str, Named]:
    size = (degrees & _LOW_BITS) + (tenths & _TENTHS) / 10
    return {
        "temperature": Named(size if degrees & _ABOVE_ZERO else 0.0 - size, "Cel"),
        "relative_humidity": Named(humidity & _LOW_BITS, "%"),
    }


def decode_meter(payload: bytes, _context: Context) -> Values:
    """Service data of Meter and Meter Plus: model, state, battery, climate. Raises PayloadError."""
    if len(payload) != _METER_BYTES:
        raise PayloadError("bad_length")
    return _climate(*payload[3:6]) | {"battery": Named(payload[2] & _LOW_BITS, "%")}


def decode_made(payload: bytes, _context: Context) -> Values:
    """Data under the company's number, of all meters: address, two bytes, climate; the CO2 meter has
    its concentration behind them. Raises PayloadError.
    """
    if len(payload) < _MADE_BYTES_MIN:
        raise PayloadError("truncated")
    values = _climate(*payload[8:11])
    if len(payload) >= _CO2_AT + 2:
        values["co2"] = Named(int.from_bytes(payload[_CO2_AT : _CO2_AT + 2], "big"), "ppm")
    return values
