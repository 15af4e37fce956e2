"""How the school's MQTT devices are spread over gateways, for whoever writes the gateways' files."""

from __future__ import annotations

from typing import NamedTuple, NotRequired, TypedDict

from simulators.school import School
from simulators.world import Device


class DeviceEntry(TypedDict):
    """One ``[[mqtt.devices]]`` table of a gateway's file."""

    id: str
    profile: str
    place: str
    address: str
    topics: NotRequired[list[str]]


class GatewayLayout(NamedTuple):
    """A gateway and its MQTT devices."""

    id: str
    zh: str
    en: str
    devices: tuple[DeviceEntry, ...]


def gateways(school: School) -> tuple[GatewayLayout, ...]:
    """The school's gateways, as its file names them."""
    return tuple(
        GatewayLayout(
            one.id,
            one.name.zh,
            one.name.en,
            tuple(map(_entry, school.on("mqtt", one.id))),
        )
        for one in school.plan.gateways
    )


def _entry(device: Device) -> DeviceEntry:
    entry = DeviceEntry(id=device.id, profile=device.profile, place=device.place, address=device.address)
    if device.plan.mqtt is not None and device.plan.mqtt.topic is not None:
        entry["topics"] = [device.plan.mqtt.topic]
    return entry
