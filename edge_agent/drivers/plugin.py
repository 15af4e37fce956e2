"""What a plug-in offers that reads devices of a transport of its own.

The entry point of the group ``campus_pulse.drivers`` names a `DriverPlugin`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from device_profiles.registry import Catalogue
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.contract import Driver
from foundation.plugins import Offer
from foundation.tomlfile import StrictModel
from foundation.tomllines import Location
from telemetry.readings import SeriesTable


class DriverParts(NamedTuple):
    """What every driver is given: profiles, indices of series, the time, the counters, and the school's
    time zone.
    """

    catalogue: Catalogue
    table: SeriesTable
    clock: Clock
    counters: Counters
    zone: ZoneInfo


def _no_problems(sources: Sequence[Any], catalogue: Catalogue) -> Iterable[tuple[Location, str]]:
    del sources, catalogue
    return ()


@dataclass(frozen=True)
class DriverPlugin:
    """A driver for the tables ``[[plugin.NAME]]`` of gateway.toml.

    source: the model of one table. It has a `name` and `devices`; of each device `id`, `place`, and where
    it has a profile, `profile` (see `edge_agent.drivers.settings`). A model that has paths has a method
    `relative_to(base)`, which gives the same with the paths starting at that folder.

    make: the driver of one table, without network. find_problems: what cannot work although each setting
    by itself is good, as the place in the tables, such as ``(0, "devices", 1, "profile")``, and words.
    """

    api: int
    source: type[StrictModel]
    make: Callable[[Any, DriverParts], Driver]
    find_problems: Callable[[Sequence[Any], Catalogue], Iterable[tuple[Location, str]]] = _no_problems


@dataclass(frozen=True)
class PluginSource:
    """One table ``[[plugin.NAME]]``, as the rest of the gateway sees it. settings: the plug-in's model."""

    plugin: DriverPlugin
    offer: Offer
    settings: Any

    @property
    def name(self) -> str:
        name: str = self.settings.name
        return name

    @property
    def devices(self) -> tuple[Any, ...]:
        return tuple(self.settings.devices)
