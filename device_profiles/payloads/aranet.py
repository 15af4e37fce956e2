"""Aranet4, Aranet2, and the radon and radiation meters: the advertisements of company 0x0702.

Source: the vendor's own client, https://github.com/Anrijs/Aranet4-Python (docs/UUIDs.md). Without "Smart
Home integrations" switched on in the app a device tells its version only.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from device_profiles.payloads.contract import Context, PayloadError
from telemetry.named import Named

Values = Mapping[str, Named]
_INTEGRATIONS: Final = 0x20
_NO_VALUE: Final = 0x8000
_NO_HUMIDITY: Final = 0x80
_NO_RADON: Final = 0x1F00
_NO_TEMPERATURE: Final = 0x4000


def decode_aranet4(payload: bytes, _context: Context) -> Values:
    """Flags and version, then from byte 8 carbon dioxide, temperature, pressure, humidity, battery,
    colour, interval, age. Raises PayloadError ("integrations_off").
    """
    _check(payload, 0, 21)
    co2, temperature, pressure, humidity, battery, status, interval, age = struct.unpack_from(
        "<HHHBBBHH", payload, 8
    )
    return {
        "co2": Named(None if co2 & _NO_VALUE else co2, "ppm"),
        "temperature": _temperature(temperature),
        "pressure": Named(None if pressure & _NO_VALUE else pressure / 10, "hPa"),
        "relative_humidity": Named(None if humidity & _NO_HUMIDITY else humidity, "%"),
        "battery": Named(battery, "%"),
        "status": Named(status),
        "interval": Named(interval, "s"),
        "age": Named(age, "s"),
    }


def decode_aranet2(payload: bytes, _context: Context) -> Values:
    """A byte of kind (1), flags and version, then from byte 10 temperature, 2 bytes of no use, humidity, a
    byte, battery, status, interval, age, counter. Raises PayloadError ("integrations_off").
    """
    _check(payload, 1, 24)
    temperature, humidity, battery, status, interval, age, count = struct.unpack_from(
        "<HxxHxBBHHB", payload, 10
    )
    return {
        "temperature": _temperature(temperature),
        "relative_humidity": Named(None if humidity & _NO_VALUE else humidity / 10, "%"),
        "battery": Named(battery, "%"),
        "status": Named(status),
        "interval": Named(interval, "s"),
        "age": Named(age, "s"),
        "packet": Named(count),
    }


def decode_radon(payload: bytes, _context: Context) -> Values:
    """As Aranet2, kind 3, with radon before and pressure after the temperature. Raises PayloadError
    ("integrations_off").
    """
    _check(payload, 1, 24)
    radon, temperature, pressure, humidity, battery, status, interval, age, count = struct.unpack_from(
        "<HHHHxBBHHB", payload, 8
    )
    return {
        "radon": Named(None if radon >= _NO_RADON else radon, "Bq/m3"),
        "temperature": _temperature(temperature),
        "pressure": Named(None if pressure & _NO_VALUE else pressure / 10, "hPa"),
        "relative_humidity": Named(None if humidity & _NO_VALUE else humidity / 10, "%"),
        "battery": Named(battery, "%"),
        "status": Named(status),
        "interval": Named(interval, "s"),
        "age": Named(age, "s"),
        "packet": Named(count),
    }


def decode_radiation(payload: bytes, _context: Context) -> Values:
    """Kind 2: the dose in nSv, for how many seconds it was summed, and its rate in steps of 10 nSv/h.
    Raises PayloadError ("integrations_off").
    """
    _check(payload, 1, 24)
    dose, duration, rate, battery, interval, age, count = struct.unpack_from("<IIHxBxHHB", payload, 6)
    return {
        "radiation_rate": Named(None if rate & _NO_VALUE else rate / 100, "uSv/h"),
        "radiation_total": Named(dose / 1_000_000, "mSv"),
        "radiation_duration": Named(duration, "s"),
        "battery": Named(battery, "%"),
        "interval": Named(interval, "s"),
        "age": Named(age, "s"),
        "packet": Named(count),
    }


def _check(payload: bytes, flags_at: int, length: int) -> None:
    if len(payload) <= flags_at:
        raise PayloadError("truncated")
    if not payload[flags_at] & _INTEGRATIONS:
        raise PayloadError("integrations_off")
    if len(payload) < length:
        raise PayloadError("truncated")


def _temperature(raw: int) -> Named:
    """Steps of 0.05 °C. 0x4000 and above mean that there is none, but below zero bit 15 is set as well."""
    if raw & _NO_VALUE:
        raw -= 0x10000
    absent = raw >= _NO_TEMPERATURE or raw < -_NO_TEMPERATURE
    return Named(None if absent else round(raw * 0.05, 2), "Cel")
