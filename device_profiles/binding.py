"""Binds the profile of a device that speaks MQTT to one such device: JSON, or Sparkplug B."""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_profiles.decoder import DeviceDecoder
from device_profiles.encodings import SPARKPLUG_B
from device_profiles.registry import Profile, mqtt_json_spec
from device_profiles.schema import ADDRESS, check_filter
from device_profiles.times import TimeLimits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import tzinfo

    from telemetry.readings import SeriesTable


def bind(
    profile: Profile,
    *,
    device: str,
    place: str,
    address: str,
    table: SeriesTable,
    zone: tzinfo,
    topics: Sequence[str] = (),
    time_limits: TimeLimits | None = None,
) -> DeviceDecoder:
    """A profile's decoder for one device.

    device, place: the ids under which its series stand. address: what the profile's topics and
    `where` are filled in with. topics: filters instead of the profile's, for a gateway of another
    base topic. zone: of device times that name none. Raises ValueError for an address or topic
    that cannot be, and for a profile of another transport.
    """
    if not address or any(sign in address for sign in "+#\0"):
        raise ValueError(f"address {address!r} cannot stand in a topic: it is empty or has +, # or NUL")
    filters = tuple(topic.replace(ADDRESS, address) for topic in topics or mqtt_json_spec(profile).topics)
    for topic in filters:
        check_filter(topic)
    make = DeviceDecoder
    if mqtt_json_spec(profile).encoding == SPARKPLUG_B:
        from device_profiles.sparkplug_decoder import SparkplugDecoder  # noqa: PLC0415  # only where there is one

        make = SparkplugDecoder
    return make(
        profile,
        device=device,
        place=place,
        address=address,
        topics=filters,
        table=table,
        zone=zone,
        time_limits=time_limits or TimeLimits(),
    )
