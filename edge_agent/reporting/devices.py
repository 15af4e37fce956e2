"""From when on each configured device counts as silent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from device_profiles.registry import Catalogue
from edge_agent.reporting.silence import WatchedDevice
from telemetry.worn import is_worn

if TYPE_CHECKING:
    from edge_agent.config import GatewayConfig
    from edge_agent.drivers.settings import Device

INTERVALS: Final = 3
"""A polled device is silent after so many of its intervals without an answer."""
POLLED_S_MIN: Final = 30.0


def watched_devices(config: GatewayConfig, catalogue: Catalogue) -> Iterator[WatchedDevice]:
    """Every configured device but those that people wear, with the silence that its profile allows or
    the configuration says.
    """
    for device in config.devices:
        if is_worn_device(device, catalogue):
            continue  # where and when a band is heard says where somebody is
        profile_id = getattr(device, "profile", "")
        spec = catalogue.get(profile_id).spec if profile_id else None
        allowed_s = config.silence.of(device.id, _allowed_s(device, spec))
        yield WatchedDevice(device.id, device.place, profile_id, allowed_s)


def _allowed_s(device: Any, spec: Any) -> float:
    interval_s = getattr(device, "interval_s", None) or getattr(spec, "poll_interval_s", None)
    if interval_s is not None:
        return max(INTERVALS * float(interval_s), POLLED_S_MIN)
    return float(getattr(spec, "silent_after_s", 0.0))


def worn_devices(config: GatewayConfig, catalogue: Catalogue) -> Iterator[str]:
    """The ids of devices that people wear or stand on."""
    return (device.id for device in config.devices if is_worn_device(device, catalogue))


def is_worn_device(device: Device, catalogue: Catalogue) -> bool:
    """Raises ProfileNotFoundError."""
    profile_id = getattr(device, "profile", "")
    return bool(profile_id) and is_worn(row.quantity for row in catalogue.get(profile_id).spec.fields)
