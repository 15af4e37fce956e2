"""The truth in each vendor's own words: real payload formats, with the rounding of each.

A renderer asks its `Probe` for one quantity after another. The probe rounds as the device does and
remembers what it said, so that nobody has to decode a payload to know what is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from simulators.senses import sense
from simulators.timetable import ZONE, iso_local, iso_utc
from simulators.world import Device, World


class Probe:
    """A device at a moment.

    said: what its payload states so far, in the units of the quantities. within: how far that may
    lie from the truth, for the payload's rounding alone.
    """

    def __init__(self, world: World, device: Device, school_ms: int, time_ms: int) -> None:
        self.device = device
        self.time_ms = time_ms
        self.said: dict[str, float] = {}
        self.within: dict[str, float] = {}
        self._world = world
        self._school_ms = school_ms

    def _truth(self, quantity: str) -> float:
        return sense(self._world, self.device, quantity, self._school_ms)

    @property
    def is_at_gate(self) -> bool:
        return self._world.outdoors.get(self.device.place) == "gate"

    def read(self, quantity: str, decimals: int = 0) -> float:
        """The quantity's true value, rounded; a whole number when there are no decimals."""
        value = round(self._truth(quantity), decimals or None)
        self.said[quantity] = float(value)
        self.within[quantity] = 0.5 * 10**-decimals
        return value

    def milli(self, quantity: str) -> int:
        """The true value in thousandths of the quantity's unit, as a whole number."""
        return round(self.read(quantity, 3) * 1_000)

    def fahrenheit(self, quantity: str) -> float:
        """A temperature in °F with one decimal; it is read as °C with two."""
        value = round(self._truth(quantity) * 1.8 + 32, 1)
        self.said[quantity] = round((value - 32) / 1.8, 2)
        self.within[quantity] = 0.05 / 1.8 + 0.005
        return value

    def is_on(self, quantity: str) -> bool:
        value = self._truth(quantity)
        self.said[quantity] = value
        self.within[quantity] = 0.0
        return value == 1


def _door(probe: Probe) -> dict[str, Any]:
    return {
        "battery": probe.read("battery"),
        "contact": not probe.is_on("open"),  # the magnet is there: closed
        "linkquality": probe.read("link_quality"),
        "voltage": probe.milli("battery_voltage"),
    }


def _leak(probe: Probe) -> dict[str, Any]:
    return {
        "battery": f"{probe.read('battery')}.00",  # older converters write a text
        "voltage": probe.milli("battery_voltage"),
        "linkquality": probe.read("link_quality"),
        "water_leak": probe.is_on("water_leak"),
    }


def _smoke(probe: Probe) -> dict[str, Any]:
    return {
        "enrolled": True,
        "zone_id": 23,
        "smoke": probe.is_on("smoke"),
        "battery": probe.read("battery"),
        "battery_low": probe.is_on("battery_low"),
        "linkquality": probe.read("link_quality"),
    }


def _air(probe: Probe) -> dict[str, Any]:
    return {
        "co2": probe.read("co2"),
        "formaldehyd": probe.read("formaldehyde_raw"),  # spelled like this
        "humidity": probe.read("relative_humidity", 1),
        "last_seen": probe.time_ms,
        "linkquality": probe.read("link_quality"),
        "temperature": probe.read("temperature", 1),
        "voc": probe.read("voc_raw"),
    }


def _tvoc(probe: Probe) -> dict[str, Any]:
    return {
        "battery": probe.read("battery"),
        "humidity": probe.read("relative_humidity", 2),
        "linkquality": probe.read("link_quality"),
        "temperature": probe.read("temperature", 2),
        "voc": probe.read("voc"),
        "voltage": probe.milli("battery_voltage"),
    }


def _sos(probe: Probe) -> dict[str, Any]:
    seen = datetime.fromtimestamp(probe.time_ms / 1_000, UTC)
    return {
        "action": "emergency" if probe.is_on("panic") else "",
        "battery": probe.read("battery"),
        "last_seen": seen.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "linkquality": probe.read("link_quality"),
    }


def _gas(probe: Probe) -> dict[str, Any]:
    probe.is_on("gas_alarm")
    specs = ((1, "status"), (2, "fault"), (3, "gas_concentration"))
    return {
        "cmd": "report",
        "id": 2_000_000_000 + probe.time_ms % 100_000_000,
        "did": probe.device.address,
        "dev_src": "0",
        "time": probe.time_ms,
        "rssi": -39,
        "mi_spec": [{"siid": 2, "piid": piid, "value": probe.read(name)} for piid, name in specs],
    }


def _tasmota(probe: Probe, **sensors: Any) -> dict[str, Any]:
    told = datetime.fromtimestamp(probe.time_ms / 1_000, ZONE)
    return {"Time": told.strftime("%Y-%m-%dT%H:%M:%S"), **sensors}  # local time, no zone


def _pms5003t(probe: Probe) -> dict[str, Any]:
    """The one at the gate is set to °F, as its maker ships it."""
    in_fahrenheit = probe.is_at_gate
    dust = {name: probe.read(quantity) for name, quantity in _DUST}
    sensor = {
        **{f"CF{name.removeprefix('PM')}": value for name, value in dust.items()},
        **dust,
        "PB0.3": 1_200,
        "PB0.5": 350,
        "PB1": 60,
        "PB2.5": 4,
        "Temperature": probe.fahrenheit("temperature") if in_fahrenheit else probe.read("temperature", 1),
        "Humidity": probe.read("relative_humidity", 1),
    }
    return _tasmota(probe, PMS5003=sensor, TempUnit="F" if in_fahrenheit else "C")


_DUST: Final = (("PM1", "pm1"), ("PM2.5", "pm2_5"), ("PM10", "pm10"))


def _mhz19b(probe: Probe) -> dict[str, Any]:
    sensor = {
        "Model": "B",
        "CarbonDioxide": probe.read("co2"),
        "Temperature": probe.read("temperature", 1),
    }
    return _tasmota(probe, MHZ19B=sensor, TempUnit="C")


def _energy(probe: Probe) -> dict[str, Any]:
    lines = (1, 2, 3)
    meter = {
        "TotalStartTime": "2024-08-14T20:17:44",
        "Total": probe.read("energy", 3),
        "Yesterday": 61.204,
        "Today": 12.731,
        "Power": [probe.read(f"power_l{line}") for line in lines],
        "ApparentPower": [2_000, 2_000, 2_000],
        "ReactivePower": [300, 300, 300],
        "Factor": [0.92, 0.92, 0.92],
        "Frequency": [probe.read(f"frequency_l{line}", 2) for line in lines],
        "Voltage": [probe.read(f"voltage_l{line}") for line in lines],
        "Current": [probe.read(f"current_l{line}", 3) for line in lines],
    }
    return _tasmota(probe, ENERGY=meter)


def _shelly(probe: Probe) -> dict[str, Any]:
    name = probe.device.address
    celsius = probe.read("temperature", 1)
    supply = {
        "battery": {"V": 5.43, "percent": probe.read("battery")},
        "external": {"present": probe.is_on("external_power")},
    }
    system = {
        "mac": name.rpartition("-")[2].upper(),
        "time": None,
        "unixtime": None,
        "uptime": 3,
        "wakeup_reason": {"boot": "deepsleep_wake", "cause": "status_update"},
        "wakeup_period": 600,
    }
    status = {
        "ts": probe.time_ms / 1_000,
        "ble": {},
        "cloud": {"connected": False},
        "devicepower:0": {"id": 0, **supply},
        "ht_ui": {},
        "humidity:0": {"id": 0, "rh": probe.read("relative_humidity", 1)},
        "mqtt": {"connected": True},
        "sys": system,
        "temperature:0": {"id": 0, "tC": celsius, "tF": round(celsius * 1.8 + 32, 1)},
        "wifi": {"status": "got ip", "rssi": -58},
    }
    return {"src": name, "dst": f"{name}/events", "method": "NotifyFullStatus", "params": status}


APPLICATION: Final = "5d2f0a3e-0000-4000-8000-6578616d706c"
"""The ChirpStack application of the invented school."""


def _lse01(probe: Probe) -> dict[str, Any]:
    info = {
        "tenantName": "Example Primary School",
        "applicationId": APPLICATION,
        "applicationName": "garden",
        "deviceProfileName": "Dragino_LSE01",
        "deviceName": probe.device.id,
        "devEui": probe.device.address,
    }
    soil = {
        "BatV": probe.read("battery_voltage", 3),
        "temp_DS18B20": f"{probe.read('probe_temperature', 2):.2f}",
        "temp_SOIL": f"{probe.read('soil_temperature', 2):.2f}",
        "water_SOIL": f"{probe.read('soil_moisture', 2):.2f}",
        "conduct_SOIL": float(probe.read("soil_conductivity")),
    }
    heard = {"gatewayId": "a84041ffff000001", "rssi": -88, "snr": 9.2}
    return {"time": iso_utc(probe.time_ms), "deviceInfo": info, "fPort": 2, "object": soil, "rxInfo": [heard]}


def _environment(probe: Probe) -> dict[str, Any]:
    return {
        "temperature": probe.read("temperature", 2),
        "humidity": probe.read("relative_humidity", 1),
        "co2": probe.read("co2"),
        "pressure": probe.read("pressure", 1),
        "illuminance": probe.read("illuminance"),
        "noise": probe.read("sound_level", 1),
        "pm25": probe.read("pm2_5", 1),
        "time": iso_local(probe.time_ms),
    }


class Format(NamedTuple):
    """How a model publishes: topic (``{address}`` filled in), payload, and how fine its clock is."""

    topic: str
    render: Callable[[Probe], dict[str, Any]]
    clock_ms: int = 1


FORMATS: Final[Mapping[str, Format]] = {
    "zigbee2mqtt/aqara-door": Format("zigbee2mqtt/{address}", _door),
    "zigbee2mqtt/aqara-leak": Format("zigbee2mqtt/{address}", _leak),
    "zigbee2mqtt/heiman-smoke": Format("zigbee2mqtt/{address}", _smoke),
    "zigbee2mqtt/tuya-ts0601-air": Format("zigbee2mqtt/{address}", _air),
    "zigbee2mqtt/aqara-tvoc": Format("zigbee2mqtt/{address}", _tvoc),
    "zigbee2mqtt/tuya-sos": Format("zigbee2mqtt/{address}", _sos),
    "xiaomi-gateway3/aqara-gas": Format("miio/report", _gas),
    "tasmota/pms5003t": Format("tele/{address}/SENSOR", _pms5003t, 1_000),
    "tasmota/mhz19b": Format("tele/{address}/SENSOR", _mhz19b, 1_000),
    "tasmota/energy": Format("tele/{address}/SENSOR", _energy, 1_000),
    "shelly/plus-ht": Format("{address}/events/rpc", _shelly, 10),
    "chirpstack/dragino-lse01": Format(f"application/{APPLICATION}/device/{{address}}/event/up", _lse01),
    "json/environment": Format("sensors/{address}", _environment),
}
"""Every model but the morning-check station: see `simulators.station`."""
