"""Payloads of Seeed SenseCAP S210x sensors: frames of 7 bytes, then a CRC-16.

A frame is a channel, an id (2 bytes) and a value (4 bytes), each least significant byte first. Sources:
the vendor's decoder in https://github.com/TheThingsNetwork/lorawan-devices (vendor/sensecap) and
https://wiki.seeedstudio.com/sensecraft-data-platform/api/appendix/list_of_measurement_ids. The vendor's
decoder does not check the CRC; its sample payloads show that it is CRC-16/KERMIT.
"""

from __future__ import annotations

from binascii import crc_hqx
from collections.abc import Mapping
from typing import Final

from device_profiles.payloads.contract import Context, Found, PayloadError
from telemetry.named import Named

FRAME_BYTES: Final = 7
CRC_BYTES: Final = 2
_BATTERY: Final = 7
_REMOVED: Final = 0x120
_MEASUREMENTS_FROM: Final = 4097
_MEASUREMENTS: Final[dict[int, tuple[str, str]]] = {
    4097: ("temperature", "Cel"),
    4098: ("relative_humidity", "%"),
    4099: ("illuminance", "lx"),
    4100: ("co2", "ppm"),
    4101: ("pressure", "Pa"),
    4102: ("soil_temperature", "Cel"),
    4103: ("soil_moisture", "%"),
    4104: ("wind_direction", "deg"),
    4105: ("wind_speed", "m/s"),
    4106: ("ph", "[pH]"),
    4108: ("soil_conductivity", "mS/cm"),  # dS/m in the vendor's list, which is the same
    4110: ("soil_moisture", "%"),
    4111: ("soil_conductivity", "mS/cm"),
    4112: ("soil_temperature", "Cel"),
    4113: ("rain_rate", "mm/h"),
    4115: ("distance", "cm"),
    4118: ("ammonia", "ppm"),
    4119: ("hydrogen_sulfide", "ppm"),
    4190: ("uv_index", "1"),
}
_MIRRORED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def crc16(data: bytes) -> int:
    """CRC-16/KERMIT: the CRC of `binascii.crc_hqx` with all bits the other way round."""
    high, low = divmod(crc_hqx(data.translate(_MIRRORED), 0), 256)
    return _MIRRORED[low] << 8 | _MIRRORED[high]


def decode(payload: bytes, context: Context) -> Mapping[str, Named]:
    del context
    body = payload[:-CRC_BYTES]
    if not body or len(body) % FRAME_BYTES:
        raise PayloadError("bad_length")
    if crc16(body) != int.from_bytes(payload[-CRC_BYTES:], "little"):
        raise PayloadError("bad_crc")
    found = Found()
    for at in range(0, len(body), FRAME_BYTES):
        number = int.from_bytes(body[at + 1 : at + 3], "little")
        value = body[at + 3 : at + FRAME_BYTES]
        if number >= _MEASUREMENTS_FROM:
            _measurement(number, value, found)
        elif number == _BATTERY:
            found["battery"] = Named(int.from_bytes(value[:2], "little"), "%")
            found["interval"] = Named(60 * int.from_bytes(value[2:], "little"), "s")
        elif number == _REMOVED:
            found.refused.append("sensor_removed")
    return found


def _measurement(number: int, value: bytes, found: Found) -> None:
    raw = int.from_bytes(value, "little", signed=True)
    name, unit = _MEASUREMENTS.get(number, (f"measurement_{number}", "1"))
    found[name] = Named(raw / 1000, unit)
