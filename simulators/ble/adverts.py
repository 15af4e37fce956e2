"""What real devices advertise, made from true values: the way back of what profiles decode.

Written from the vendors' documents, not from the profiles, so that each is a check of the other.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from simulators.ble.peripheral import Advert

RUUVI: Final = 0x0499
HUAMI: Final = 0x0157
"""The company number under which Xiaomi's bands advertise."""
_BASE: Final = "0000{:04x}-0000-1000-8000-00805f9b34fb"


def uuid_of(number: int) -> str:
    """The long form of a 16-bit number of the Bluetooth SIG."""
    return _BASE.format(number)


HEART_RATE_SERVICE: Final = uuid_of(0x180D)
HEART_RATE: Final = uuid_of(0x2A37)
ENVIRONMENT_SERVICE: Final = uuid_of(0x181A)
TEMPERATURE: Final = uuid_of(0x2A6E)
HUMIDITY: Final = uuid_of(0x2A6F)
BTHOME: Final = uuid_of(0xFCD2)


def address_bytes(address: str) -> bytes:
    """As it is read aloud, the most significant byte first."""
    return bytes.fromhex(address.replace(":", ""))


def ruuvi(
    address: str, temperature_c: float, humidity_percent: float, pressure_hpa: float, *, sequence: int
) -> Advert:
    """Data format 5 (RAWv2) of Ruuvi's documentation: battery 2.9 V, lying still, +4 dBm."""
    acceleration = b"".join(one.to_bytes(2, "big", signed=True) for one in (4, -4, 1_036))
    body = b"".join(
        (
            b"\x05",
            round(temperature_c / 0.005).to_bytes(2, "big", signed=True),
            round(humidity_percent / 0.0025).to_bytes(2, "big"),
            (round(pressure_hpa * 100) - 50_000).to_bytes(2, "big"),
            acceleration,
            ((2_900 - 1_600) << 5 | (4 + 40) // 2).to_bytes(2, "big"),
            b"\x42",
            (sequence % 0xFFFF).to_bytes(2, "big"),
            address_bytes(address),
        )
    )
    return Advert(manufacturer={RUUVI: body})


def bthome_objects(temperature_c: float, humidity_percent: float, *, packet: int) -> bytes:
    """Objects of BTHome v2 in their order: packet number, temperature and humidity in hundredths."""
    return b"".join(
        (
            bytes((0x00, packet % 256)),
            b"\x02" + round(temperature_c * 100).to_bytes(2, "little", signed=True),
            b"\x03" + round(humidity_percent * 100).to_bytes(2, "little"),
        )
    )


def bthome(temperature_c: float, humidity_percent: float, *, packet: int) -> Advert:
    """BTHome v2 in clear, as https://bthome.io/format describes it."""
    body = b"\x40" + bthome_objects(temperature_c, humidity_percent, packet=packet)
    return Advert(service_data={BTHOME: body})


def bthome_encrypted(
    address: str, key: bytes, temperature_c: float, humidity_percent: float, *, packet: int
) -> Advert:
    """BTHome v2 with AES-CCM, as https://bthome.io/encryption describes it. key: 16 bytes."""
    info, counter = b"\x41", packet.to_bytes(4, "little")
    nonce = address_bytes(address) + b"\xd2\xfc" + info + counter
    plain = bthome_objects(temperature_c, humidity_percent, packet=packet)
    sealed = AESCCM(key, tag_length=4).encrypt(nonce, plain, None)
    return Advert(service_data={BTHOME: info + sealed[:-4] + counter + sealed[-4:]})


def pvvx(address: str, temperature_c: float, humidity_percent: float, *, packet: int) -> Advert:
    """The custom format of pvvx' firmware for Xiaomi thermometers: 15 bytes, all least first, address too."""
    body = b"".join(
        (
            address_bytes(address)[::-1],
            round(temperature_c * 100).to_bytes(2, "little", signed=True),
            round(humidity_percent * 100).to_bytes(2, "little"),
            (2_980).to_bytes(2, "little"),
            bytes((88, packet % 256, 0x0E)),
        )
    )
    return Advert(service_data={ENVIRONMENT_SERVICE: body})


def heart_rate_band(address: str, rate: int | None) -> Advert:
    """A band of Xiaomi's that shares the rate during sports; None: worn badly, or not at all."""
    told = 0xFF if rate is None else rate
    body = bytes((0x02, 0x02 if rate is not None else 0x0A, 0x01, told)) + b"\xff" * 14
    return Advert(manufacturer={HUAMI: body + address_bytes(address)})


def heart_rate_value(rate: int) -> bytes:
    """The value of characteristic 0x2A37 with the rate as one byte and skin contact."""
    return bytes((0x06, rate)) if rate < 256 else b"\x07" + rate.to_bytes(2, "little")


def hundredths(value: float) -> bytes:
    """The value of characteristics 0x2A6E (°C) and 0x2A6F (%): sint16 and uint16 in hundredths."""
    return round(value * 100).to_bytes(2, "little", signed=value < 0)
