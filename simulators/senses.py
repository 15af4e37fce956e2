"""The true value of every quantity at every device at every moment: the ground truth.

Values are exact; what a device's payload rounds away is stated beside the payload, in
`simulators.payloads`.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Final

from simulators import body, climate, events, fridge, meals
from simulators.climate import CO2_OUTDOORS_PPM
from simulators.meters import METER_SENSES
from simulators.signals import chance, wander
from simulators.timetable import FIRST_MORNING_MS, MS_PER_DAY, MS_PER_MINUTE, minute_of
from simulators.world import Device, Sense, World, spot
from telemetry.quantities import QUANTITIES


def _excess_ppm(world: World, device: Device, ms: int) -> float:
    """How much more carbon dioxide than outdoors: stands for the presence of people."""
    return climate.co2_ppm(world, device.room, ms) - CO2_OUTDOORS_PPM if device.room else 0.0


def _temperature(world: World, device: Device, ms: int) -> float:
    if device.plan.fridge is not None:
        return fridge.temperature_c(world, fridge.plan_of(world, device.plan.fridge), ms)
    air = (
        climate.indoor_temperature_c(world, device.room, ms)
        if device.room
        else climate.outdoor_temperature_c(world.seed, ms)
    )
    return air + spot(world, device, "temperature", ms, 0.4)


def _humidity(world: World, device: Device, ms: int) -> float:
    air = (
        climate.indoor_humidity(world, device.room, ms)
        if device.room
        else climate.outdoor_humidity(world.seed, ms)
    )
    return min(99.0, max(5.0, air + spot(world, device, "humidity", ms, 1.5)))


def _co2(world: World, device: Device, ms: int) -> float:
    return CO2_OUTDOORS_PPM + _excess_ppm(world, device, ms) + spot(world, device, "co2", ms, 12)


def _pm2_5(world: World, device: Device, ms: int) -> float:
    at_gate = world.outdoors.get(device.place) == "gate"
    outdoors = climate.outdoor_pm2_5(world.seed, ms, traffic=at_gate)
    share = 0.6 if device.room else 1.0
    return max(1.0, outdoors * share + spot(world, device, "pm", ms, 2))


def _pm1(world: World, device: Device, ms: int) -> float:
    return 0.66 * _pm2_5(world, device, ms)


def _pm10(world: World, device: Device, ms: int) -> float:
    return 1.35 * _pm2_5(world, device, ms)


def _voc(world: World, device: Device, ms: int) -> float:
    return 90 + 0.18 * _excess_ppm(world, device, ms) + spot(world, device, "voc", ms, 25)


def _voc_raw(world: World, device: Device, ms: int) -> float:
    return 6 + 0.012 * _excess_ppm(world, device, ms) + spot(world, device, "voc", ms, 3)


def _formaldehyde_raw(world: World, device: Device, ms: int) -> float:
    return 3 + 0.1 * (_temperature(world, device, ms) - 20) + spot(world, device, "formaldehyde", ms, 1)


def _pressure(world: World, _device: Device, ms: int) -> float:
    return climate.pressure_hpa(world.seed, ms)


def _illuminance(world: World, device: Device, ms: int) -> float:
    return climate.illuminance_lx(world.seed, ms) * (0.008 if device.room else 1.0)


def _sound_level(world: World, device: Device, ms: int) -> float:
    return 38 + 0.014 * _excess_ppm(world, device, ms) + spot(world, device, "sound", ms, 5)


def _open(world: World, device: Device, ms: int) -> float:
    if device.plan.fridge is not None:
        return float(fridge.is_open(world, fridge.plan_of(world, device.plan.fridge), ms))
    return float(events.is_door_open(world, device.id, ms))


def _while_happening(incident: events.Incident) -> Sense:
    def sense(world: World, device: Device, ms: int) -> float:
        return float(events.is_happening(world.seed, device.id, incident, ms))

    return sense


def _gas_concentration(world: World, device: Device, ms: int) -> float:
    share = events.incident_share(world.seed, device.id, events.GAS, ms)
    return 0.0 if share is None else 12 * 4 * share * (1 - share)


def _gas_alarm(world: World, device: Device, ms: int) -> float:
    """The detector watches (0) or alarms (1), from 5 % on."""
    return float(_gas_concentration(world, device, ms) >= 5)


def _constant(value: float) -> Sense:
    return lambda _world, _device, _ms: value


def _battery(world: World, device: Device, ms: int) -> float:
    """New at a time of its own within a year, then a fifth of a per cent a day."""
    days = (ms - FIRST_MORNING_MS) / MS_PER_DAY + 365 * chance(world.seed, device.id, "battery")
    return 100 - days % 365 * 0.2


def _cell_voltage(world: World, device: Device, ms: int) -> float:
    """A lithium cell of 3 V, down to 2.7 V."""
    return 2.7 + 0.0035 * _battery(world, device, ms)


def _battery_low(world: World, device: Device, ms: int) -> float:
    return float(_battery(world, device, ms) < 30)


def _link_quality(world: World, device: Device, ms: int) -> float:
    return 60 + 150 * chance(world.seed, device.id, "link") + spot(world, device, "link", ms, 18)


def _soil_moisture(world: World, device: Device, ms: int) -> float:
    """Watered every morning at six."""
    hours = (minute_of(ms) - 360) % 1_440 / 60
    return 41 - 0.55 * hours + spot(world, device, "soil", ms, 1)


def _soil_temperature(world: World, device: Device, ms: int) -> float:
    return (
        17
        + 0.5 * (climate.outdoor_temperature_c(world.seed, ms) - 17)
        + spot(world, device, "ground", ms, 0.2)
    )


def _soil_conductivity(world: World, device: Device, ms: int) -> float:
    return 20 + 9 * _soil_moisture(world, device, ms)


def _wearer(device: Device) -> int:
    return device.plan.wearer or 0


def _heart_rate(world: World, device: Device, ms: int) -> float:
    return body.heart_rate(world, _wearer(device), ms)


def _steps(world: World, device: Device, ms: int) -> float:
    return body.steps(world, _wearer(device), ms)


def _mass(world: World, device: Device, ms: int) -> float:
    return meals.weighing(world, device.id, ms).mass_kg


def _mass_stable(world: World, device: Device, ms: int) -> float:
    return float(meals.weighing(world, device.id, ms).is_stable)


def _people_count(world: World, device: Device, ms: int) -> float:
    return float(world.occupancy.people_at(device.place, ms))


def _occupancy(world: World, device: Device, ms: int) -> float:
    return float(world.occupancy.people_at(device.place, ms) > 0)


def _rssi(world: World, device: Device, ms: int) -> float:
    return -72 + 20 * chance(world.seed, device.id, "link") + spot(world, device, "link", ms, 6)


SENSES: Final[Mapping[str, Sense]] = {
    "temperature": _temperature,
    "relative_humidity": _humidity,
    "co2": _co2,
    "eco2": _co2,
    "pm1": _pm1,
    "pm2_5": _pm2_5,
    "pm10": _pm10,
    "pm1_cf1": _pm1,
    "pm2_5_cf1": _pm2_5,
    "pm10_cf1": _pm10,
    "voc": _voc,
    "voc_raw": _voc_raw,
    "formaldehyde_raw": _formaldehyde_raw,
    "pressure": _pressure,
    "illuminance": _illuminance,
    "sound_level": _sound_level,
    "open": _open,
    "water_leak": _while_happening(events.LEAK),
    "smoke": _while_happening(events.SMOKE),
    "panic": _while_happening(events.PRESS),
    "gas_alarm": _gas_alarm,
    "gas_concentration": _gas_concentration,
    "battery": _battery,
    "battery_low": _battery_low,
    "battery_voltage": _cell_voltage,
    "external_power": _constant(0.0),
    "fault": _constant(0.0),
    "alarm": _constant(0.0),
    "status": _constant(0.0),
    "link_quality": _link_quality,
    "rssi": _rssi,
    "soil_temperature": _soil_temperature,
    "soil_moisture": _soil_moisture,
    "soil_conductivity": _soil_conductivity,
    **METER_SENSES,
    "heart_rate": _heart_rate,
    "skin_contact": _constant(1.0),
    "steps": _steps,
    "mass": _mass,
    "mass_stable": _mass_stable,
    "people_count": _people_count,
    "occupancy": _occupancy,
    "motion": _occupancy,
}
"""What the school knows of a quantity wherever a device measures it."""

_OF_MODEL: Final[Mapping[tuple[str, str], Sense]] = {
    ("xiaomi-gateway3/aqara-gas", "status"): _gas_alarm,
    ("chirpstack/dragino-lse01", "probe_temperature"): _constant(0.0),
}
"""What single models have their own way with. The soil sensors have no second probe plugged in and
say 0 for it; the gas detector's status is its alarm.
"""


def sense(world: World, device: Device, quantity: str, ms: int) -> float:
    """The true value of a quantity at a device, in the quantity's unit."""
    found = _OF_MODEL.get((device.profile, quantity)) or SENSES.get(quantity)
    return found(world, device, ms) if found is not None else steady(world.seed, device.id, quantity, ms)


def steady(seed: int, device_id: str, quantity: str, time_ms: int) -> float:
    """A plausible value for a quantity nobody has modelled: it wanders in the lower part of its
    range; a state stays 0.
    """
    known = QUANTITIES[quantity]
    if known.is_bool:
        return 0.0
    low, high = max(known.low, 0.0), 1_000.0 if known.high == inf else known.high
    share = 0.25 + 0.05 * wander(seed, f"{device_id} {quantity}", time_ms, 25 * MS_PER_MINUTE)
    return low + share * (high - low)
