"""Govee's sensors that pack several values into one number, and its thermometer of six probes.

The vendor publishes no layout; sources are the decoders of two projects that agree,
https://github.com/Bluetooth-Devices/govee-ble and https://decoder.theengs.io/devices/devices.html.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from device_profiles.payloads.contract import Context, PayloadError
from telemetry.named import Named

Values = Mapping[str, Named]
_FAULT: Final = 0x80
_PROBE_BYTES: Final = 22
_PAIRS: Final = {0x00: 1, 0x40: 3, 0x80: 5}
_NO_PROBE: Final = -1


def decode_packed(payload: bytes, _context: Context) -> Values:
    """After one or two bytes (5 or 6 in all, or 8 with two more): 3 bytes of temperature and humidity,
    then battery, whose highest bit tells a fault. Raises PayloadError.
    """
    if len(payload) not in {6, 8}:
        raise PayloadError("bad_length")
    start = 1 if payload[0] == 0 else 2
    negative, packed = _packed(payload[start : start + 3])
    battery = payload[start + 3]
    faulty = bool(battery & _FAULT)
    tenths, humidity = divmod(packed, 1000)
    temperature = (-tenths if negative else tenths) / 10
    return {
        "temperature": Named(None if faulty else temperature, "Cel"),
        "relative_humidity": Named(None if faulty else humidity / 10, "%"),
        "battery": Named(battery & ~_FAULT, "%"),
    }


def decode_packed_pm(payload: bytes, _context: Context) -> Values:
    """H5106: 4 bytes of temperature, humidity and PM2.5. Raises PayloadError."""
    if len(payload) != 6:
        raise PayloadError("bad_length")
    negative, packed = _packed(payload[2:])
    rest, particles = divmod(packed, 1000)
    tenths, humidity = divmod(rest, 1000)
    return {
        "temperature": Named((-tenths if negative else tenths) / 10, "Cel"),
        "relative_humidity": Named(humidity / 10, "%"),
        "pm2_5": Named(particles, "ug/m3"),
    }


def _packed(data: bytes) -> tuple[bool, int]:
    """Decimal places of one number hold the values; its highest bit is the temperature's sign."""
    number = int.from_bytes(data, "big")
    sign = 1 << (8 * len(data) - 1)
    return bool(number & sign), number & ~sign


def decode_probes(payload: bytes, _context: Context) -> Values:
    """H5055, behind the 2 bytes of company: battery, which pair of probes this is and which of the two are
    there, then for each a whole temperature and its limits. Raises PayloadError.
    """
    if len(payload) != _PROBE_BYTES:
        raise PayloadError("bad_length")
    which = payload[5]
    first = _PAIRS.get(which & 0xC0)
    if first is None:
        raise PayloadError("unknown_packet")
    values = {"battery": Named(payload[4] & 0x7F, "%")}
    for number, at in ((first, 7), (first + 1, 14)):
        raw = int.from_bytes(payload[at : at + 2], "little", signed=True)
        present = which >> (number - 1) & 1 and raw != _NO_PROBE
        values[f"probe_temperature_{number}"] = Named(raw if present else None, "Cel")
    return values
