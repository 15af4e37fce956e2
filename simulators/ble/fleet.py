"""Simulated devices by model, as a command names them: what they measure wanders like the real thing."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from simulators.ble import adverts
from simulators.ble.peripheral import Advert, Characteristic, Peripheral, Service
from simulators.signals import chance, wander

PERIOD_MS: Final = 120_000
"""How soon what is measured finds a new direction."""
BEACON_COMPANY: Final = 0x004C
BAND: Final = "xiaomi/mi-band"
STRAP: Final = "sig/heart-rate"
BTHOME: Final = "bthome/v2"
Maker = Callable[[str, int], Peripheral]


class _Senses:
    """Truth for one device; numbers only, nobody's."""

    def __init__(self, address: str, seed: int) -> None:
        self.address = address
        self.packet = 0
        self._seed = seed

    def _now(self, name: str, middle: float, swing: float) -> float:
        now_ms = time.time_ns() // 1_000_000
        return middle + swing * wander(self._seed, f"{self.address} {name}", now_ms, PERIOD_MS)

    def next_packet(self) -> int:
        self.packet += 1
        return self.packet

    def temperature_c(self) -> float:
        return round(self._now("temperature", 21.5, 3), 2)

    def humidity_percent(self) -> float:
        return round(self._now("humidity", 48, 8), 2)

    def pressure_hpa(self) -> float:
        return round(self._now("pressure", 1_013, 4), 1)

    def heart_rate(self) -> int:
        return round(self._now("heart", 112, 35))


def _strength(address: str, seed: int) -> Callable[[], int]:
    """As in a room: each device at its distance, every report a little different."""
    middle = -45 - round(40 * chance(seed, address, "distance"))

    def rssi() -> int:
        return middle + round(4 * chance(seed, address, time.time_ns())) - 2

    return rssi


def _advertiser(make: Callable[[_Senses], Advert], name: str | None, interval_s: float = 1.0) -> Maker:
    def peripheral(address: str, seed: int) -> Peripheral:
        senses = _Senses(address, seed)
        return Peripheral(
            address, lambda: make(senses), name, interval_s=interval_s, rssi=_strength(address, seed)
        )

    return peripheral


def _heart_rate_monitor(address: str, seed: int) -> Peripheral:
    senses = _Senses(address, seed)
    value = Characteristic(
        adverts.HEART_RATE, lambda: adverts.heart_rate_value(senses.heart_rate()), ("notify",)
    )
    return Peripheral(
        address,
        lambda: Advert(uuids=(adverts.HEART_RATE_SERVICE,)),
        "HR",
        rssi=_strength(address, seed),
        services=[Service(adverts.HEART_RATE_SERVICE, [value])],
    )


def _thermometer(address: str, seed: int) -> Peripheral:
    senses = _Senses(address, seed)
    values = [
        Characteristic(adverts.TEMPERATURE, lambda: adverts.hundredths(senses.temperature_c()), ("read",)),
        Characteristic(adverts.HUMIDITY, lambda: adverts.hundredths(senses.humidity_percent()), ("read",)),
    ]
    return Peripheral(
        address,
        lambda: Advert(uuids=(adverts.ENVIRONMENT_SERVICE,)),
        "Thermometer",
        rssi=_strength(address, seed),
        services=[Service(adverts.ENVIRONMENT_SERVICE, values)],
    )


MODELS: Final[dict[str, tuple[str, Maker]]] = {
    "ruuvi/ruuvitag": (
        "RuuviTag, data format 5",
        _advertiser(
            lambda s: adverts.ruuvi(
                s.address, s.temperature_c(), s.humidity_percent(), s.pressure_hpa(), sequence=s.next_packet()
            ),
            "Ruuvi",
        ),
    ),
    BTHOME: (
        "BTHome v2 in clear: temperature and humidity",
        _advertiser(
            lambda s: adverts.bthome(s.temperature_c(), s.humidity_percent(), packet=s.next_packet()), None
        ),
    ),
    "xiaomi/lywsd03mmc-pvvx": (
        "Xiaomi thermometer with pvvx' firmware",
        _advertiser(
            lambda s: adverts.pvvx(
                s.address, s.temperature_c(), s.humidity_percent(), packet=s.next_packet()
            ),
            "ATC",
        ),
    ),
    BAND: (
        "band that broadcasts the heart rate in its advertisements",
        _advertiser(lambda s: adverts.heart_rate_band(s.address, s.heart_rate()), "Band"),
    ),
    STRAP: (
        "band or strap with the heart rate service (0x180D), to be connected to",
        _heart_rate_monitor,
    ),
    "sig/environmental-sensing": ("environment service (0x181A), read over a connection", _thermometer),
}
"""Profile → what it is, and how one is made of an address and a seed."""


def encrypted_bthome(address: str, seed: int, key: bytes) -> Peripheral:
    """BTHome v2, encrypted with a bind key of 16 bytes."""

    def says(senses: _Senses) -> Advert:
        return adverts.bthome_encrypted(
            address, key, senses.temperature_c(), senses.humidity_percent(), packet=senses.next_packet()
        )

    return _advertiser(says, None)(address, seed)


def address_of(kind: str, number: int) -> str:
    """An invented random static address, the same for the same kind and number."""
    kinds = ["beacon", *MODELS]
    return ":".join(f"{byte:02X}" for byte in (0xC0 + kinds.index(kind), *(number + 1).to_bytes(5, "big")))


def bands(count: int, seed: int) -> Sequence[Peripheral]:
    """Pupils' bands, invented, that broadcast heart rates once a second."""
    return [MODELS[BAND][1](address_of(BAND, number), seed) for number in range(count)]


def straps(count: int, seed: int) -> Sequence[Peripheral]:
    """Bands with the heart rate service, that somebody must connect to."""
    return [MODELS[STRAP][1](address_of(STRAP, number), seed) for number in range(count)]


def beacons(count: int, seed: int) -> Sequence[Peripheral]:
    """Strangers' devices: telephones, ear buds, whatever is in the air of a school."""

    def beacon(number: int) -> Peripheral:
        address = address_of("beacon", number)

        def says() -> Advert:
            turn = time.time_ns() // 10_000_000_000
            return Advert({BEACON_COMPANY: b"\x10\x05" + bytes((number, turn % 256, 0x1C, 0x55, 0x0A))})

        return Peripheral(address, says, rssi=_strength(address, seed))

    return [beacon(number) for number in range(count)]
