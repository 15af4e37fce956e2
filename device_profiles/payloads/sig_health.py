"""Characteristics of thermometers and scales for people.

Sources: Health Thermometer Service 1.0 (0x2A1C, 0x2A1E), Weight Scale Service 1.0 (0x2A9D), of the
Bluetooth SIG, https://www.bluetooth.com/specifications/specs/.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from device_profiles.payloads.contract import Context
from device_profiles.payloads.ieee11073 import read_float
from device_profiles.payloads.sig_reader import Fields
from telemetry.named import Named

Values = Mapping[str, Named]
_SITES: Final = {
    1: "axillary",
    2: "body",
    3: "ear",
    4: "finger",
    5: "gastro_intestinal",
    6: "mouth",
    7: "rectum",
    8: "toe",
    9: "tympanum",
}
_KG_OF_POUND: Final = 0.45359237
_M_OF_INCH: Final = 0.0254
_NO_MASS: Final = 0xFFFF
_NO_USER: Final = 0xFF
DECIMALS: Final = 6


def decode_temperature(payload: bytes, _context: Context) -> Values:
    """Temperature Measurement, in Celsius whatever the device sends. Raises PayloadError."""
    fields = Fields(payload)
    number = read_float(fields.take(4))
    if number is not None and fields.has(0):
        number = round((number - 32) * 5 / 9, DECIMALS)
    values = {"body_temperature": Named(number, "Cel")}
    if fields.has(1):
        values["timestamp"] = Named(fields.moment())
    if site := fields.optional(2, 1):
        values["site"] = Named(_SITES.get(site))
    return values


def decode_weight(payload: bytes, _context: Context) -> Values:
    """Weight Measurement, in kg and m whatever the device sends. Raises PayloadError."""
    fields = Fields(payload)
    imperial = fields.has(0)
    raw = fields.number(2)
    step_kg = 0.01 * _KG_OF_POUND if imperial else 0.005
    values = {"body_mass": Named(None if raw == _NO_MASS else round(raw * step_kg, DECIMALS), "kg")}
    if fields.has(1):
        values["timestamp"] = Named(fields.moment())
    user = fields.optional(2, 1)
    if user is not None:
        values["user_id"] = Named(None if user == _NO_USER else user)
    if index := fields.optional(3, 2):
        values["body_mass_index"] = Named(index / 10, "kg/m2")
    if height := fields.optional(3, 2):
        step_m = 0.1 * _M_OF_INCH if imperial else 0.001
        values["body_height"] = Named(round(height * step_m, DECIMALS), "m")
    return values
