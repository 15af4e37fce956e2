"""A school of any size, made from the default one: the same buildings, more rooms, classes and bands."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any, Final

from simulators.plan import BUNDLED, Plan
from simulators.signals import digest
from simulators.timetable import DAYS

GRADES: Final = 5
"""A primary school of Shanghai has five."""
CLASS_PUPILS: Final = 40
CLASSES_MAX: Final = GRADES * 99
PUPILS_MAX: Final = CLASSES_MAX * CLASS_PUPILS
BANDS: Final = 60
BOARDERS: Final = 8
"""In each of the first classes of the highest grade, as many as the evening room has seats for."""
_LESSONS: Final = 7
_PE_A_WEEK: Final = 3
_SEED: Final = 800
"""Of the bands' addresses; a plan knows no other seed."""
_BAND_MODELS: Final = ("xiaomi/mi-band", "xiaomi/mi-band", "xiaomi/mi-band", "polar/h10", "xoss/x2")
_MOVED: Final = {"canteen-hall-scale": "gw-canteen"}

Row = dict[str, Any]


def plan_of(pupils: int) -> Plan:
    """A plan with so many pupils: five grades, 40 in a class, the last one perhaps with fewer.

    Bands are worn by the first pupils, class by class. There are readers on OSDP, serial, MQTT and HTTP
    at the gate, and a card reader, a terminal and a scale in the canteen. Raises ValueError for a number
    that no school has.
    """
    if not 1 <= pupils <= PUPILS_MAX:
        raise ValueError(f"a school has 1 to {PUPILS_MAX:,} pupils")
    count = -(-pupils // CLASS_PUPILS)
    ids = sorted(
        (f"{1 + at % GRADES}-{1 + at // GRADES}" for at in range(count)),
        key=lambda id_: tuple(map(int, id_.split("-"))),
    )
    sizes = [min(CLASS_PUPILS, pupils - at * CLASS_PUPILS) for at in range(count)]
    base = tomllib.loads(BUNDLED.read_text("utf-8"))
    classes = [_class(at, id_, size) for at, (id_, size) in enumerate(zip(ids, sizes, strict=True))]
    _give_boarders(classes)
    rooms = [*_classrooms(ids), *_other_rooms(base["rooms"], pupils, count)]
    places = {room["place"] for room in rooms}
    kept = [one for one in base["devices"] if one["place"] in places and "wearer" not in one]
    gateways = [
        *base["gateways"],
        {"id": "gw-canteen", "name": {"zh": "食堂网关", "en": "Canteen gateway"}},
        {"id": "gw-sport", "name": {"zh": "体育馆网关", "en": "Sports gateway"}, "adapters": ["hci1"]},
    ]
    devices = [row | {"gateway": _MOVED.get(row["id"], row["gateway"])} for row in kept]
    timetable = base["timetable"] | {"evening_room": classes[-1]["room"]}
    return Plan.model_validate(
        base
        | {
            "rooms": rooms,
            "classes": classes,
            "timetable": timetable,
            "gateways": gateways,
            "devices": [*devices, _gate(), *_canteen(), *_bands(min(BANDS, pupils))],
        }
    )


def _room_of(class_id: str) -> str:
    grade, _, number = class_id.partition("-")
    return f"main/{grade}{int(number):02d}"


def _class(at: int, class_id: str, size: int) -> Row:
    """Three PE lessons on three days; of 35 classes no two have the first in the same lesson."""
    away = [
        {
            "subject": "pe",
            "day": DAYS[(at + 2 * number) % 5],
            "lesson": 1 + (at + 3 * number) % _LESSONS,
            "place": "yard/playground" if number == 1 else "sport/gym",
        }
        for number in range(_PE_A_WEEK)
    ]
    return {"id": class_id, "room": _room_of(class_id), "pupils": size, "away": away}


def _give_boarders(classes: list[Row]) -> None:
    highest = classes[-1]["id"].partition("-")[0]
    left = CLASS_PUPILS
    for row in classes:
        if row["id"].startswith(f"{highest}-"):
            row["boarders"] = min(BOARDERS, row["pupils"], left)
            left -= row["boarders"]


def _classrooms(class_ids: list[str]) -> Iterator[Row]:
    for class_id in class_ids:
        place = _room_of(class_id)
        number = place.removeprefix("main/")
        yield {
            "place": place,
            "kind": "classroom",
            "name": {"zh": number, "en": number},
            "volume_m3": 200.0,
            "seats": CLASS_PUPILS,
        }


def _other_rooms(rooms: list[Row], pupils: int, classes: int) -> Iterator[Row]:
    seats = {
        "sport/gym": 2 * CLASS_PUPILS * -(-classes // 35),
        "yard/playground": max(400, min(2_000, pupils)),
        "canteen/hall": max(240, min(2_000, pupils)),
    }
    for room in rooms:
        if room["kind"] != "classroom":
            yield room | ({"seats": seats[room["place"]]} if room["place"] in seats else {})


def _canteen() -> Iterator[Row]:
    where = {"place": "canteen/hall", "gateway": "gw-canteen"}
    yield {
        "id": "canteen-hall-tap",
        "profile": "campus/wiegand-tap",
        **where,
        "serial": {"port": "tap-canteen"},
    }
    yield {
        "id": "canteen-hall-terminal",
        "profile": "hikvision/isapi",
        **where,
        "http": {"path": "/canteen-terminal"},
    }


def _gate() -> Row:
    return {
        "id": "gate-entrance-thermometer",
        "profile": "wecom/temperature",
        "place": "gate/entrance",
        "gateway": "gw-gate",
        "http": {"path": "/gate-thermometer"},
    }


def _bands(count: int) -> Iterator[Row]:
    """Each under a random static address, as Bluetooth calls one whose first two bits are set."""
    for number in range(count):
        address = b"\xc1" + digest(_SEED, "band", number)[:5]
        yield {
            "id": f"band-{number + 1}",
            "profile": _BAND_MODELS[number % len(_BAND_MODELS)],
            "place": "sport/gym",
            "gateway": "gw-sport",
            "ble": {"address": address.hex(":").upper()},
            "wearer": number,
        }
