"""Formats of vendors' stations and cameras, each read by one adapter."""

from __future__ import annotations

from typing import Final

from device_profiles.adapters import hikvision, wecom
from device_profiles.adapters.contract import Adapter, CardNotation, Event

__all__ = ["ADAPTERS", "Adapter", "CardNotation", "Event"]

ADAPTERS: Final[dict[str, Adapter]] = {
    "hikvision-isapi": hikvision.ADAPTER,
    "wecom-temperature": wecom.ADAPTER,
}
"""By the name under which a profile says ``record = "…"``."""
