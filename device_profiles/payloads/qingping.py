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
_EVENT: Final = 0x40
"""Control bit: something has just happened. What follows a motion is then no illuminance."""
_MAINS: Final = 0xFF


class _Item(NamedTuple):
    size: int
    read: Callable[[bytes, bool], Values]


def decode(payload: bytes, _context: Context) -> Values:
    """The service data. Unknown items are passed over. Raises PayloadError."""
    if len(payload) < _HEAD_BYTES:
        raise PayloadError("truncated")
    values: dict[str, Named] = {"product": Named(payload[1])}
    is_event = bool(payload[0] & _EVENT)
    for number, data in _items(payload[_HEAD_BYTES:]):
        item = _ITEMS.get(number)
        if item is not None and len(data) == item.size:
            values |= item.read(data, is_event)
    return values


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 2 <= len(data):
        end = at + 2 + data[at + 1]
        if end > len(data):
            return
        yield data[at], data[at + 2 : end]
        at = end


def _number(name: str, unit: str = "1", scale: float = 1) -> Callable[[bytes, bool], Values]:
    def read(data: bytes, _is_event: bool) -> Values:  # noqa: FBT001  # one signature for all items
        raw = int.from_bytes(data, "little")
        return {name: Named(raw if scale == 1 else round(raw * scale, 6), unit)}

    return read


def _climate(data: bytes, _is_event: bool) -> Values:  # noqa: FBT001
    temperature = int.from_bytes(data[:2], "little", signed=True)
    humidity = int.from_bytes(data[2:], "little")
    return {"temperature": Named(temperature / 10, "Cel"), "relative_humidity": Named(humidity / 10, "%")}


def _battery(data: bytes, _is_event: bool) -> Values:  # noqa: FBT001
    return {"external_power": Named(True)} if data[0] == _MAINS else {"battery": Named(data[0], "%")}


def _door(data: bytes, _is_event: bool) -> Values:  # noqa: FBT001
    """0 open, 1 closed, 2 left open."""
    return {"open": Named(data[0] in {0, 2}), "left_open": Named(data[0] == 2)}


def _motion(data: bytes, is_event: bool) -> Values:  # noqa: FBT001
    motion = {"motion": Named(bool(data[0]))}
    return motion if is_event else motion | {"illuminance": Named(int.from_bytes(data[1:], "little"), "lx")}


def _light(data: bytes, _is_event: bool) -> Values:  # noqa: FBT001
    return {"light": Named(bool(data[0]))}


def _particles(data: bytes, _is_event: bool) -> Values:  # noqa: FBT001
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
    0x0F: _Item(1, _number("packet")),
    0x11: _Item(1, _light),
    0x12: _Item(4, _particles),
    0x13: _Item(2, _number("co2", "ppm")),
    0x15: _Item(2, _number("voc_index")),
    0x19: _Item(1, _number("sound_level", "dB")),
}
