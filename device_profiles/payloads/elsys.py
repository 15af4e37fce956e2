"""Payloads of ELSYS sensors: type, value, the value most significant byte first.

Source: the vendor's decoder in https://github.com/TheThingsNetwork/lorawan-devices (vendor/elsys).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from device_profiles.payloads.contract import Context
from device_profiles.payloads.tlv import Entry, Items, flag, number, read_tlv, skipped
from telemetry.named import Named

_number = partial(number, order="big")
_GRID_POINTS: Final = 64


def _acceleration(data: bytes) -> Items:
    """63 counts are one g."""
    for name, byte in zip(("acceleration_x", "acceleration_y", "acceleration_z"), data, strict=True):
        count = byte - 256 if byte > 127 else byte
        yield name, Named(round(count / 63, 4), "g")


def _infrared(data: bytes) -> Items:
    for name, at in (("ir_internal_temperature", 0), ("ir_external_temperature", 2)):
        yield name, Named(int.from_bytes(data[at : at + 2], "big", signed=True) / 10, "Cel")


def _occupancy(data: bytes) -> Items:
    """0 nobody, 1 somebody may be coming or going, 2 somebody."""
    yield "occupancy", Named(data[0] == 2 if data[0] in (0, 1, 2) else data[0])
    yield "occupancy_state", Named(data[0])


def _water_leak(data: bytes) -> Items:
    yield "water_leak", Named(data[0] > 0)
    yield "water_leak_level", Named(data[0])


def _grid(data: bytes) -> Items:
    points = tuple(round(data[0] + byte / 10, 1) for byte in data[1:])
    yield "grid_temperatures", Named(points, "Cel")


def _sound(data: bytes) -> Items:
    yield "sound_level_peak", Named(data[0], "dB")
    yield "sound_level_eq", Named(data[1], "dB")


def _place(data: bytes) -> Items:
    """Where the sensor hangs is configured, not measured."""
    del data
    return ()


_ENTRIES: Final[dict[bytes, Entry]] = {
    b"\x01": _number("temperature", 2, divisor=10, unit="Cel", signed=True),
    b"\x02": _number("relative_humidity", 1, unit="%"),
    b"\x03": Entry(3, _acceleration),
    b"\x04": _number("illuminance", 2, unit="lx"),
    b"\x05": _number("motion_count", 1),
    b"\x06": _number("co2", 2, unit="ppm"),
    b"\x07": _number("battery_voltage", 2, divisor=1000, unit="V"),
    b"\x08": _number("analog_1", 2, divisor=1000, unit="V"),
    b"\x09": Entry(6, _place),
    b"\x0a": _number("pulses_1", 2),
    b"\x0b": _number("pulses_1_total", 4),
    b"\x0c": _number("external_temperature", 2, divisor=10, unit="Cel", signed=True),
    b"\x0d": flag("external_digital"),
    b"\x0e": _number("distance", 2, unit="mm"),
    b"\x0f": _number("vibration_count", 1),
    b"\x10": Entry(4, _infrared),
    b"\x11": Entry(1, _occupancy),
    b"\x12": Entry(1, _water_leak),
    b"\x13": Entry(1 + _GRID_POINTS, _grid),
    b"\x14": _number("pressure", 4, divisor=1000, unit="hPa", signed=True),
    b"\x15": Entry(2, _sound),
    b"\x16": _number("pulses_2", 2),
    b"\x17": _number("pulses_2_total", 4),
    b"\x18": _number("analog_2", 2, divisor=1000, unit="V"),
    b"\x19": _number("external_temperature_2", 2, divisor=10, unit="Cel", signed=True),
    b"\x1a": flag("external_digital_2"),
    b"\x1b": _number("external_voltage", 4, divisor=1_000_000, unit="V", signed=True),
    b"\x1c": _number("voc", 2, unit="ppb"),
    b"\x3d": skipped(4, ""),
}


def decode(payload: bytes, context: Context) -> Mapping[str, Named]:
    del context
    return read_tlv(payload, _ENTRIES, tag_bytes=1)
