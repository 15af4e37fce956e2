"""The objects of BTHome as rows: number, name, how many bytes, which scale.

Source: the format's own page, https://bthome.io/format/. Version 1 has the same objects up to 0x50 and
gives each one's length and type itself. A value is in the unit of the quantity that it will be; where two
objects differ only in resolution or unit, they share a name.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class Kind(Enum):
    """How the bytes of an object are to be read."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    TRUTH = "truth"
    MOMENT = "moment"
    TEXT = "text"
    BYTES = "bytes"
    BUTTON = "button"
    DIMMER = "dimmer"
    COMMAND = "command"
    VERSION = "version"


class BthomeObject(NamedTuple):
    """One row. size: bytes, 0 where the object carries its length itself."""

    name: str
    size: int
    scale: float = 1
    unit: str = "1"
    kind: Kind = Kind.UNSIGNED


_POUND_KG: Final = 0.45359237
_TRUTHS: Final = {
    0x0F: "generic",
    0x10: "switched_on",
    0x11: "open",
    0x15: "battery_low",
    0x16: "battery_charging",
    0x17: "co_alarm",
    0x18: "cold",
    0x19: "connected",
    0x1A: "open",
    0x1B: "open",
    0x1C: "gas_alarm",
    0x1D: "heat",
    0x1E: "light",
    0x1F: "unlocked",
    0x20: "water_leak",
    0x21: "motion",
    0x22: "moving",
    0x23: "occupancy",
    0x24: "plugged_in",
    0x25: "presence",
    0x26: "problem",
    0x27: "running",
    0x28: "unsafe",
    0x29: "smoke",
    0x2A: "sound",
    0x2B: "tamper",
    0x2C: "vibration",
    0x2D: "open",
}

OBJECTS: Final[dict[int, BthomeObject]] = {
    0x00: BthomeObject("packet_id", 1),
    0x01: BthomeObject("battery", 1, 1, "%"),
    0x02: BthomeObject("temperature", 2, 0.01, "Cel", Kind.SIGNED),
    0x03: BthomeObject("relative_humidity", 2, 0.01, "%"),
    0x04: BthomeObject("pressure", 3, 0.01, "hPa"),
    0x05: BthomeObject("illuminance", 3, 0.01, "lx"),
    0x06: BthomeObject("mass", 2, 0.01, "kg"),
    0x07: BthomeObject("mass", 2, 0.01 * _POUND_KG, "kg"),
    0x08: BthomeObject("dew_point", 2, 0.01, "Cel", Kind.SIGNED),
    0x09: BthomeObject("count", 1),
    0x0A: BthomeObject("energy", 3, 0.001, "kWh"),
    0x0B: BthomeObject("power", 3, 0.01, "W"),
    0x0C: BthomeObject("voltage", 2, 0.001, "V"),
    0x0D: BthomeObject("pm2_5", 2, 1, "ug/m3"),
    0x0E: BthomeObject("pm10", 2, 1, "ug/m3"),
    0x12: BthomeObject("co2", 2, 1, "ppm"),
    0x13: BthomeObject("voc_mass", 2, 0.001, "mg/m3"),
    0x14: BthomeObject("soil_moisture", 2, 0.01, "%"),
    **{number: BthomeObject(name, 1, kind=Kind.TRUTH) for number, name in _TRUTHS.items()},
    0x2E: BthomeObject("relative_humidity", 1, 1, "%"),
    0x2F: BthomeObject("soil_moisture", 1, 1, "%"),
    0x3A: BthomeObject("button", 1, kind=Kind.BUTTON),
    0x3B: BthomeObject("command", 0, kind=Kind.COMMAND),
    0x3C: BthomeObject("dimmer", 2, kind=Kind.DIMMER),
    0x3D: BthomeObject("count", 2),
    0x3E: BthomeObject("count", 4),
    0x3F: BthomeObject("rotation", 2, 0.1, "deg", Kind.SIGNED),
    0x40: BthomeObject("distance", 2, 1, "mm"),
    0x41: BthomeObject("distance", 2, 100, "mm"),
    0x42: BthomeObject("duration", 3, 0.001, "s"),
    0x43: BthomeObject("current", 2, 0.001, "A"),
    0x44: BthomeObject("speed", 2, 0.01, "m/s"),
    0x45: BthomeObject("temperature", 2, 0.1, "Cel", Kind.SIGNED),
    0x46: BthomeObject("uv_index", 1, 0.1),
    0x47: BthomeObject("volume", 2, 0.1, "L"),
    0x48: BthomeObject("volume", 2, 0.001, "L"),
    0x49: BthomeObject("volume_flow", 2, 0.001, "m3/h"),
    0x4A: BthomeObject("voltage", 2, 0.1, "V"),
    0x4B: BthomeObject("gas_volume", 3, 0.001, "m3"),
    0x4C: BthomeObject("gas_volume", 4, 0.001, "m3"),
    0x4D: BthomeObject("energy", 4, 0.001, "kWh"),
    0x4E: BthomeObject("volume", 4, 0.001, "L"),
    0x4F: BthomeObject("water", 4, 0.001, "L"),
    0x50: BthomeObject("timestamp", 4, kind=Kind.MOMENT),
    0x51: BthomeObject("acceleration", 2, 0.001, "m/s2"),
    0x52: BthomeObject("gyroscope", 2, 0.001, "deg/s"),
    0x53: BthomeObject("text", 0, kind=Kind.TEXT),
    0x54: BthomeObject("raw", 0, kind=Kind.BYTES),
    0x55: BthomeObject("volume_storage", 4, 0.001, "L"),
    0x56: BthomeObject("soil_conductivity", 2, 1, "uS/cm"),
    0x57: BthomeObject("temperature", 1, 1, "Cel", Kind.SIGNED),
    0x58: BthomeObject("temperature", 1, 0.35, "Cel", Kind.SIGNED),
    0x59: BthomeObject("count", 1, kind=Kind.SIGNED),
    0x5A: BthomeObject("count", 2, kind=Kind.SIGNED),
    0x5B: BthomeObject("count", 4, kind=Kind.SIGNED),
    0x5C: BthomeObject("power", 4, 0.01, "W", Kind.SIGNED),
    0x5D: BthomeObject("current", 2, 0.001, "A", Kind.SIGNED),
    0x5E: BthomeObject("direction", 2, 0.01, "deg"),
    0x5F: BthomeObject("rain", 2, 0.1, "mm"),
    0x60: BthomeObject("channel", 1),
    0x61: BthomeObject("rotational_speed", 2, 1, "/min"),
    0x62: BthomeObject("speed", 4, 1e-6, "m/s", Kind.SIGNED),
    0x63: BthomeObject("acceleration", 4, 1e-6, "m/s2", Kind.SIGNED),
    0x64: BthomeObject("light_level", 1),
    0x65: BthomeObject("settings_revision", 1),
    0xF0: BthomeObject("device_type_id", 2),
    0xF1: BthomeObject("firmware_version", 4, kind=Kind.VERSION),
    0xF2: BthomeObject("firmware_version", 3, kind=Kind.VERSION),
}

BUTTON_WORDS: Final = {
    0x01: "press",
    0x02: "double_press",
    0x03: "triple_press",
    0x04: "long_press",
    0x05: "long_double_press",
    0x06: "long_triple_press",
    0x80: "hold_press",
    0x81: "hold_release",
    # Shelly's buttons, before BTHome had a number for it
    0xFE: "hold_press",
}
DIMMER_WORDS: Final = {0x01: "rotate_left", 0x02: "rotate_right"}
COMMAND_WORDS: Final = {0x00: "off", 0x01: "on", 0x02: "toggle", 0x03: "step_up", 0x04: "step_down"}
