"""Configuration of the MQTT driver; `mqtt.sample.toml` beside this module shows it."""

from __future__ import annotations

import re
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from device_profiles.decoder import DeviceDecoder, bind
from device_profiles.lorawan import LorawanDecoder, bind_lorawan
from device_profiles.lorawan_schema import LorawanProfile
from device_profiles.registry import Catalogue
from foundation.broker import BrokerSettings
from foundation.tomlfile import StrictModel
from telemetry.readings import SeriesTable

_DEVICE = re.compile(r"[\w.:-]{1,64}")
_PLACE = re.compile(r"[^/\s][^/]{0,63}(/[^/\s][^/]{0,63}){0,3}")


def _device_id(text: str) -> str:
    if not _DEVICE.fullmatch(text):
        raise ValueError("must be 1 to 64 letters, digits, or one of . : _ -, such as co2-301")
    return text


def _place(text: str) -> str:
    if not _PLACE.fullmatch(text):
        raise ValueError("must be building/room, such as main/301 or 教学楼/301")
    return text


DeviceId = Annotated[str, AfterValidator(_device_id)]
Place = Annotated[str, AfterValidator(_place)]


class MqttDevice(StrictModel):
    """One device: which model it is, where it stands, and under which name it publishes.

    `address` goes into the profile's topics in place of {address}; left out, it is the id.
    `topics` replaces the profile's topics.
    """

    id: DeviceId
    profile: str
    place: Place
    address: str | None = Field(default=None, min_length=1, max_length=128)
    topics: tuple[str, ...] = ()


class MqttSource(StrictModel):
    """One broker that devices publish to."""

    name: DeviceId
    broker: BrokerSettings
    devices: tuple[MqttDevice, ...] = Field(min_length=1)


MqttDecoder = DeviceDecoder | LorawanDecoder
"""Reads a device's messages: its own, or those that a LoRaWAN network server publishes for it."""


def bind_device(
    device: MqttDevice, catalogue: Catalogue, table: SeriesTable, zone: ZoneInfo
) -> MqttDecoder:
    """The decoder of a configured device. Raises ProfileNotFoundError, FileProblems for a profile
    that cannot be used, and ValueError for an address or topic that cannot be.
    """
    profile = catalogue.get(device.profile)
    if isinstance(profile.spec, LorawanProfile):
        return bind_lorawan(
            profile,
            device=device.id,
            place=device.place,
            address=device.address or device.id,
            table=table,
            topics=device.topics,
        )
    return bind(
        profile,
        device=device.id,
        place=device.place,
        address=device.address or device.id,
        table=table,
        zone=zone,
        topics=device.topics,
    )
