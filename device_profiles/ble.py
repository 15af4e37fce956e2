"""Turns what a Bluetooth Low Energy device sends into readings, as its profile says. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from device_profiles.ble_schema import BleProfile, Packet
from device_profiles.bytes_decoder import PayloadDecoder
from device_profiles.payloads import Context, PayloadError
from device_profiles.registry import Profile, ble_spec
from telemetry.named import Named
from telemetry.readings import Chunk, SeriesTable

REPEAT_MS_MAX: Final = 60_000
"""A counter that stays the same for longer is that of a new measurement, after a whole round."""
RESTART_MS_MIN: Final = 600_000
"""A device counts from the beginning after a change of batteries. Its lower count is believed when nothing
was heard of it for so long; before, it is somebody who repeats what was once sent.
"""


class Advertisement(NamedTuple):
    """What was heard of one device: its address as "AA:BB:CC:DD:EE:FF", signal strength in dBm, name,
    data by company number, and data by service (UUID in long form, lower case).
    """

    address: str
    rssi: int | None = None
    name: str | None = None
    manufacturer: Mapping[int, bytes] = {}
    service_data: Mapping[str, bytes] = {}


class Characteristic(NamedTuple):
    """A value that must be fetched over a connection: notified, or read each `interval_s`."""

    uuid: str
    mode: str
    interval_s: float


class _Source(NamedTuple):
    packet: Packet
    decoder: PayloadDecoder


class BleDecoder:
    """Reads one device. `address` is its own, in capitals with colons."""

    def __init__(
        self,
        profile: Profile,
        *,
        device: str,
        place: str,
        address: str,
        table: SeriesTable,
        key: bytes | None,
        only: Collection[str] | None,
    ) -> None:
        self.spec: BleProfile = ble_spec(profile)
        self.device = device
        self.place = place
        self.model = profile.id
        self.address = address
        self._context = Context(address=address, key=key)
        self._own_address = bytes.fromhex(address.replace(":", "")) if address else b""
        self._sources = [
            _Source(
                packet,
                PayloadDecoder(packet, device=device, place=place, model=profile.id, table=table, only=only),
            )
            for packet in self.spec.packets
        ]
        fetched = {
            packet.characteristic: Characteristic(packet.characteristic, packet.mode, packet.interval_s)
            for packet in self.spec.packets
            if packet.characteristic is not None
        }
        self.characteristics: tuple[Characteristic, ...] = tuple(fetched.values())
        self._seen: dict[int, tuple[object, int]] = {}
        self._risen: dict[int, tuple[int, int]] = {}

    @property
    def listens(self) -> bool:
        """Whether anything of it stands in advertisements."""
        return any(packet.characteristic is None for packet in self.spec.packets)

    @property
    def has_inner_address(self) -> bool:
        """Whether it can be told by the address within its data, whatever it advertises under."""
        return any(packet.address_at is not None for packet in self.spec.packets)

    def accepts(self, advertisement: Advertisement) -> bool:
        """Whether an advertisement is this device's, by its address or by the one within its data."""
        if advertisement.address == self.address:
            return True
        return any(
            self._inner_address(packet, data) == self._own_address
            for packet, decoder in self._sources
            if packet.address_at is not None
            and (data := _data_of(packet, advertisement)) is not None
            and decoder.matches(data)
        )

    def decode(
        self, advertisement: Advertisement, received_ms: int, chunk: Chunk, *, warming_up: bool = False
    ) -> tuple[str, ...]:
        """Appends an advertisement's readings to `chunk`; returns a reason for everything refused.

        A repeated transmission of what was read before gives nothing, and is not refused. Nor is an
        advertisement that has no data of the profile's kinds. Never raises.
        """
        refused: list[str] = []
        known = other = False
        for at, (packet, decoder) in enumerate(self._sources):
            data = _data_of(packet, advertisement)
            if data is None:
                continue
            if not decoder.matches(data):
                other = True
                continue
            known = True
            try:
                values = decoder.understand(data, self._context)
            except PayloadError as error:
                refused.append(error.reason)
                continue
            if self._is_replayed(packet, at, values, received_ms):
                refused.append("replayed")
                continue
            counter = decoder.counter(data, values)
            if counter is None and (rising := values.get(packet.rising or "")):
                counter = rising.value
            if self._is_repeat(at, counter, received_ms):
                continue
            refused += decoder.decode(data, received_ms, chunk, values=values, warming_up=warming_up)
        return ("unknown_packet",) if other and not known else tuple(refused)

    def decode_value(
        self, uuid: str, data: bytes, received_ms: int, chunk: Chunk, *, warming_up: bool = False
    ) -> tuple[str, ...]:
        """As `decode`, for the value of a characteristic."""
        for packet, decoder in self._sources:
            if packet.characteristic == uuid and decoder.matches(data):
                return decoder.decode(data, received_ms, chunk, context=self._context, warming_up=warming_up)
        return ("unknown_packet",)

    def decoders_for(self, packet_data: bytes) -> list[PayloadDecoder]:
        """The decoders whose kind of payload `packet_data` may be, for bytes of unknown origin."""
        return [decoder for _, decoder in self._sources if decoder.matches(packet_data)]

    def named_decoders(self, advertisement: Advertisement) -> list[tuple[PayloadDecoder, bytes]]:
        """Decoder and data of each part of an advertisement that is known, for people to look at."""
        return [
            (decoder, data)
            for packet, decoder in self._sources
            if (data := _data_of(packet, advertisement)) is not None and decoder.matches(data)
        ]

    def _is_repeat(self, at: int, counter: object, now_ms: int) -> bool:
        if counter is None:
            return False
        before = self._seen.get(at)
        self._seen[at] = (counter, now_ms)
        return before is not None and before[0] == counter and now_ms - before[1] <= REPEAT_MS_MAX

    def _is_replayed(self, packet: Packet, at: int, values: Mapping[str, Named], now_ms: int) -> bool:
        named = None if packet.rising is None else values.get(packet.rising)
        if named is None or not isinstance(named.value, int):
            return False
        before = self._risen.get(at)
        if before is not None and named.value < before[0] and now_ms - before[1] <= RESTART_MS_MIN:
            return True
        self._risen[at] = (named.value, now_ms)
        return False

    def _inner_address(self, packet: Packet, data: bytes) -> bytes:
        assert packet.address_at is not None
        start = packet.address_at + (len(data) if packet.address_at < 0 else 0)
        found = data[start : start + 6]
        return found if packet.address_order == "big" else found[::-1]


def _data_of(packet: Packet, advertisement: Advertisement) -> bytes | None:
    if packet.company is not None:
        return advertisement.manufacturer.get(packet.company)
    if packet.company_is_data:
        for company, data in advertisement.manufacturer.items():
            if packet.length is None or len(data) + 2 == packet.length:
                return company.to_bytes(2, "little") + data
    return None if packet.service is None else advertisement.service_data.get(packet.service)


def bind_ble(
    profile: Profile,
    *,
    device: str,
    place: str,
    address: str,
    table: SeriesTable,
    key: bytes | None = None,
    only: Collection[str] | None = None,
) -> BleDecoder:
    """A profile's decoder for one device.

    device, place: the ids under which its series stand. address: its Bluetooth address. key: its bind
    key, 12 or 16 bytes. only: the quantities this device is fitted with, where a profile knows more.
    Raises WrongTransportError (a ValueError) for a profile that is not for Bluetooth, and ValueError
    for a quantity that it does not give.
    """
    spec = ble_spec(profile)
    unknown = set(only or ()) - {row.quantity for row in spec.fields}
    if unknown:
        raise ValueError(f"profile {profile.id} does not give {', '.join(sorted(unknown))}")
    return BleDecoder(
        profile,
        device=device,
        place=place,
        address=address.upper(),
        table=table,
        key=key,
        only=only,
    )
