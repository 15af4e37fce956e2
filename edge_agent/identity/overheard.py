"""Bands that nobody configured: heard in the air, and worn by somebody on the credential map."""

from __future__ import annotations

from typing import Final

from edge_agent.counters import Counters
from edge_agent.identity.carriers import Carriers
from edge_agent.identity.credentials import Credentials, Lookup
from telemetry.credential_map import CredentialMap, normalise_band

BANDS_MAX: Final = 200
"""At a time: four classes in one hall."""
IDLE_S: Final = 600.0
"""Whoever was not heard for so long is forgotten. Much longer than a heart-rate window, so that a local
name never stands for two people in one."""


class _Band:
    def __init__(self, device: str, heard_s: float) -> None:
        self.device = device
        self.heard_s = heard_s


class Overheard:
    """Gives bands local names, shared by all adapters: "band#1", "band#2" in the order in which they
    are first heard. A configured device cannot be called so, and the name says nothing of the address.
    """

    def __init__(
        self,
        credentials: Credentials,
        carriers: Carriers,
        counters: Counters,
        *,
        bands_max: int = BANDS_MAX,
        idle_s: float = IDLE_S,
    ) -> None:
        self._credentials = credentials
        self._carriers = carriers
        self._counters = counters
        self._bands_max = bands_max
        self._idle_s = idle_s
        self._bands: dict[str, _Band] = {}
        self._map: CredentialMap | None = None

    def __repr__(self) -> str:
        return f"Overheard({len(self._bands)} bands)"

    def renew(self, now_ms: int) -> None:
        """Forgets whom a new credential map does not know any more; to be called every second or so."""
        if self._map is not self._credentials.map:
            self._map = self._credentials.map
            self._forget([one for one in self._bands if not self._is_worn(one, now_ms)])

    def touch(self, address: str, heard_s: float) -> None:
        """It was heard over a connection, monotonic; whoever is connected advertises nothing."""
        if band := self._bands.get(address):
            band.heard_s = max(band.heard_s, heard_s)

    def knows(self, address: str, device: str) -> bool:
        """Whether this still is the name of the band with this address."""
        band = self._bands.get(address)
        return band is not None and band.device == device

    def name(self, address: str, now_s: float, now_ms: int) -> str | None:
        """The local name of the band with this address, or None, counted, if nobody known wears it.

        now_s: monotonic; now_ms: UTC, for the age of the map.
        """
        self.renew(now_ms)
        band = self._bands.get(address)
        if band is not None:
            band.heard_s = now_s
            return band.device
        if not self._is_worn(address, now_ms):
            self._counters.bands_unknown += 1
            return None
        return self._begin(address, now_s)

    def _is_worn(self, address: str, now_ms: int) -> bool:
        return not isinstance(self._credentials.find(normalise_band(address), now_ms), Lookup)

    def _begin(self, address: str, now_s: float) -> str | None:
        self._forget([one for one, band in self._bands.items() if now_s - band.heard_s > self._idle_s])
        if len(self._bands) >= self._bands_max:
            self._counters.dropped["bands_too_many"] += 1
            return None
        taken = {band.device for band in self._bands.values()}
        device = next(name for at in range(1, self._bands_max + 1) if (name := f"band#{at}") not in taken)
        self._bands[address] = _Band(device, now_s)
        self._carriers.add(device, address)
        return device

    def _forget(self, addresses: list[str]) -> None:
        for address in addresses:
            self._carriers.remove(self._bands.pop(address).device)
