"""What would say who wears what, which is never kept at a collector: found in a text before that is kept.

As far as it can be seen from here: a profile of the school's own is known to its gateways only, and they
refuse what slips through.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from collector.text import Text
from device_profiles.labels import quantities_of
from foundation.tomllines import Location
from telemetry.worn import is_worn

_SPOKEN_OF: Final = frozenset({"ble", "report", "silence"})
"""Tables that can speak of what people wear; elsewhere such an address is that of a box in a room."""
_RADIO: Final = re.compile(
    r"(?<![0-9A-Fa-f])(?<![0-9A-Fa-f]{2}[:-])[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}(?![0-9A-Fa-f]|[:-][0-9A-Fa-f]{2})"
)
"""A Bluetooth address; not the first part of something longer."""
_WORN: Final = Text(
    "这是有人佩戴的设备，谁戴哪一个不能存放在这里：请写进网关自己的 gateway.toml；"
    "手环可以改用不需要地址的 bands = [{ profile = …, place = … }]",
    "this device is worn by somebody, and who wears what must not be kept here: write it into the gateway's own "
    "gateway.toml; for bands there is bands = [{ profile = …, place = … }], which needs no addresses",
)
_ADDRESS: Final = Text(
    "这里不能写蓝牙地址，它可能是某人的手环：地址只能写在房间里的设备的 address 中，编号和名称请换成别的",
    "no Bluetooth address can stand here, it may be that of somebody's band: only a device in a room, with its "
    "profile, has one as address; use other ids and names",
)


def find_identifying(table: str, value: Any) -> Iterator[tuple[Location, Text]]:
    """Where a device that people wear is listed, and where a Bluetooth address stands that is no room device's."""
    yield from _find(value, (table,), addresses=table in _SPOKEN_OF)


def _find(value: Any, at: Location, *, addresses: bool) -> Iterator[tuple[Location, Text]]:
    if isinstance(value, dict):
        worn = _is_worn(value.get("profile"))
        if worn and not _is_of_bands(at):
            yield at, _WORN
            return
        of_room = isinstance(value.get("profile"), str) and not worn
        for key, one in value.items():
            if addresses and _RADIO.search(key):
                yield at, _ADDRESS
            elif not (of_room and key == "address"):
                yield from _find(one, (*at, key), addresses=addresses)
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _find(one, (*at, number), addresses=addresses)
    elif addresses and isinstance(value, str) and _RADIO.search(value):
        yield at, _ADDRESS


def _is_of_bands(at: Location) -> bool:
    """Bands of a model, which are not listed: ``ble[0].bands[0]``."""
    return len(at) == 4 and at[0] == "ble" and at[2] == "bands"


def _is_worn(profile: object) -> bool:
    """However it is written: a slip of the pen must not keep an address."""
    return isinstance(profile, str) and is_worn(quantities_of(profile.strip().lower()) or ())
