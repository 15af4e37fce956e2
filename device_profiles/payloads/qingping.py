"""Qingping's Bluetooth devices (service FDCD): a head of 8 bytes, then number, length, value.

Source: the vendor's broadcast protocol, https://developer.qingping.co/main/specification-protocols. Head:
control bits, product number, the address, least significant byte first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from device_profiles.payloads.contract import Context, PayloadError
from telemetry.named import Named

Values = Mapping[str, Named]
_HEAD_BYTES: Final = 8
_DOOR_SENSOR: Final = 0x04
_PACKET: Final = 0x0F
_NO_LIGHT: Final = 0xFFFFFF
_MAINS: Final = 0xFF


class _Item(NamedTuple):
    size: int
    read: Callable[[bytes], Values]


def decode(payload: bytes, _context: Context) -> Values:
    """The service data. Unknown items are passed over. Raises PayloadError."""
    if len(payload) < _HEAD_BYTES:
        raise PayloadError("truncated")
    values: dict[str, Named] = {"product": Named(payload[1])}
    for number, data in _items(payload[_HEAD_BYTES:]):
        if number == _PACKET and "packet" in values and payload[1] == _DOOR_SENSOR and len(data) == 1:
            # Between events the door sensor gives its state under the packet's number, a second time.
            values |= _door(data)
            continue
        item = _ITEMS.get(number)
        if item is not None and len(data) == item.size:
            values |= item.read(data)
    return values


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 <= len(data):
        end = at + 2 + data[at + 1]
        if end > len(data):
            return
        yield data[at], data[at + 2 : end]
        at = end


def _number(name: str, unit: str = "1", scale: float = 1) -> Callable[[bytes], Values]:
    def read(data: bytes) -> Values:
        raw = int.from_bytes(data, "little")
        return {name: Named(raw if scale == 1 else round(raw * scale, 6), unit)}

    return read


def _climate(data: bytes) -> Values:
    temperature = int.from_bytes(data[:2], "little", signed=True)
    humidity = int.from_bytes(data[2:], "little")
    return {"temperature": Named(temperature / 10, "Cel"), "relative_humidity": Named(humidity / 10, "%")}


def _battery(data: bytes) -> Values:
    return {"external_power": Named(True)} if data[0] == _MAINS else {"battery": Named(data[0], "%")}


def _door(data: bytes) -> Values:
    """0 open, 1 closed, 2 left open."""
    return {"open": Named(data[0] in {0, 2}), "left_open": Named(data[0] == 2)}


def _motion(data: bytes) -> Values:
    motion = {"motion": Named(bool(data[0]))}
    light = int.from_bytes(data[1:], "little")
    return motion if light == _NO_LIGHT else motion | {"illuminance": Named(light, "lx")}


def _light(data: bytes) -> Values:
    return {"light": Named(bool(data[0]))}


def _particles(data: bytes) -> Values:
    return {
        "pm2_5": Named(int.from_bytes(data[:2], "little"), "ug/m3"),
        "pm10": Named(int.from_bytes(data[2:], "little"), "ug/m3"),
    }


_ITEMS: Final = {
    0x01: _Item(4, _climate),
    0x02: _Item(1, _battery),
    0x04: _Item(1, _door),
    0x07: _Item(2, _number("pressure", "hPa", 0.1)),
    0x08: _Item(4, _motion),
    0x09: _Item(4, _number("illuminance", "lx")),
    _PACKET: _Item(1, _number("packet")),
    0x11: _Item(1, _light),
    0x12: _Item(4, _particles),
    0x13: _Item(2, _number("co2", "ppm")),
    0x15: _Item(2, _number("voc_index")),
    0x19: _Item(1, _number("sound_level", "dB")),
}
