"""How the captured Bluetooth frames are named beside the checkout, and what that is with us."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).resolve().parents[3] / "shared" / "vectors"
FAMILIES: Final = (
    "aranet", "bthome", "gatt_sig", "pvvx_atc", "qingping", "ruuvi", "sensirion", "wearable_hr_advert",
    "xiaomi_mibeacon",
)  # fmt: skip

OF_DEVICE: Final = {
    "Aranet2": "aranet/aranet2",
    "Aranet4": "aranet/aranet4",
    "Aranet4 integrations disabled": "aranet/aranet4",
    "BLE HR": "sig/heart-rate",
    "BLE health thermometer": "sig/health-thermometer",
    "BTHome": "bthome/v2",
    "IEEE-11073 FLOAT": "sig/health-thermometer",
    "LYWSD03MMC ATC1441": "xiaomi/lywsd03mmc-atc1441",
    "LYWSD03MMC pvvx": "xiaomi/lywsd03mmc-pvvx",
    "Linptech": "xiaomi/mibeacon",
    "Polar H": "sig/heart-rate",
    "Qingping CGG1": "qingping/cgg1",
    "Qingping CGP1W": "qingping/cgp1w",
    "Qingping CGPR1": "qingping/cgpr1",
    "Qingping air monitor": "qingping/cgdn1",
    "Ruuvi Air": "ruuvi/ruuvi-air",
    "RuuviTag DF3": "ruuvi/ruuvitag-3",
    "RuuviTag DF5": "ruuvi/ruuvitag",
    "SIG HRM": "sig/heart-rate",
    "SIG RSC": "sig/running-speed",
    "SIG Weight": "sig/weight-scale",
    "Sensirion MyCO2": "sensirion/myco2",
    "Xiaomi": "xiaomi/mibeacon",
    "Xiaomi Mi Band": "xiaomi/mi-band",
    "Xiaomi XMTZC01HM": "xiaomi/miscale-v1",
    "Xiaomi XMTZC02HM": "xiaomi/miscale-v2",
}
"""How a device's name begins → its profile; the longest that fits counts."""

SAME: Final = {
    "bmi": "body_mass_index",
    "binary:battery": "battery_low",
    "binary:bottom_submersion": "water_leak",
    "binary:carbon_monoxide": "co_alarm",
    "binary:device_forcibly_removed": "tamper",
    "binary:door": "open",
    "binary:door_left_open": "left_open",
    "binary:garage_door": "open",
    "binary:gas": "gas_alarm",
    "binary:moisture": "water_leak",
    "binary:opening": "open",
    "binary:power": "switched_on",
    "binary:pry_the_door": "tamper",
    "binary:top_splash": "water_splash",
    "binary:window": "open",
    "carbon_dioxide": "co2",
    "conductivity": "soil_conductivity",
    "gas": "gas_volume",
    "height": "body_height",
    "humidity": "relative_humidity",
    "impedance_low": "impedance",
    "moisture": "soil_moisture",
    "pm25": "pm2_5",
    "precipitation": "rain",
    "sensor_contact": "skin_contact",
    "volatile_organic_compounds": "voc_mass",
    "volume_flow_rate": "volume_flow",
}
IN_PROFILE: Final = {
    ("sig/running-speed", "speed"): "running_speed",
    ("sig/weight-scale", "mass"): "body_mass",
    ("xiaomi/mibeacon", "mass"): "body_mass",
    ("xiaomi/miscale-v1", "mass"): "body_mass",
    ("xiaomi/miscale-v2", "mass"): "body_mass",
    ("qingping/cgpr1", "packet"): "packet",
}
UNITS: Final = {
    "bpm": "/min",
    "1/min": "/min",
    "ohm": "Ohm",
    "m³": "m3",
    "m³/h": "m3/h",
    "µS/cm": "uS/cm",
    "m/s²": "m/s2",
    "°/s": "deg/s",
    "dBm": "dB[mW]",
}

NOT_IN_THE_BYTES: Final = {
    ("ble_bthome-029", "packet_id"): 8,
    ("ble_bthome-031", "packet_id"): 190,
    ("ble_bthome-033", "packet_id"): 47,
    ("ble_bthome-097", "packet_id"): 33,
    ("ble_wearable_hr_advert-001", "rssi"): -78,
}
"""Where a vector names the state of the library's receiver (the packet number it saw before), or a byte of
the address as signal strength: what the bytes themselves say.
"""
BESIDES: Final = {
    "ble_bthome-097": {"button"},
    "ble_ruuvi-019": {"pm4"},
}
"""Readings that a vector leaves out although the bytes hold them."""


def load() -> list[dict[str, Any]]:
    """All vectors, none where the folder is missing."""
    found: list[dict[str, Any]] = []
    for family in FAMILIES:
        file = FOLDER / f"ble_{family}.json"
        if file.is_file():
            found += json.loads(file.read_text("utf-8"))["vectors"]
    return found


def profile_of(vector: dict[str, Any]) -> str:
    """The id of the profile that a vector is for."""
    device = vector["device"]
    return OF_DEVICE[max((start for start in OF_DEVICE if device.startswith(start)), key=len)]


def our_name(profile: str, name: str) -> str:
    """Our name of a value of a vector."""
    if found := IN_PROFILE.get((profile, name)):
        return found
    name = name.removesuffix("_1")
    if found := SAME.get(name):
        return found
    kind, _, plain = name.rpartition(":")
    if kind == "event" and plain in {
        "button",
        "button_2",
        "button_3",
        "lock",
        "fingerprint",
        "motion",
        "error",
    }:
        return f"{plain}_event"
    return plain
