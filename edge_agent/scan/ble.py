"""Finds Bluetooth devices and guesses their models from what they advertise.

A profile fits when the device's data gives at least one plausible reading and nothing is refused. With
`look_into`, devices that no profile fits are connected to, and profiles of values that must be fetched
are tried.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData

from device_profiles.ble import Advertisement, BleDecoder, bind_ble
from device_profiles.ble_schema import BleProfile
from device_profiles.registry import Catalogue, Profile
from edge_agent.drivers.ble.bluez import FOREIGN, Bluez, RadioAwayError
from telemetry.quality import Quality
from telemetry.quantities import QUANTITIES
from telemetry.readings import Chunk, SeriesTable

FITS_MAX: Final = 5
"""Candidates told of one device, the best first."""
CONNECT_S_MAX: Final = 15.0
VALUE_S_MAX: Final = 3.0
"""How long a notification is waited for."""
NO_KEY: Final = "key_missing"


class Fit(NamedTuple):
    """A profile that may be a device's, with what it read; nothing where a bind key is needed first."""

    profile: str
    values: tuple[tuple[str, float, str], ...]
    encrypted: bool = False

    @property
    def told(self) -> str:
        if self.encrypted:
            return "encrypted: needs its bind key"
        return ", ".join(f"{quantity} {value:g} {unit}" for quantity, value, unit in self.values)


@dataclass
class Found:
    """A device that was heard, the profiles that fit, the best first, and its services."""

    peer: BLEDevice
    rssi: int
    name: str | None = None
    manufacturer: dict[int, bytes] = field(default_factory=dict)
    service_data: dict[str, bytes] = field(default_factory=dict)
    fits: tuple[Fit, ...] = ()

    @property
    def address(self) -> str:
        return self.peer.address

    def hears(self, peer: BLEDevice, data: AdvertisementData) -> None:
        self.peer = peer
        self.rssi = data.rssi
        self.name = data.local_name or self.name
        self.manufacturer |= data.manufacturer_data
        self.service_data |= data.service_data


async def listen(adapter: str, listen_s: float) -> list[Found]:
    """Everybody who is heard, the strongest first. Switches nothing. Raises RadioAwayError."""
    found: dict[str, Found] = {}

    def heard(peer: BLEDevice, data: AdvertisementData) -> None:
        one = found.setdefault(peer.address, Found(peer, data.rssi))
        one.hears(peer, data)

    async with Bluez(adapter):
        try:
            async with BleakScanner(heard, scanning_mode="active", bluez={"adapter": adapter}):
                await asyncio.sleep(listen_s)
        except FOREIGN as error:
            raise RadioAwayError(f"adapter {adapter} does not scan: {error}") from error
    return sorted(found.values(), key=lambda one: -one.rssi)


def fit_advertised(found: Found, catalogue: Catalogue) -> tuple[Fit, ...]:
    """The profiles that what was heard of a device fits."""
    table = SeriesTable()
    advertisement = Advertisement(
        found.address, found.rssi, found.name, found.manufacturer, found.service_data
    )
    fits = []
    for profile in _profiles(catalogue):
        if not _may_be(profile.spec, found.name):
            continue
        decoder, chunk = _bind(profile, found.address, table), Chunk()
        refused = decoder.decode(advertisement, 0, chunk)
        if fit := _fit(decoder, chunk, table, refused):
            fits.append(fit)
    return _best(fits)


async def look_into(found: Found, adapter: str, catalogue: Catalogue) -> tuple[Fit, ...]:
    """The same for what must be fetched over a connection. Reads and listens, never writes.

    Nothing where no connection can be made.
    """
    table = SeriesTable()
    decoders = [_bind(profile, found.address, table) for profile in _profiles(catalogue)]
    chunks = {decoder.model: (decoder, Chunk()) for decoder in decoders if decoder.characteristics}
    client = BleakClient(found.peer, timeout=CONNECT_S_MAX, bluez={"adapter": adapter})
    with contextlib.suppress(*FOREIGN):
        async with asyncio.timeout(2 * CONNECT_S_MAX), client:
            wanted = {row.uuid: row.mode for decoder, _ in chunks.values() for row in decoder.characteristics}
            async for uuid, data in _values(client, wanted):
                for decoder, chunk in chunks.values():
                    if any(row.uuid == uuid for row in decoder.characteristics):
                        decoder.decode_value(uuid, data, 0, chunk)
    fits = [_fit(decoder, chunk, table, ()) for decoder, chunk in chunks.values()]
    return _best([fit for fit in fits if fit is not None])


async def _values(client: BleakClient, wanted: dict[str, str]) -> AsyncIterator[tuple[str, bytes]]:
    for uuid, mode in wanted.items():
        if client.services.get_characteristic(uuid) is None:
            continue
        with contextlib.suppress(*FOREIGN):
            if mode == "read":
                yield uuid, bytes(await client.read_gatt_char(uuid))
                continue
            told: asyncio.Queue[bytes] = asyncio.Queue(maxsize=16)

            def take(_: object, data: bytearray, told: asyncio.Queue[bytes] = told) -> None:
                with contextlib.suppress(asyncio.QueueFull):
                    told.put_nowait(bytes(data))

            await client.start_notify(uuid, take)
            async with asyncio.timeout(VALUE_S_MAX):
                value = await told.get()
            await client.stop_notify(uuid)
            yield uuid, value


def _profiles(catalogue: Catalogue) -> Sequence[Profile]:
    return [profile for profile in catalogue.all() if isinstance(profile.spec, BleProfile)]


def _may_be(spec: object, name: str | None) -> bool:
    """Makers who put data in the place of their number can be told by the name alone."""
    if isinstance(spec, BleProfile) and any(packet.company_is_data for packet in spec.packets):
        return name is not None and name.startswith(spec.name_start)
    return True


def _bind(profile: Profile, address: str, table: SeriesTable) -> BleDecoder:
    return bind_ble(profile, device="scan", place="scan/scan", address=address, table=table)


def _fit(decoder: BleDecoder, chunk: Chunk, table: SeriesTable, refused: Sequence[str]) -> Fit | None:
    if NO_KEY in refused:
        return Fit(decoder.model, (), encrypted=True)
    readings = [one for one in chunk.readings(table) if one.series.model == decoder.model]
    if refused or not readings or any(one.quality is Quality.OUT_OF_RANGE for one in readings):
        return None
    values = ((one.series.quantity, one.value, QUANTITIES[one.series.quantity].unit) for one in readings)
    return Fit(decoder.model, tuple(values))


def _best(fits: Sequence[Fit]) -> tuple[Fit, ...]:
    return tuple(sorted(fits, key=lambda fit: (fit.encrypted, -len(fit.values)))[:FITS_MAX])
