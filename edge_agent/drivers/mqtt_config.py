"""Configuration of the MQTT driver; `mqtt.sample.toml` beside this module shows it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pydantic import Field

from device_profiles.binding import bind
from device_profiles.decoder import DeviceDecoder
from device_profiles.registry import Catalogue
from edge_agent.drivers.settings import DeviceId, Place
from foundation.broker import BrokerSettings
from foundation.tomlfile import StrictModel
from telemetry.readings import SeriesTable

if TYPE_CHECKING:
    from device_profiles.lorawan import LorawanDecoder

    MqttDecoder = DeviceDecoder | LorawanDecoder


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

    def relative_to(self, folder: Path) -> MqttSource:
        """The same with the files it names looked for in `folder`."""
        return self.model_copy(update={"broker": self.broker.relative_to(folder)})


def bind_device(device: MqttDevice, catalogue: Catalogue, table: SeriesTable, zone: ZoneInfo) -> MqttDecoder:
    """The decoder of a configured device: of its own messages, or of those that a LoRaWAN network
    server publishes for it. Raises ProfileNotFoundError, FileProblems for a profile
    that cannot be used, and ValueError for an address or topic that cannot be.
    """
    profile = catalogue.get(device.profile)
    if profile.spec.transport == "lorawan":
        from device_profiles.lorawan import bind_lorawan  # noqa: PLC0415  # only where there is one

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
