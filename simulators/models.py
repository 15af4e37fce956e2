"""The MQTT models that can be simulated: what each senses, and how often it speaks.

What a model senses is exactly what its profile reads. How its payload looks, `simulators.payloads`
says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from simulators.station import STATION
from simulators.timetable import MS_PER_MINUTE


class Cadence(NamedTuple):
    """How often a model reports, in the school's time, and which change it reports at once."""

    interval_ms: int
    at_change_of: str = ""


class Model(NamedTuple):
    """A model of the catalogue. The station speaks when somebody comes: it has no cadence."""

    senses: tuple[str, ...]
    cadence: Cadence | None


_AIR: Final = ("temperature", "relative_humidity")
_CELL: Final = ("battery", "battery_voltage")
_DUST: Final = ("pm1", "pm2_5", "pm10")
_LINES: Final = tuple(
    f"{what}_l{line}" for what in ("power", "voltage", "current", "frequency") for line in (1, 2, 3)
)

MODELS: Final[Mapping[str, Model]] = {
    "zigbee2mqtt/aqara-door": Model(("open", *_CELL, "link_quality"), Cadence(50 * MS_PER_MINUTE, "open")),
    "zigbee2mqtt/aqara-leak": Model(
        ("water_leak", *_CELL, "link_quality"), Cadence(50 * MS_PER_MINUTE, "water_leak")
    ),
    "zigbee2mqtt/heiman-smoke": Model(
        ("smoke", "battery", "battery_low", "link_quality"), Cadence(30 * MS_PER_MINUTE, "smoke")
    ),
    "zigbee2mqtt/tuya-ts0601-air": Model(
        ("co2", "formaldehyde_raw", "voc_raw", *_AIR, "link_quality"), Cadence(30_000)
    ),
    "zigbee2mqtt/aqara-tvoc": Model(("voc", *_AIR, *_CELL, "link_quality"), Cadence(5 * MS_PER_MINUTE)),
    "zigbee2mqtt/tuya-sos": Model(("panic", "battery", "link_quality"), Cadence(60 * MS_PER_MINUTE, "panic")),
    "xiaomi-gateway3/aqara-gas": Model(
        ("status", "gas_alarm", "fault", "gas_concentration"), Cadence(5 * MS_PER_MINUTE, "status")
    ),
    "tasmota/pms5003t": Model((*_DUST, *_AIR), Cadence(MS_PER_MINUTE)),
    "tasmota/mhz19b": Model(("co2", "temperature"), Cadence(MS_PER_MINUTE)),
    "tasmota/energy": Model(("energy", *_LINES), Cadence(MS_PER_MINUTE)),
    "shelly/plus-ht": Model((*_AIR, "battery", "external_power"), Cadence(5 * MS_PER_MINUTE)),
    "chirpstack/dragino-lse01": Model(
        (
            "soil_temperature",
            "soil_moisture",
            "soil_conductivity",
            "probe_temperature",
            "battery_voltage",
        ),
        Cadence(20 * MS_PER_MINUTE),
    ),
    "json/environment": Model(
        (*_AIR, "co2", "pressure", "illuminance", "sound_level", "pm2_5"), Cadence(30_000)
    ),
    STATION: Model(("temperature",), None),
}
"""The station gives no readings; its temperature is that of the air around the thermometer."""
