"""示例小学 / Example Primary School: invented buildings, rooms, classes, pupils and devices.

Everything follows from the seed, and every question about the school has one answer for every
moment. Times are the school's own, ms UTC; `simulators.timetable.Timeline` ties them to the wall
clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from simulators.climate import Room
from simulators.pupils import Check, Pupil, check_at, enrol
from simulators.senses import SENSES, Device
from simulators.signals import digest

SCHOOL_ID: Final = "example-primary"
NAME_ZH: Final = "示例小学"
NAME_EN: Final = "Example Primary School"
TEACHING: Final = "gw-teaching"
GATE: Final = "gw-gate"
STATION: Final = "campus/morning-check-v1"
DEFAULT_SEED: Final = 20_260_907

BUILDINGS: Final = {
    "main": ("教学楼", "Teaching building"),
    "arts": ("艺术楼", "Arts building"),
    "canteen": ("食堂", "Canteen"),
    "gate": ("校门", "School gate"),
    "yard": ("校园", "School grounds"),
}
CLASSROOMS: Final = {
    "main/101": "1-1",
    "main/102": "1-2",
    "main/201": "2-1",
    "main/202": "2-2",
    "main/301": "3-1",
    "main/302": "3-2",
}
"""Each class has its own room."""
ROOMS: Final = (
    *(Room(place, 185.0, 36, place[5:], place[5:]) for place in CLASSROOMS),
    Room("arts/music", 260.0, 30, "音乐教室", "Music room"),
    Room("canteen/kitchen", 320.0, 6, "厨房", "Kitchen"),
)
OUTDOORS: Final = {
    "gate/entrance": ("入口", "Entrance"),
    "yard/playground": ("操场", "Playground"),
    "yard/garden": ("菜园", "Vegetable garden"),
}
_ZIGBEE: Final = "zigbee2mqtt"


def place_label(place: str) -> tuple[str, str]:
    """A place for people, Chinese first: ``("教学楼 301", "Teaching building 301")``."""
    rooms = {room.place: (room.zh, room.en) for room in ROOMS} | OUTDOORS
    building, room = BUILDINGS[place.partition("/")[0]], rooms[place]
    return f"{building[0]} {room[0]}", f"{building[1]} {room[1]}"


class UnknownSeriesError(KeyError):
    """No device of the school senses that."""


class School:
    """The simulated school. `devices` and `pupils` keep their order from run to run."""

    def __init__(self, seed: int = DEFAULT_SEED) -> None:
        self.seed = seed
        self.class_ids = tuple(CLASSROOMS.values())
        self.pupils: tuple[Pupil, ...] = enrol(seed, self.class_ids)
        self.devices: tuple[Device, ...] = tuple(_devices(seed))
        self._by_id = {device.id: device for device in self.devices}

    def __repr__(self) -> str:
        return f"School(seed={self.seed})"

    @property
    def station(self) -> Device:
        """The morning-check station."""
        return next(device for device in self.devices if device.profile == STATION)

    def device(self, device_id: str) -> Device:
        """Raises UnknownSeriesError."""
        try:
            return self._by_id[device_id]
        except KeyError:
            raise UnknownSeriesError(device_id) from None

    def quantities(self, device_id: str) -> tuple[str, ...]:
        """What a device senses. Raises UnknownSeriesError."""
        return tuple(SENSES[self.device(device_id).profile])

    def truth(self, device_id: str, quantity: str, school_ms: int) -> float:
        """The true value at a moment, in the quantity's unit. Raises UnknownSeriesError."""
        device = self.device(device_id)
        try:
            sense = SENSES[device.profile][quantity]
        except KeyError:
            raise UnknownSeriesError(device_id, quantity) from None
        return sense(self.seed, device, school_ms)

    def check(self, number: int) -> Check:
        """The morning check with a number: who came, with which card and temperature."""
        return check_at(self.seed, self.pupils, number)


def _devices(seed: int) -> Iterator[Device]:
    rooms = {room.place: room for room in ROOMS}

    def put(place: str, kind: str, profile: str, gateway: str = TEACHING, address: str = "") -> Device:
        name = f"{place.replace('/', '-')}-{kind}"
        return Device(name, profile, place, address or name, gateway, rooms.get(place))

    def number(name: str, characters: int) -> str:
        return digest(seed, "address", name).hex()[:characters]

    for at, place in enumerate(CLASSROOMS):
        yield put(place, "door", f"{_ZIGBEE}/aqara-door")
        yield put(place, "air", f"{_ZIGBEE}/tuya-ts0601-air")
        yield put(place, "smoke", f"{_ZIGBEE}/heiman-smoke")
        yield put(place, "sos", f"{_ZIGBEE}/tuya-sos")
        if at % 2:
            yield put(place, "co2", "tasmota/mhz19b")
        else:
            yield put(place, "ht", "shelly/plus-ht", address=f"shellyplusht-{number(place, 12)}")
    yield put("arts/music", "door", f"{_ZIGBEE}/aqara-door")
    yield put("arts/music", "tvoc", f"{_ZIGBEE}/aqara-tvoc")
    yield put("arts/music", "environment", "json/environment")
    gas_did = f"lumi.54ef44{number('gas', 10)}"
    yield put("canteen/kitchen", "gas", "xiaomi-gateway3/aqara-gas", address=gas_did)
    yield put("canteen/kitchen", "leak", f"{_ZIGBEE}/aqara-leak")
    yield put("canteen/kitchen", "smoke", f"{_ZIGBEE}/heiman-smoke")
    yield put("canteen/kitchen", "tvoc", f"{_ZIGBEE}/aqara-tvoc")
    yield put("canteen/kitchen", "energy", "tasmota/energy")
    yield put("gate/entrance", "station", STATION, GATE)
    yield put("gate/entrance", "sos", f"{_ZIGBEE}/tuya-sos", GATE)
    yield put("gate/entrance", "dust", "tasmota/pms5003t", GATE)
    yield put("yard/playground", "dust", "tasmota/pms5003t", GATE)
    yield put("yard/playground", "weather", "json/environment", GATE)
    for bed in ("bed1", "bed2"):
        eui = f"a84041{number(bed, 10)}"
        yield put("yard/garden", bed, "chirpstack/dragino-lse01", GATE, eui)
