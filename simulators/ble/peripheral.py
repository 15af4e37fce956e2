"""A simulated Bluetooth device: what it advertises, and what it says over a connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from simulators.ble.faults import Faults

FLAGS: Final = b"\x06"
"""LE General Discoverable, BR/EDR not supported: what nearly every sensor sends."""
AddressType = Literal["public", "random"]


class Advert(NamedTuple):
    """The content of one advertisement: data by company number, and by service (UUID in long form)."""

    manufacturer: Mapping[int, bytes] = {}
    service_data: Mapping[str, bytes] = {}
    uuids: tuple[str, ...] = ()
    flags: bytes = FLAGS


@dataclass
class Characteristic:
    """One value of a device. `value` is asked whenever it is read, and every `interval_s` to notify.

    flags: as BlueZ tells them ("read", "notify", "write"). written: what was written to it.
    """

    uuid: str
    value: Callable[[], bytes]
    flags: tuple[str, ...] = ("read", "notify")
    interval_s: float = 1.0
    written: list[bytes] = field(default_factory=list)


@dataclass
class Service:
    uuid: str
    characteristics: Sequence[Characteristic]


@dataclass
class Peripheral:
    """One device. `says` gives what it advertises now; `rssi` how strongly, in dBm, it is heard.

    interval_s: between two advertisements. adapters: the names of those that hear it; None: all.
    advertises_connected: most devices fall silent while somebody is connected to them.
    """

    address: str
    says: Callable[[], Advert] = Advert
    name: str | None = None
    interval_s: float = 1.0
    rssi: Callable[[], int] = lambda: -60
    services: Sequence[Service] = ()
    address_type: AddressType = "random"
    adapters: frozenset[str] | None = None
    advertises_connected: bool = False
    faults: Faults = field(default_factory=Faults)

    def is_heard_by(self, adapter: str) -> bool:
        return not self.faults.silent and (self.adapters is None or adapter in self.adapters)

    def advert(self) -> Advert:
        """What goes out now, with its faults."""
        advert, faults = self.says(), self.faults
        if not faults.corrupt:
            return advert
        return advert._replace(
            manufacturer=faults.spoil_all(advert.manufacturer),
            service_data=faults.spoil_all(advert.service_data),
        )
