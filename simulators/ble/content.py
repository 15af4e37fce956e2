"""What a Bluetooth device of a profile's model says: payloads and values made of the truth.

Where the profile's layout is by position, the payload is made from its rows; for the families that a
codec reads, and for the characteristics of the Bluetooth SIG, from their documents.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from device_profiles.ble_schema import BleProfile, Packet
from device_profiles.bytes_schema import SIZES
from simulators.ble import adverts
from simulators.ble.adverts import uuid_of
from simulators.ble.peripheral import Advert, Characteristic, Service
from simulators.serial.content import payload_of

Truth = Callable[[str], float]
"""From a quantity to its true value now, in the unit of the quantity."""
Payload = Callable[[], bytes]

BATTERY_SERVICE: Final = uuid_of(0x180F)
BATTERY_LEVEL: Final = uuid_of(0x2A19)


def _u8(value: float) -> bytes:
    return bytes((min(255, max(0, round(value))),))


_VALUES: Final[Mapping[str, tuple[str, Callable[[Truth], bytes]]]] = {
    adverts.HEART_RATE: (
        adverts.HEART_RATE_SERVICE,
        lambda truth: adverts.heart_rate_value(round(truth("heart_rate"))),
    ),
    adverts.TEMPERATURE: (
        adverts.ENVIRONMENT_SERVICE,
        lambda truth: adverts.hundredths(truth("temperature")),
    ),
    adverts.HUMIDITY: (
        adverts.ENVIRONMENT_SERVICE,
        lambda truth: adverts.hundredths(truth("relative_humidity")),
    ),
    BATTERY_LEVEL: (BATTERY_SERVICE, lambda truth: _u8(truth("battery"))),
}
"""Characteristic → its service, and its value."""

_BTHOME: Final[Mapping[str, tuple[int, int, float, bool]]] = {
    "battery": (0x01, 1, 1.0, False),
    "temperature": (0x02, 2, 0.01, True),
    "relative_humidity": (0x03, 2, 0.01, False),
    "pressure": (0x04, 3, 0.01, False),
    "illuminance": (0x05, 3, 0.01, False),
    "mass": (0x06, 2, 0.01, False),
    "voltage": (0x0C, 2, 0.001, False),
    "pm2_5": (0x0D, 2, 1.0, False),
    "pm10": (0x0E, 2, 1.0, False),
    "co2": (0x12, 2, 1.0, False),
    "motion": (0x21, 1, 1.0, False),
    "occupancy": (0x23, 1, 1.0, False),
    "open": (0x1A, 1, 1.0, False),
    "energy": (0x0A, 3, 0.001, False),
    "power": (0x0B, 3, 0.01, False),
}
"""Quantity → object id, bytes, unit of the last digit and whether it is signed: https://bthome.io/format."""
_BTHOME_USUAL: Final = ("temperature", "relative_humidity", "battery")
"""What a device of this format measures when nobody says what it is."""


def bthome(quantities: Collection[str], truth: Truth, packet: int) -> bytes:
    """A BTHome v2 payload in clear, its objects in the order of their ids."""
    found = bytearray((0x40, 0x00, packet % 256))
    for object_id, quantity in sorted((_BTHOME[one][0], one) for one in quantities if one in _BTHOME):
        _, size, step, signed = _BTHOME[quantity]
        low, high = (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1) if signed else (0, (1 << 8 * size) - 1)
        number = min(high, max(low, round(truth(quantity) / step)))
        found.append(object_id)
        found += number.to_bytes(size, "little", signed=signed)
    return bytes(found)


def _mi_band(address: str, truth: Truth, _number: int) -> bytes:
    return adverts.heart_rate_band(address, round(truth("heart_rate"))).manufacturer[adverts.HUAMI]


def _polar(_address: str, truth: Truth, number: int) -> bytes:
    """Flags with a running number, a code, the rate over a short and over a long time."""
    rate = round(truth("heart_rate"))
    return bytes((int(truth("battery_low")) | number % 8 << 2, 0, rate, rate))


def _xoss(_address: str, truth: Truth, _number: int) -> bytes:
    return bytes((0, round(truth("battery")), 0, round(truth("heart_rate"))))


_BANDS: Final[Mapping[str | None, Callable[[str, Truth, int], bytes]]] = {
    "band-mi": _mi_band,
    "band-polar": _polar,
    "band-xoss": _xoss,
}
"""Codec → what a band broadcasts; sources as in `device_profiles.payloads.bands`."""


def advert_of(
    spec: BleProfile, address: str, truth: Truth, quantities: Collection[str] | None = None
) -> Callable[[], Advert]:
    """What a device advertises, anew each time it is asked: the packets of its profile in turn, as far
    as they can be made.

    quantities: what this device is fitted with, where its model knows more. Raises ValueError for a
    model of whose advertisements none can be made here.
    """
    made: list[tuple[Packet, Payload]] = []
    why: ValueError | None = None
    for packet in spec.packets:
        if packet.characteristic is None:
            try:
                made.append((packet, _payload(packet, address, truth, quantities)))
            except ValueError as error:
                why = why or error
    if why is not None and not made:
        raise why
    uuids = tuple(dict.fromkeys(service.uuid for service in services_of(spec, truth)))
    turn = 0

    def says() -> Advert:
        nonlocal turn
        if not made:
            return Advert(uuids=uuids)
        packet, payload = made[turn % len(made)]
        turn += 1
        if packet.company is not None:
            return Advert(manufacturer={packet.company: payload()}, uuids=uuids)
        assert packet.service is not None
        return Advert(service_data={packet.service: payload()}, uuids=uuids)

    return says


def services_of(spec: BleProfile, truth: Truth) -> tuple[Service, ...]:
    """What a device says over a connection. Raises ValueError for a value that cannot be made here."""
    found: dict[str, list[Characteristic]] = {}
    for packet in spec.packets:
        if packet.characteristic is None:
            continue
        if packet.characteristic not in _VALUES:
            raise ValueError(f"no value can be made for characteristic {packet.characteristic}")
        service, make = _VALUES[packet.characteristic]
        value = Characteristic(packet.characteristic, _asked(make, truth), (packet.mode,))
        found.setdefault(service, []).append(value)
    return tuple(Service(uuid, values) for uuid, values in found.items())


def _asked(make: Callable[[Truth], bytes], truth: Truth) -> Payload:
    return lambda: make(truth)


def _payload(packet: Packet, address: str, truth: Truth, quantities: Collection[str] | None) -> Payload:
    count = 0
    told = tuple(row.quantity for row in packet.fields if quantities is None or row.quantity in quantities)

    def next_number() -> int:
        nonlocal count
        count += 1
        return count

    if packet.codec == "bthome-v2":
        fitted = _BTHOME_USUAL if quantities is None else told
        return lambda: bthome(fitted, truth, next_number())
    if packet.codec in _BANDS:
        band = _BANDS[packet.codec]
        return lambda: band(address, truth, next_number())
    if not told:
        raise ValueError("a packet without a value")
    if packet.codec is not None or any(row.key is not None for row in packet.fields):
        raise ValueError(f"no payload can be made for the codec {packet.codec!r}")
    return lambda: _placed(packet, payload_of(packet, truth), address, next_number())


def _placed(packet: Packet, payload: bytes, address: str, number: int) -> bytes:
    """The payload with what is not measured: the device's own address, and a number that goes on."""
    found = bytearray(payload)
    if packet.address_at is not None:
        own = adverts.address_bytes(address)
        at = packet.address_at % len(found)
        found[at : at + len(own)] = own if packet.address_order == "big" else own[::-1]
    for row in packet.also:
        if row.name == packet.counter and row.at is not None and row.type is not None:
            size = SIZES[row.type]
            at = row.at % len(found)
            raw = number % ((1 << 8 * size) - 1)  # all ones often means that there is none
            found[at : at + size] = raw.to_bytes(size, row.byte_order or packet.byte_order)
    return bytes(found)
