"""The true value of every quantity of every device at every moment: the ground truth.

One table a device model says what its devices sense. Values are exact; what a device's payload
rounds away is stated beside the payload, in `simulators.payloads`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from simulators import climate, energy, events
from simulators.climate import CO2_OUTDOORS_PPM, Room
from simulators.signals import chance, wander
from simulators.timetable import FIRST_MORNING_MS, MS_PER_DAY, MS_PER_MINUTE, minute_of


class Device(NamedTuple):
    """One simulated device.

    profile: id of its model in the catalogue. address: how its topic or payload names it.
    room: the room it is in, or None outdoors.
    """

    id: str
    profile: str
    place: str
    address: str
    gateway: str
    room: Room | None = None


Sense = Callable[[int, Device, int], float]
"""From seed, device and school time in ms to a value in the unit of the quantity."""


def _excess_ppm(seed: int, device: Device, ms: int) -> float:
    """How much more carbon dioxide than outdoors: stands for the presence of people."""
    return climate.co2_ppm(seed, device.room, ms) - CO2_OUTDOORS_PPM if device.room else 0.0


def _spot(seed: int, device: Device, what: str, ms: int, size: float) -> float:
    """What this corner of the room differs by."""
    return size * wander(seed, f"{device.id} {what}", ms, 25 * MS_PER_MINUTE)


def _temperature(seed: int, device: Device, ms: int) -> float:
    air = (
        climate.indoor_temperature_c(seed, device.room, ms)
        if device.room
        else climate.outdoor_temperature_c(seed, ms)
    )
    return air + _spot(seed, device, "temperature", ms, 0.4)


def _humidity(seed: int, device: Device, ms: int) -> float:
    air = (
        climate.indoor_humidity(seed, device.room, ms) if device.room else climate.outdoor_humidity(seed, ms)
    )
    return min(99.0, max(5.0, air + _spot(seed, device, "humidity", ms, 1.5)))


def _co2(seed: int, device: Device, ms: int) -> float:
    return CO2_OUTDOORS_PPM + _excess_ppm(seed, device, ms) + _spot(seed, device, "co2", ms, 12)


def _pm2_5(seed: int, device: Device, ms: int) -> float:
    outdoors = climate.outdoor_pm2_5(seed, ms, traffic=device.place.startswith("gate/"))
    share = 0.6 if device.room else 1.0
    return max(1.0, outdoors * share + _spot(seed, device, "pm", ms, 2))


def _pm1(seed: int, device: Device, ms: int) -> float:
    return 0.66 * _pm2_5(seed, device, ms)


def _pm10(seed: int, device: Device, ms: int) -> float:
    return 1.35 * _pm2_5(seed, device, ms)


def _voc(seed: int, device: Device, ms: int) -> float:
    return 90 + 0.18 * _excess_ppm(seed, device, ms) + _spot(seed, device, "voc", ms, 25)


def _voc_raw(seed: int, device: Device, ms: int) -> float:
    return 6 + 0.012 * _excess_ppm(seed, device, ms) + _spot(seed, device, "voc", ms, 3)


def _formaldehyde_raw(seed: int, device: Device, ms: int) -> float:
    return 3 + 0.1 * (_temperature(seed, device, ms) - 20) + _spot(seed, device, "formaldehyde", ms, 1)


def _pressure(seed: int, _device: Device, ms: int) -> float:
    return climate.pressure_hpa(seed, ms)


def _illuminance(seed: int, device: Device, ms: int) -> float:
    return climate.illuminance_lx(seed, ms) * (0.008 if device.room else 1.0)


def _sound_level(seed: int, device: Device, ms: int) -> float:
    return 38 + 0.014 * _excess_ppm(seed, device, ms) + _spot(seed, device, "sound", ms, 5)


def _open(seed: int, device: Device, ms: int) -> float:
    return float(events.is_door_open(seed, device.id, ms))


def _while_happening(incident: events.Incident) -> Sense:
    def sense(seed: int, device: Device, ms: int) -> float:
        return float(events.is_happening(seed, device.id, incident, ms))

    return sense


def _gas_concentration(seed: int, device: Device, ms: int) -> float:
    share = events.incident_share(seed, device.id, events.GAS, ms)
    return 0.0 if share is None else 12 * 4 * share * (1 - share)


def _status(seed: int, device: Device, ms: int) -> float:
    """The detector's code: 0 watches, 1 alarms (from 5 % on); the alarm itself is the same."""
    return float(_gas_concentration(seed, device, ms) >= 5)


def _constant(value: float) -> Sense:
    return lambda _seed, _device, _ms: value


def _battery(seed: int, device: Device, ms: int) -> float:
    """New at a time of its own within a year, then a fifth of a per cent a day."""
    days = (ms - FIRST_MORNING_MS) / MS_PER_DAY + 365 * chance(seed, device.id, "battery")
    return 100 - days % 365 * 0.2


def _cell_voltage(seed: int, device: Device, ms: int) -> float:
    """A lithium cell of 3 V, down to 2.7 V."""
    return 2.7 + 0.0035 * _battery(seed, device, ms)


def _battery_low(seed: int, device: Device, ms: int) -> float:
    return float(_battery(seed, device, ms) < 30)


def _link_quality(seed: int, device: Device, ms: int) -> float:
    return 60 + 150 * chance(seed, device.id, "link") + _spot(seed, device, "link", ms, 18)


def _soil_moisture(seed: int, device: Device, ms: int) -> float:
    """Watered every morning at six."""
    hours = (minute_of(ms) - 360) % 1_440 / 60
    return 41 - 0.55 * hours + _spot(seed, device, "soil", ms, 1)


def _soil_temperature(seed: int, device: Device, ms: int) -> float:
    return 17 + 0.5 * (climate.outdoor_temperature_c(seed, ms) - 17) + _spot(seed, device, "ground", ms, 0.2)


def _soil_conductivity(seed: int, device: Device, ms: int) -> float:
    return 20 + 9 * _soil_moisture(seed, device, ms)


def _power(line: int) -> Sense:
    return lambda seed, _device, ms: energy.power_w(seed, line, ms)


def _voltage(line: int) -> Sense:
    return lambda seed, device, ms: 230 + _spot(seed, device, f"voltage {line}", ms, 4)


def _current(line: int) -> Sense:
    """At a power factor of 0.92."""
    return lambda seed, device, ms: _power(line)(seed, device, ms) / _voltage(line)(seed, device, ms) / 0.92


def _frequency(seed: int, device: Device, ms: int) -> float:
    return 50 + _spot(seed, device, "grid", ms, 0.04)


def _energy(seed: int, _device: Device, ms: int) -> float:
    return energy.energy_kwh(seed, ms)


_AIR: Final[dict[str, Sense]] = {"temperature": _temperature, "relative_humidity": _humidity}
_ZIGBEE: Final[dict[str, Sense]] = {"link_quality": _link_quality}
_CELL: Final[dict[str, Sense]] = {"battery": _battery, "battery_voltage": _cell_voltage}
_DUST: Final[dict[str, Sense]] = {"pm1": _pm1, "pm2_5": _pm2_5, "pm10": _pm10}

SENSES: Final[Mapping[str, Mapping[str, Sense]]] = {
    "zigbee2mqtt/aqara-door": {"open": _open, **_CELL, **_ZIGBEE},
    "zigbee2mqtt/aqara-leak": {"water_leak": _while_happening(events.LEAK), **_CELL, **_ZIGBEE},
    "zigbee2mqtt/heiman-smoke": {
        "smoke": _while_happening(events.SMOKE),
        "battery": _battery,
        "battery_low": _battery_low,
        **_ZIGBEE,
    },
    "zigbee2mqtt/tuya-ts0601-air": {
        "co2": _co2,
        "formaldehyde_raw": _formaldehyde_raw,
        "voc_raw": _voc_raw,
        **_AIR,
        **_ZIGBEE,
    },
    "zigbee2mqtt/aqara-tvoc": {"voc": _voc, **_AIR, **_CELL, **_ZIGBEE},
    "zigbee2mqtt/tuya-sos": {"panic": _while_happening(events.PRESS), "battery": _battery, **_ZIGBEE},
    "xiaomi-gateway3/aqara-gas": {
        "status": _status,
        "gas_alarm": _status,
        "fault": _constant(0.0),
        "gas_concentration": _gas_concentration,
    },
    "tasmota/pms5003t": {**_DUST, **_AIR},
    "tasmota/mhz19b": {"co2": _co2, "temperature": _temperature},
    "tasmota/energy": {
        "energy": _energy,
        **{f"power_l{line}": _power(line) for line in (1, 2, 3)},
        **{f"voltage_l{line}": _voltage(line) for line in (1, 2, 3)},
        **{f"current_l{line}": _current(line) for line in (1, 2, 3)},
        **{f"frequency_l{line}": _frequency for line in (1, 2, 3)},
    },
    "shelly/plus-ht": {
        **_AIR,
        "battery": _battery,
        "external_power": _constant(0.0),
    },
    "chirpstack/dragino-lse01": {
        "soil_temperature": _soil_temperature,
        "soil_moisture": _soil_moisture,
        "soil_conductivity": _soil_conductivity,
        "probe_temperature": _constant(0.0),
        "battery_voltage": _cell_voltage,
    },
    "json/environment": {
        **_AIR,
        "co2": _co2,
        "pressure": _pressure,
        "illuminance": _illuminance,
        "sound_level": _sound_level,
        "pm2_5": _pm2_5,
    },
    "campus/morning-check-v1": {"temperature": _temperature},
}
"""What the devices of each model sense: exactly what their profile reads.

The soil sensors have no second probe plugged in and say 0 for it. The station gives no readings;
its temperature is that of the air around the thermometer.
"""
