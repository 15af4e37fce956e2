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
_BEACON: Final = bytes.fromhex("0215") + b"INTELLI_ROCKS_HW"
_BEACON_BYTES: Final = 25
"""A second structure of its advertisement, an iBeacon's, that some receivers leave glued to the first."""
_PROBE_BYTES: Final = 22
_PAIRS: Final = {0x00: 1, 0x40: 3, 0x80: 5}
_NO_PROBE: Final = -1


def _alone(payload: bytes) -> bytes:
    """A sensor's own bytes."""
    return payload[:-_BEACON_BYTES] if _BEACON in payload[-_BEACON_BYTES:] else payload


def decode_packed(payload: bytes, _context: Context) -> Values:
    """After one or two bytes (6 in all, or 8 with two more): 3 bytes of temperature and humidity, then
    battery, whose highest bit tells a fault. Those with 8 bytes measure no humidity, theirs is always
    60 %. Raises PayloadError.
    """
    payload = _alone(payload)
    if len(payload) not in {6, 8}:
        raise PayloadError("bad_length")
    start = 1 if payload[0] == 0 else 2
    negative, packed = _packed(payload[start : start + 3])
    battery = payload[start + 3]
    faulty = bool(battery & _FAULT)
    tenths, humidity = divmod(packed, 1000)
    temperature = (-tenths if negative else tenths) / 10
    values = {
        "temperature": Named(None if faulty else temperature, "Cel"),
        "battery": Named(battery & ~_FAULT, "%"),
    }
    if len(payload) == 8:
        return values
    return values | {"relative_humidity": Named(None if faulty else humidity / 10, "%")}


def decode_packed_pm(payload: bytes, _context: Context) -> Values:
    """H5106: 4 bytes of temperature, humidity and PM2.5. Raises PayloadError."""
    payload = _alone(payload)
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


def decode_packed_co2(payload: bytes, _context: Context) -> Values:
    """H5140: 3 bytes of temperature and humidity, 2 of carbon dioxide, a fault. Raises PayloadError."""
    payload = _alone(payload)
    if len(payload) != 8:
        raise PayloadError("bad_length")
    negative, packed = _packed(payload[2:5])
    tenths, humidity = divmod(packed, 1000)
    faulty = bool(payload[7])
    return {
        "temperature": Named(None if faulty else (-tenths if negative else tenths) / 10, "Cel"),
        "relative_humidity": Named(None if faulty else humidity / 10, "%"),
        "co2": Named(None if faulty else int.from_bytes(payload[5:7], "big"), "ppm"),
    }


def _packed(data: bytes) -> tuple[bool, int]:
    """Decimal places of one number hold the values; its highest bit is the temperature's sign."""
    number = int.from_bytes(data, "big")
    sign = 1 << (8 * len(data) - 1)
    return bool(number & sign), number & ~sign


def decode_probes(payload: bytes, _context: Context) -> Values:
    """H5055, behind the 2 bytes of company: battery, which pair of probes this is, then for each a whole
    temperature and its limits. Raises PayloadError.

    A socket without a probe says -1. The lower bits beside the pair do not tell it: they were seen clear
    for probes that measured, and set for empty sockets; the two sources disagree about them.
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
        values[f"probe_temperature_{number}"] = Named(None if raw == _NO_PROBE else raw, "Cel")
    return values
