"""Bands met in the air: read without being configured, if somebody on the credential map wears them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from bleak.backends.scanner import AdvertisementData

from device_profiles.ble import Advertisement, BleDecoder, bind_ble
from device_profiles.registry import Catalogue
from edge_agent.counters import DeviceCounters
from edge_agent.drivers.ble.config import BleBands
from edge_agent.drivers.ble.device import Device
from edge_agent.drivers.ble.turns import Turns
from telemetry.readings import SeriesTable

if TYPE_CHECKING:
    from edge_agent.identity.overheard import Overheard

HEART_RATE_SERVICE: Final = "0000180d-0000-1000-8000-00805f9b34fb"
"""What a strap that must be connected to tells in its advertisements (Heart Rate Profile 1.0)."""
NAME: Final = "bands"
"""Under which what one of them sent and nobody understood is counted."""


class _Met(NamedTuple):
    address: str
    devices: tuple[Device, ...]


class AirBands:
    """The bands around one adapter. Their local names come from `overheard`, which all adapters share."""

    def __init__(
        self, rules: Sequence[BleBands], overheard: Overheard, catalogue: Catalogue, table: SeriesTable
    ) -> None:
        self._rules = rules
        self._overheard = overheard
        self._catalogue = catalogue
        self._table = table
        self.probes = [self._bind(rule, "", "") for rule in rules]
        """A decoder a rule, of no device: what is looked at to see whether a band speaks."""
        self._met: dict[str, _Met] = {}

    def find(
        self,
        advertisement: Advertisement,
        data: AdvertisementData,
        turns: Turns | None,
        now_s: float,
        now_ms: int,
    ) -> Sequence[Device]:
        """The band as a device a profile; none where it is no band, or nobody known wears it."""
        heard = [
            rule
            for rule, probe in zip(self._rules, self.probes, strict=True)
            if (probe.characteristics and HEART_RATE_SERVICE in data.service_uuids)
            or probe.named_decoders(advertisement)
        ]
        if not heard:
            return ()
        name = self._overheard.name(advertisement.address, now_s, now_ms)
        if name is None:
            return ()
        met = self._met.get(name)
        if met is None or met.address != advertisement.address:
            self._dismiss(name, turns)
            met = self._met[name] = _Met(advertisement.address, ())
        missing = [rule for rule in heard if all(one.decoder.model != rule.profile for one in met.devices)]
        if missing:
            new = [self._make(rule, name, advertisement.address, turns) for rule in missing]
            met = self._met[name] = _Met(met.address, (*met.devices, *new))
        return met.devices

    def tend(self, turns: Turns | None, now_ms: int) -> None:
        """To be called every second or so: ends connections to bands that nobody known wears any more."""
        self._overheard.renew(now_ms)
        for name, met in list(self._met.items()):
            for device in met.devices:
                if device.heard_s is not None:
                    self._overheard.touch(met.address, device.heard_s)
            if not self._overheard.knows(met.address, name):
                self._dismiss(name, turns)

    def forget(self) -> None:
        """The radio starts anew."""
        for met in self._met.values():
            for device in met.devices:
                device.forget()

    def _dismiss(self, name: str, turns: Turns | None) -> None:
        met = self._met.pop(name, None)
        for device in met.devices if met else ():
            if turns is not None:
                turns.dismiss(device)

    def _make(self, rule: BleBands, name: str, address: str, turns: Turns | None) -> Device:
        # Counters of its own that nobody shows: when a band was heard says where somebody was.
        device = Device(
            self._bind(rule, name, address),
            DeviceCounters(worn=True),
            self._table,
            turn_s=rule.turn_s,
            rssi=False,
            told_as=NAME,
        )
        if device.wants_link and turns is not None:
            turns.add(device)
        return device

    def _bind(self, rule: BleBands, name: str, address: str) -> BleDecoder:
        # A probe's series must not stand in the table that is used.
        table = self._table if name else SeriesTable()
        profile = self._catalogue.get(rule.profile)
        return bind_ble(profile, device=name, place=rule.place, address=address, table=table)
