"""Formats of vendors' stations and cameras, each read by one adapter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from device_profiles.adapters.contract import Adapter, CardNotation, Event
from foundation.lazytable import LazyTable

__all__ = ["ADAPTERS", "Adapter", "CardNotation", "Event"]

ADAPTERS: Final[Mapping[str, Adapter]] = LazyTable(
    {"hikvision-isapi": "hikvision:ADAPTER", "wecom-temperature": "wecom:ADAPTER"},
    package="device_profiles.adapters",
)
"""By the name under which a profile says ``record = "…"``."""
