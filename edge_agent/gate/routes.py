"""Which series goes which way through the gate: decided once a series, not once a reading."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog

from edge_agent.gate.policy import Policy
from edge_agent.identity.carriers import Carriers
from foundation.logs import FirstOnly
from telemetry.quantities import QUANTITIES
from telemetry.readings import SeriesKey, SeriesTable
from telemetry.worn import is_personal, is_worn

NOT_REGISTERED: Final = "quantity_not_registered"
NOT_IN_POLICY: Final = "not_in_policy"
WITHOUT_CHECK: Final = "thermometer_without_check"
WORN: Final = "device_is_worn"
_HEART_RATE: Final = frozenset({"heart_rate", "skin_contact"})

log = structlog.get_logger()


class Routes:
    """Series indices by what is done with their readings. `special`: those that do not simply pass."""

    def __init__(
        self, table: SeriesTable, policy: Policy, carriers: Carriers, *, scales: bool, reported: FirstOnly
    ) -> None:
        self._table = table
        self._policy = policy
        self._carriers = carriers
        self._scales = scales
        self._reported = reported
        self.judged = 0
        """Series of the table that have been judged; with more there, `renew` is due …"""
        self.changes = carriers.changes
        """… and so it is when the carriers have changed since."""
        self._of_device: dict[str, list[int]] = {}
        self.special: set[int] = set()
        self.refused: dict[int, str] = {}
        """Never pass, and why."""
        self.heart_rates: set[int] = set()
        self.dangers: set[int] = set()
        """A value 1 of these is a call for help …"""
        self.carried: set[int] = set()
        """… and those among them whose readings never pass, for somebody carries the device."""
        self.scales: set[int] = set()

    def renew(self) -> None:
        """Judges what is new. A device's other series are judged again: a battery is that of a band
        from the moment the band gives a heart rate.
        """
        devices: dict[str, None] = {}
        for at in range(self.judged, len(self._table)):
            device = self._table[at].device
            self._of_device.setdefault(device, []).append(at)
            devices[device] = None
        self.judged = len(self._table)
        if self.changes != self._carriers.changes:
            self.changes = self._carriers.changes
            devices = dict.fromkeys(self._of_device)
        for device in devices:
            self._judge(device, self._of_device[device])

    def _judge(self, device: str, series: Iterable[int]) -> None:
        keys = {at: self._table[at] for at in series}
        worn = device in self._carriers or is_worn(key.quantity for key in keys.values())
        kinds = (self.special, self.heart_rates, self.dangers, self.carried, self.scales)
        for at, key in keys.items():
            for kind in kinds:
                kind.discard(at)
            self.refused.pop(at, None)
            if reason := self._refusal(key, worn=worn):
                self.refused[at] = reason
                self._report(reason, key)
            elif key.quantity in _HEART_RATE:
                self.heart_rates.add(at)
            elif QUANTITIES[key.quantity].urgent:
                self.dangers.add(at)
                if worn:
                    self.carried.add(at)
            elif self._scales and key.quantity == "mass":
                self.scales.add(at)
            else:
                continue
            self.special.add(at)

    def _refusal(self, key: SeriesKey, *, worn: bool) -> str:
        """Why a series never passes; empty if it may."""
        if key.quantity not in QUANTITIES:
            return NOT_REGISTERED
        if is_personal(key.quantity):
            if key.quantity not in self._policy.quantities:
                return NOT_IN_POLICY
            return "" if key.quantity in _HEART_RATE else WITHOUT_CHECK
        return WORN if worn and not QUANTITIES[key.quantity].urgent else ""

    def _report(self, reason: str, key: SeriesKey) -> None:
        if reason == NOT_REGISTERED:
            if self._reported.first((reason, key)):
                log.error("series refused", reason=reason, quantity=key.quantity, device=key.device)
        elif self._reported.first(reason):
            log.info("what the policy does not name is read, and goes no further", reason=reason)
