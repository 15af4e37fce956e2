"""LoRaWAN devices as ChirpStack publishes them: events that carry the device's own bytes.

Layouts: the profiles of the catalogue name their sources.
"""

from __future__ import annotations

from base64 import b64encode
from struct import pack
from typing import Any, Final

from simulators.payloads import APPLICATION, Probe
from simulators.timetable import iso_utc

MILESIGHT_PORT: Final = 85


def am307(probe: Probe) -> dict[str, Any]:
    """A Milesight AM307: channel, type, value, least significant byte first; what it says of VOC and light
    is left out, for the school knows no such levels.
    """
    data = b"".join(
        (
            pack("<HB", 0x7501, int(probe.read("battery"))),
            pack("<Hh", 0x6703, _tenths(probe, "temperature")),
            pack("<HB", 0x6804, int(probe.read("relative_humidity")) * 2),
            pack("<HB", 0x0005, probe.is_on("motion")),
            pack("<HH", 0x7D07, int(probe.read("co2"))),
            pack("<HH", 0x7309, _tenths(probe, "pressure")),
        )
    )
    return chirpstack_event(probe, data, MILESIGHT_PORT)


def _tenths(probe: Probe, quantity: str) -> int:
    return round(probe.read(quantity, 1) * 10)


def chirpstack_event(probe: Probe, data: bytes, port: int) -> dict[str, Any]:
    """The event of an uplink for which the server has no decoder of its own."""
    return {
        "time": iso_utc(probe.time_ms),
        "deviceInfo": {
            "applicationId": APPLICATION,
            "applicationName": "classrooms",
            "deviceName": probe.device.id,
            "devEui": probe.device.address,
        },
        "fPort": port,
        "data": b64encode(data).decode(),
        "rxInfo": [{"gatewayId": "a84041ffff000001", "rssi": -88, "snr": 9.2}],
    }
