"""Xiaomi's scales: the two older ones of services 181D and 181B, and S200 and S400, which speak MiBeacon.

Source of the older layout: the Bluetooth weight scale service, of which they are a dialect: a byte (or two)
of flags, the mass, the date.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

from device_profiles.payloads.contract import Context, PayloadError
from telemetry.named import Named

Values = Mapping[str, Named]
_POUNDS, _JIN, _STABLE, _REMOVED = 0x01, 0x10, 0x20, 0x80
_V2_JIN, _V2_IMPEDANCE = 0x40, 0x02
_KG_OF_POUND: Final = 0.45359237
_KG_OF_JIN: Final = 0.5
_NO_MASS: Final = 0x7FF
_HEART_RATE_BASE: Final = 50
_NO_HEART_RATE: Final = 127


def decode_scale(payload: bytes, _context: Context) -> Values:
    """Service 181D, models XMTZC01HM and XMTZC04HM: 10 bytes. Raises PayloadError."""
    if len(payload) != 10:
        raise PayloadError("bad_length")
    flags, raw = struct.unpack_from("<BH", payload)
    return _weighed(
        raw, pounds=flags & _POUNDS, jin=flags & _JIN, stable=flags & _STABLE, gone=flags & _REMOVED
    )


def decode_body_scale(payload: bytes, _context: Context) -> Values:
    """Service 181B, models XMTZC02HM, XMTZC05HM and NUN4049CN: 13 bytes. Raises PayloadError."""
    if len(payload) != 13:
        raise PayloadError("bad_length")
    units, flags = payload[0], payload[1]
    impedance, raw = struct.unpack_from("<HH", payload, 9)
    found = dict(
        _weighed(
            raw, pounds=units & _POUNDS, jin=flags & _V2_JIN, stable=flags & _STABLE, gone=flags & _REMOVED
        )
    )
    if "body_mass" in found and flags & _V2_IMPEDANCE:
        found["impedance"] = Named(impedance, "Ohm")
    return found


def _weighed(raw: int, *, pounds: int, jin: int, stable: int, gone: int) -> Values:
    """A mass is a person's only when it has settled and the person still stands there; `mass` is what the
    scale shows once it has settled, also after the person has stepped off.
    """
    kg_of_step = 0.01 * _KG_OF_JIN if jin else 0.01 * _KG_OF_POUND if pounds else 0.005
    mass = Named(round(raw * kg_of_step, 6), "kg")
    settled = bool(stable) and not gone and raw > 0
    found = {"mass_non_stabilized": mass, "stabilized": Named(settled)}
    if stable and raw > 0:
        found["mass"] = mass
    return found | {"body_mass": mass} if settled else found


def read_s200(data: bytes, _model: str) -> Values:
    """Object 0x4E16: user, mass, time. Raises struct.error."""
    user, mass, _seconds = struct.unpack("<BII", data)
    if mass == 0:
        return {}
    return {
        "body_mass": Named(mass / 100, "kg"),
        "stabilized": Named(True),
        "profile_id": Named(user),
    }


def read_s400(data: bytes, _model: str) -> Values:
    """Object 0x6E16: user, then 11 bits of mass, 7 of heart rate, 14 of impedance. With the mass comes the
    impedance at 50 kHz, after it alone that at 250 kHz; without shoes off there is only the mass.
    Raises struct.error.
    """
    user, packed, _seconds = struct.unpack("<BII", data)
    mass, rate, impedance = packed & 0x7FF, packed >> 11 & 0x7F, packed >> 18
    if mass == _NO_MASS:
        mass = 0
    found = {"profile_id": Named(user)}
    if mass:
        found["body_mass"] = Named(mass / 10, "kg")
    if 0 < rate < _NO_HEART_RATE:
        found["heart_rate"] = Named(rate + _HEART_RATE_BASE, "/min")
    last = impedance > 0 and mass == 0 and rate == 0
    if impedance:
        found["impedance_high" if last else "impedance_low"] = Named(impedance / 10, "Ohm")
    found["stabilized"] = Named(last or (impedance == 0 and (mass > 0 or rate > 0)))
    return found
