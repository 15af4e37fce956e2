"""Which configured or overheard devices are bands, and by which credential their wearer is looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from telemetry.credential_map import normalise_band


class Carriers:
    """Device id → the band's credential, ``band:`` and its address. Read by the gate, filled by the
    configuration and by the Bluetooth driver. Never printed: an address names somebody.
    """

    def __init__(self, addresses: Mapping[str, str] | None = None) -> None:
        self._credentials: dict[str, str] = {}
        self.changes = 0
        """Rises with every change, so that who has judged a device knows when to judge it again."""
        for device, address in (addresses or {}).items():
            self.add(device, address)

    def add(self, device: str, address: str) -> None:
        """From now on this device is the band with this address. Raises ValueError for no address."""
        self._credentials[device] = normalise_band(address)
        self.changes += 1

    def remove(self, device: str) -> None:
        """Nobody wears this device any more; fine when nobody did."""
        self._credentials.pop(device, None)
        self.changes += 1

    def find(self, device: str) -> str | None:
        """The credential of the device's wearer; None for a device that nobody carries."""
        return self._credentials.get(device)

    def __contains__(self, device: object) -> bool:
        return device in self._credentials

    def __iter__(self) -> Iterator[str]:
        """The ids of all of them."""
        return iter(tuple(self._credentials))

    def __len__(self) -> int:
        return len(self._credentials)

    def __repr__(self) -> str:
        return f"Carriers({len(self)} devices)"
