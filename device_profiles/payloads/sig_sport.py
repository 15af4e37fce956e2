"""Characteristics of heart rate straps and foot pods.

Sources: Heart Rate Service 1.0 (0x2A37), Running Speed and Cadence Service 1.0 (0x2A53), of the
Bluetooth SIG, https://www.bluetooth.com/specifications/specs/.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from device_profiles.payloads.contract import Context
from device_profiles.payloads.sig_reader import Fields
from telemetry.named import Named

Values = Mapping[str, Named]
_TICKS_PER_S: Final = 1024
_NO_CADENCE: Final = 0xFF


def decode_heart_rate(payload: bytes, _context: Context) -> Values:
    """Heart Rate Measurement: the rate, whether the strap touches skin (absent where the device cannot
    tell), energy, and the intervals between beats since the last message, in ms. Raises PayloadError.

    A strap that finds no beat sends 0, which is no rate.
    """
    fields = Fields(payload)
    rate = fields.number(2 if fields.has(0) else 1)
    values = {"heart_rate": Named(rate or None, "/min")}
    if fields.has(2):
        values["skin_contact"] = Named(fields.has(1))
    energy = fields.optional(3, 2)
    if energy is not None:
        values["energy_expended"] = Named(energy, "kJ")
    values["rr_intervals"] = Named(_intervals(fields.rest()) if fields.has(4) else (), "ms")
    return values


def _intervals(data: bytes) -> tuple[float, ...]:
    """Pairs of bytes in 1/1024 s; one that is cut off at the end is left out."""
    return tuple(
        round(int.from_bytes(data[at : at + 2], "little") * 1000 / _TICKS_PER_S, 3)
        for at in range(0, len(data) - 1, 2)
    )


def decode_running_speed(payload: bytes, _context: Context) -> Values:
    """RSC Measurement: speed in 1/256 m/s, steps a minute, stride in cm, distance in dm. Raises
    PayloadError.
    """
    fields = Fields(payload)
    speed, cadence = fields.number(2), fields.number(1)
    values = {
        "running_speed": Named(speed / 256, "m/s"),
        "cadence": Named(None if cadence == _NO_CADENCE else cadence, "/min"),
    }
    stride, distance = fields.optional(0, 2), fields.optional(1, 4)
    if stride is not None:
        values["stride_length"] = Named(stride / 100, "m")
    if distance is not None:
        values["total_distance"] = Named(distance / 10, "m")
    values["is_running"] = Named(fields.has(2))
    return values
