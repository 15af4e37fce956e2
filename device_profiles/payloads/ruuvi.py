"""What of Ruuvi's formats rows cannot say: light on a logarithmic scale, numbers of 9 bits in two places,
and the sign and fraction of the oldest format.

Source: https://docs.ruuvi.com/communication/bluetooth-advertisements, formats 3, 6 and E1.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, log
from typing import Final

from device_profiles.payloads.contract import Context, PayloadError
from telemetry.named import Named

Values = Mapping[str, Named]
_LOG_STEP: Final = log(65536) / 254
"""65,535 lx is the 254th step."""
_NO_INDEX: Final = 0x1FF
_CALIBRATING, _VOC_BIT, _NOX_BIT = 0, 6, 7


def decode_format6(payload: bytes, _context: Context) -> Values:
    """Ruuvi Air in an ordinary advertisement: 20 bytes. Raises PayloadError."""
    if len(payload) < 20 or payload[0] != 0x06:
        raise PayloadError("unknown_packet")
    flags, light = payload[16], payload[13]
    return {
        **_climate(payload),
        "pm2_5": _tenths(payload, 7),
        "co2": _whole(payload, 9, "ppm"),
        **_indices(payload[11], payload[12], flags),
        "illuminance": Named(None if light == 0xFF else round(exp(light * _LOG_STEP) - 1, 2), "lx"),
        "sequence": Named(payload[15]),
    }


def decode_format_e1(payload: bytes, _context: Context) -> Values:
    """Ruuvi Air in an extended advertisement: 40 bytes. Raises PayloadError."""
    if len(payload) < 40 or payload[0] != 0xE1:
        raise PayloadError("unknown_packet")
    light = int.from_bytes(payload[19:22], "big")
    sequence = int.from_bytes(payload[25:28], "big")
    return {
        **_climate(payload),
        "pm1": _tenths(payload, 7),
        "pm2_5": _tenths(payload, 9),
        "pm4": _tenths(payload, 11),
        "pm10": _tenths(payload, 13),
        "co2": _whole(payload, 15, "ppm"),
        **_indices(payload[17], payload[18], payload[28]),
        "illuminance": Named(None if light == 0xFFFFFF else light / 100, "lx"),
        "sequence": Named(None if sequence == 0xFFFFFF else sequence),
    }


def _climate(payload: bytes) -> Values:
    temperature = int.from_bytes(payload[1:3], "big", signed=True)
    humidity = int.from_bytes(payload[3:5], "big")
    pressure = int.from_bytes(payload[5:7], "big")
    return {
        "temperature": Named(None if temperature == -0x8000 else round(temperature * 0.005, 3), "Cel"),
        "relative_humidity": Named(None if humidity == 0xFFFF else round(humidity * 0.0025, 4), "%"),
        "pressure": Named(None if pressure == 0xFFFF else (pressure + 50000) / 100, "hPa"),
    }


def _whole(payload: bytes, at: int, unit: str) -> Named:
    raw = int.from_bytes(payload[at : at + 2], "big")
    return Named(None if raw == 0xFFFF else raw, unit)


def _tenths(payload: bytes, at: int) -> Named:
    raw = int.from_bytes(payload[at : at + 2], "big")
    return Named(None if raw == 0xFFFF else raw / 10, "ug/m3")


def _indices(voc: int, nox: int, flags: int) -> Values:
    """A byte holds the upper 8 bits, the flags the lowest."""
    voc = voc << 1 | flags >> _VOC_BIT & 1
    nox = nox << 1 | flags >> _NOX_BIT & 1
    return {
        "voc_index": Named(None if voc == _NO_INDEX else voc),
        "nox_index": Named(None if nox == _NO_INDEX else nox),
        "calibrating": Named(bool(flags >> _CALIBRATING & 1)),
    }


def decode_format3(payload: bytes, _context: Context) -> Values:
    """The oldest format: temperature as a sign, a whole part and hundredths. Raises PayloadError."""
    if len(payload) != 14 or payload[0] != 0x03:
        raise PayloadError("unknown_packet")
    whole, hundredths = payload[2], payload[3]
    magnitude = (whole & 0x7F) + hundredths / 100
    values = {
        "temperature": Named(
            None if hundredths > 99 else round(-magnitude if whole & 0x80 else magnitude, 2), "Cel"
        ),
        "relative_humidity": Named(payload[1] / 2, "%"),
        "pressure": Named((int.from_bytes(payload[4:6], "big") + 50000) / 100, "hPa"),
        "battery_voltage": Named(int.from_bytes(payload[12:14], "big") / 1000, "V"),
    }
    for name, at in (("acceleration_x", 6), ("acceleration_y", 8), ("acceleration_z", 10)):
        values[name] = Named(int.from_bytes(payload[at : at + 2], "big", signed=True) / 1000, "g")
    return values
