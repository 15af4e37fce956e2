"""Reads what Hikvision devices post (ISAPI "HTTP listening"): events of doors and face terminals, and
faces seen by thermal cameras; JSON, or the same as XML.

Read: kind of event, door, serial numbers, card or employee number, body temperature and what the
device says of it. Pictures, their addresses, where a face was, names, masks and ages are never
looked at. The misspelt ``isAbnomalTemperature`` is the vendor's own; the right spelling is read too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from device_profiles.adapters.contract import (
    EVENTS_MAX,
    Adapter,
    CardNotation,
    Event,
    person_credential,
    to_text,
    to_truth,
    to_whole,
)
from device_profiles.adapters.hikvision_events import kind_of
from device_profiles.named_people import read_card
from device_profiles.units import SAME, Linear
from device_profiles.values import to_number
from telemetry.named import Named

SCHEME: Final = "hikvision"
ENVELOPE: Final = "EventNotificationAlert"
HEARTBEATS: Final = frozenset({"heartbeat", "videoloss"})
"""Sent to show that the device is alive: videoloss with the state "inactive" by older models."""
DOOR_MAX: Final = 65_535
TEMPERATURE_DECIMALS: Final = 2
_UNITS: Final = {"celsius": SAME, "fahrenheit": Linear(5 / 9, -160 / 9), "kelvin": Linear(1, -273.15)}


def read(payload: object, notation: CardNotation, refused: list[str]) -> list[Event]:
    """The events of one post; a heartbeat has none."""
    if isinstance(payload, dict) and isinstance(payload.get(ENVELOPE), dict):
        payload = payload[ENVELOPE]
    if not isinstance(payload, dict):
        refused.append("not_an_object")
        return []
    events: list[Event] = []
    for number, (item, raw_time) in enumerate(_items(payload, refused)):
        if number >= EVENTS_MAX:
            refused.append("too_many_events")
            break
        events.append(_event(item, raw_time, notation))
    return events


ADAPTER: Final = Adapter(read, b'{"statusCode":1,"statusString":"OK","subStatusCode":"ok"}')


def _items(payload: dict[str, Any], refused: list[str]) -> Iterator[tuple[dict[str, Any], object]]:
    """What happened, one by one, each with the time that the message gives it."""
    raw_time = payload.get("dateTime")
    name = payload.get("eventType")
    found = payload.get(name) if isinstance(name, str) else None
    listed = payload.get("AcsEvent")
    if isinstance(name, str) and name.lower() in HEARTBEATS:
        return
    if name == "faceCapture":
        for face in _faces(found):
            yield face, raw_time
    elif isinstance(found, dict):
        yield found, raw_time
    elif isinstance(listed, dict):
        for item in _dicts(listed.get("InfoList")):
            yield item, item.get("time")
    elif "major" in payload and "minor" in payload:
        yield payload, payload.get("time")
    else:
        refused.append("unknown_event" if name is not None else "no_known_field")


def _faces(captures: object) -> Iterator[dict[str, Any]]:
    for capture in _dicts(captures):
        for face in _dicts(capture.get("faces")):
            nested = face.get("temperature")
            yield face | nested if isinstance(nested, dict) else face


def _dicts(raw: object) -> list[dict[str, Any]]:
    """The objects of an array; of XML, where a single element is no array, that one."""
    if isinstance(raw, dict):
        return [raw]
    return [one for one in raw if isinstance(one, dict)] if isinstance(raw, list) else []


def _event(item: dict[str, Any], raw_time: object, notation: CardNotation) -> Event:
    refused: list[str] = []
    values: dict[str, Named] = {}
    major = to_whole(item.get("majorEventType", item.get("major")))
    minor = to_whole(item.get("subEventType", item.get("minor")))
    passed = False
    if major is not None and minor is not None:
        kind = kind_of(major, minor)
        passed = kind.passed
        values["event"] = Named(f"{kind.text} (major {major} minor {minor})")
    door = _put_whole(values, "door", item.get("doorNo"), DOOR_MAX)
    serial = _put_whole(values, "serial_no", item.get("serialNo"))
    credential = _person(item, values, notation, refused)
    temperature_c = _temperature(item, values, refused)
    if not (values or refused):
        refused.append("no_known_field")
    return Event(
        values,
        raw_time=raw_time,
        credential=credential,
        temperature_c=temperature_c,
        passed=passed,
        door=door,
        serial=serial,
        previous=to_whole(item.get("frontSerialNo")),
        # The log of a device may be cleared and its count begin anew: the time tells them apart.
        key=None if serial is None else (serial, to_text(raw_time)),
        replayed=to_truth(item.get("currentEvent")) is False,
        refused=tuple(refused),
    )


def _put_whole(values: dict[str, Named], name: str, raw: object, most: int = 2**53) -> int | None:
    number = to_whole(raw)
    if number is None or not 0 <= number <= most:
        return None
    values[name] = Named(number)
    return number


def _person(
    item: dict[str, Any], values: dict[str, Named], notation: CardNotation, refused: list[str]
) -> str | None:
    """A card's number comes before a number of the station's own: more systems know it."""
    card = to_text(item.get("cardNo"))
    number = to_text(item.get("employeeNoString")) or to_text(item.get("employeeNo"))
    person = None if number in {None, "0"} else number
    if person is not None:
        values["person"] = Named(person)
    if card is not None and card.strip("0"):
        values["card_number"] = Named(card)
        if credential := read_card(card, notation, refused):
            return credential
    return None if person is None else person_credential(SCHEME, person, refused)


def _temperature(item: dict[str, Any], values: dict[str, Named], refused: list[str]) -> float | None:
    if to_truth(item.get("faceSnapThermometryEnabled")) is False:
        return None
    word = item.get("thermometryUnit") or "celsius"
    linear = _UNITS.get(word.lower()) if isinstance(word, str) else None
    found = _celsius(item.get("currTemperature", item.get("faceTemperature")), linear, refused)
    if found is not None:
        values["body_temperature"] = Named(found, "Cel")
    abnormal = to_truth(item.get("isAbnomalTemperature", item.get("isAbnormalTemperature")))
    if abnormal is not None:
        values["temperature_abnormal"] = Named(abnormal, "bool")
    threshold = _celsius(item.get("alarmTemperature"), linear, [])
    if threshold is not None:
        values["alarm_threshold"] = Named(threshold, "Cel")
    return found


def _celsius(raw: object, linear: Linear | None, refused: list[str]) -> float | None:
    """Nought is what a device sends that has measured nothing."""
    if raw is None or raw == "":
        return None
    number = to_number(raw)
    if isinstance(number, str):
        refused.append(number)
    elif number == 0:
        return None
    elif linear is None:
        refused.append("unknown_unit")
    elif linear is SAME:
        return number
    else:
        return round(number * linear.scale + linear.offset, TEMPERATURE_DECIMALS)
    return None
