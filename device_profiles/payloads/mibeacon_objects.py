"""The objects of MiBeacon that are a number, a yes or no, or a few states: one row each.

Sources: the vendor's object definition (https://iot.mi.com/new/doc/accesses/direct-access/
embedded-development/ble/object-definition) for 0x0000 to 0x3FFF; from 0x4800 on the objects are those of
the MIoT specification of each model (https://home.miot-spec.com/).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from math import exp
from typing import Final, NamedTuple

from device_profiles.payloads.mibeacon_models import (
    LIGHT_AT_100,
    LIGHT_FROM_100,
    TWO_LEAK_SIDES,
    WHOLE_HUMIDITY,
)
from telemetry.named import Named, Value

Values = Mapping[str, Named]
Reader = Callable[[bytes, str], Values]
"""An object's bytes and the model in; a ValueError (struct.error, IndexError) for what does not fit."""
IDLE_S_MAX: Final = 30
"""No movement for so long or less still counts as movement: what the vendor's app shows."""


class ObjectRow(NamedTuple):
    """A number: name, how it is packed (as struct writes it; "3" for 24 bits), scale, unit."""

    name: str
    form: str
    scale: float = 1
    unit: str = "1"
    decimals: int = 6


ROWS: Final[dict[int, ObjectRow]] = {
    0x000A: ObjectRow("body_temperature", "h", 0.01, "Cel"),
    0x1004: ObjectRow("temperature", "h", 0.1, "Cel"),
    0x1008: ObjectRow("soil_moisture", "B", 1, "%"),
    0x1009: ObjectRow("soil_conductivity", "H", 1, "uS/cm"),
    0x100A: ObjectRow("battery", "B", 1, "%"),
    0x1010: ObjectRow("formaldehyde", "H", 0.01, "mg/m3"),
    0x1013: ObjectRow("consumable", "B", 1, "%"),
    0x4801: ObjectRow("temperature", "f", 1, "Cel", 1),
    0x4802: ObjectRow("relative_humidity", "B", 1, "%"),
    0x4803: ObjectRow("battery", "B", 1, "%"),
    0x4805: ObjectRow("illuminance", "f", 1, "lx"),
    0x4808: ObjectRow("relative_humidity", "f", 1, "%", 1),
    0x483D: ObjectRow("pressure_present_duration", "I", 1, "s"),
    0x483E: ObjectRow("pressure_not_present_duration", "I", 1, "s"),
    0x4851: ObjectRow("duration_detected", "B", 1, "min"),
    0x4852: ObjectRow("duration_cleared", "B", 1, "min"),
    0x4C01: ObjectRow("temperature", "f", 1, "Cel", 2),
    0x4C02: ObjectRow("relative_humidity", "B", 1, "%"),
    0x4C03: ObjectRow("battery", "B", 1, "%"),
    0x4C08: ObjectRow("relative_humidity", "f", 1, "%", 2),
    0x4C14: ObjectRow("mode", "B"),
    0x5003: ObjectRow("battery", "B", 1, "%"),
    0x5414: ObjectRow("mode", "B"),
}

TRUTHS: Final = {
    0x1012: "switched_on",
    0x1014: "water_leak",
    0x1015: "smoke",
    0x1018: "light",
    0x483C: "occupancy",
    0x484E: "occupancy",
    0x4A01: "battery_low",
    0x4E01: "battery_low",
    0x4E1C: "device_reset",
    0x5413: "occupancy_close_range",
}
"""Any value but 0 is a yes."""

_OPEN: Final = {"open": True}
_CLOSED: Final = {"open": False, "left_open": False}
_LEFT_OPEN: Final = {"open": True, "left_open": True}
_SHUT_AGAIN: Final = {"open": False, "left_open": False, "tamper": False}
STATES: Final[dict[int, dict[int, Mapping[str, Value]]]] = {
    0x0003: {at: {"motion": True, "motion_event": "motion_detected"} for at in range(256)},
    0x0007: {
        0: {"open": True, "door_stuck": False, "knock_on_the_door": False},
        1: {"open": False, "left_open": False, "tamper": False},
        2: _LEFT_OPEN,
        3: {"open": False, "knock_on_the_door": True},
        4: {"open": True, "tamper": True},
        5: {"open": False, "door_stuck": True},
    },
    0x1019: {0: _OPEN, 1: _CLOSED, 2: _LEFT_OPEN},
    0x4804: {1: _OPEN, 2: _SHUT_AGAIN},
    0x480C: {0: _OPEN, 1: {"open": False}},
    0x4A0F: {1: {"open": True, "tamper": True}},
    0x4A12: {1: _OPEN, 2: _SHUT_AGAIN},
    0x4A1A: {1: _LEFT_OPEN},
    0x5422: {
        0: {"charging_state": "Charging"},
        1: {"charging_state": "Not Charging"},
        2: {"charging_state": "Full"},
    },
    0x5810: {0: {"asleep": True}, 1: {"asleep": False}},
    0x6461: {0: {"wearing": True}, 1: {"wearing": False}},
}
"""Object → first byte → what it says. Doors: 2 is "not closed in time", and so is what was pried open."""


def _plain(**values: Value) -> Values:
    return {name: Named(value) for name, value in values.items()}


def _humidity(data: bytes, model: str) -> Values:
    raw: int = struct.unpack("<H", data)[0]
    return {"relative_humidity": Named(raw // 10 if model in WHOLE_HUMIDITY else raw / 10, "%")}


def _climate(data: bytes, _model: str) -> Values:
    temperature, humidity = struct.unpack("<hH", data)
    return {"temperature": Named(temperature / 10, "Cel"), "relative_humidity": Named(humidity / 10, "%")}


def _kettle(data: bytes, _model: str) -> Values:
    return {"switched_on": Named(bool(data[0])), "temperature": Named(data[1], "Cel")}


def _moving_with_light(data: bytes, model: str) -> Values:
    raw = _uint24(data)
    found: dict[str, Named] = {"motion": Named(True)}
    if model in LIGHT_FROM_100:
        found["light"] = Named(raw >= 100)
    elif model == "CGPR1":
        found["illuminance"] = Named(raw, "lx")
    return found


def _light(data: bytes, model: str) -> Values:
    raw = _uint24(data)
    return {"light": Named(raw == 100)} if model in LIGHT_AT_100 else {"illuminance": Named(raw, "lx")}


def _uint24(data: bytes) -> int:
    if len(data) != 3:
        raise ValueError("expected 3 bytes")
    return int.from_bytes(data, "little")


def _idle(data: bytes, _model: str) -> Values:
    if len(data) not in {2, 4}:
        raise ValueError("expected 2 or 4 bytes")
    idle_s = int.from_bytes(data, "little")
    return {"motion": Named(idle_s <= IDLE_S_MAX), "idle_time": Named(idle_s, "s")}


def _still(_data: bytes, _model: str) -> Values:
    return _plain(motion=False)


def _motion_with_lux(data: bytes, _model: str) -> Values:
    return {"motion": Named(True), "illuminance": Named(struct.unpack("<f", data)[0], "lx")}


def _leak(data: bytes, model: str) -> Values:
    wet = data[0] > 0
    return (
        _plain(water_leak=wet, bottom_submersion=wet) if model in TWO_LEAK_SIDES else _plain(water_leak=wet)
    )


def _splash(data: bytes, _model: str) -> Values:
    return _plain(top_splash=data[0] > 0)


def _leak_event(data: bytes, _model: str) -> Values:
    """0 and 1: water below, and gone; 2 and 3: on top, and gone."""
    wet = data[0] % 2 == 0
    if data[0] < 2:
        return _plain(water_leak=wet, bottom_submersion=wet)
    return _plain(top_splash=wet) if data[0] < 4 else {}


def _occupied(data: bytes, model: str) -> Values:
    """The occupancy sensor XMOSB01XS has a second word for nobody: 2."""
    return _plain(occupancy=data[0] == 1 if model == "XMOSB01XS" else data[0] > 0)


def _ear_patch(data: bytes, _model: str) -> Values:
    """A baby's thermometer sends two skin temperatures; the body's is an approximation from the app,
    good between 36.5 and 37.8 °C.
    """
    first, second, battery = struct.unpack("<hhB", data)
    body = 3.71934e-11 * exp(0.69314 * first / 100) - 1.02801e-8 * exp(0.53871 * second / 100) + 36.413
    return {"body_temperature": Named(round(body, 6), "Cel"), "battery": Named(battery, "%")}


def _safe_door(data: bytes, model: str) -> Values:
    """Not in the vendor's definition: one safe tells its door so, another device may mean anything."""
    return _plain(open=data[0] == 1) if model == "loock.safe.v1" else {}


def _toothbrush(data: bytes, _model: str) -> Values:
    found: dict[str, Value] = {"toothbrush": data[0] == 0}
    if len(data) == 2:
        found["counter" if data[0] == 0 else "score"] = data[1]
    elif len(data) == 6:
        found["score"] = data[5]
    return _plain(**found)


READERS: Final[dict[int, Reader]] = {
    0x000F: _moving_with_light,
    0x0010: _toothbrush,
    0x1005: _kettle,
    0x1006: _humidity,
    0x1007: _light,
    0x100D: _climate,
    0x100F: _safe_door,
    0x1017: _idle,
    0x101B: _still,
    0x2000: _ear_patch,
    0x3003: _toothbrush,
    0x4806: _leak,
    0x4818: _idle,
    0x484E: _occupied,
    0x487B: _splash,
    0x4A08: _motion_with_lux,
    0x4A68: _leak_event,
}


def read_simple(number: int, data: bytes, model: str) -> Values | None:
    """What an object of these tables says, or None where none has it. Raises ValueError, struct.error and
    IndexError for bytes that do not fit.
    """
    if reader := READERS.get(number):
        return reader(data, model)
    if row := ROWS.get(number):
        raw = struct.unpack(f"<{row.form}", data)[0]
        value = raw if isinstance(raw, int) and row.scale == 1 else round(raw * row.scale, row.decimals)
        return {row.name: Named(value, row.unit)}
    if name := TRUTHS.get(number):
        return _plain(**{name: data[0] > 0})
    if states := STATES.get(number):
        return _plain(**states.get(data[0], {}))
    return None
