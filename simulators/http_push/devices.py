"""What the simulated devices post: bodies as their vendors' devices write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from simulators.http_push.forms import Form, Part
from simulators.timetable import iso_local

FACE_VERIFIED: Final = 75
CARD_VERIFIED: Final = 1
PICTURE: Final = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)) * 80 + b"\xff\xd9"
"""Looks like a picture from afar; shows nobody."""


class Post(NamedTuple):
    """A body and its type."""

    content_type: str
    body: bytes


class Terminal:
    """A face and card terminal with a thermometer at a door; counts its events as the device does."""

    def __init__(self, door: int = 1, first_serial: int = 1) -> None:
        self._door = door
        self._serial = first_serial - 1

    def skip(self, events: int) -> None:
        """Events that it never posts."""
        self._serial += events

    def event(
        self,
        time_ms: int,
        *,
        card: str | None = None,
        number: str | None = None,
        temperature_c: float | None = None,
        replayed: bool = False,
        pictures: int = 0,
    ) -> Post:
        """Somebody is let through. card: normalised; it is written in decimal. number: as the terminal
        itself knows people. pictures: so many go with it.
        """
        self._serial += 1
        told: dict[str, Any] = {
            "deviceName": "simulated",
            "majorEventType": 5,
            "subEventType": CARD_VERIFIED if card else FACE_VERIFIED,
            "doorNo": self._door,
            "serialNo": self._serial,
            "frontSerialNo": self._serial - 1,
            "currentEvent": not replayed,
            "currentVerifyMode": "cardOrFace",
            "mask": "no",
            "picturesNumber": pictures,
        }
        if card is not None:
            told["cardNo"] = f"{int(card, 16):010d}"
        if number is not None:
            told["employeeNoString"] = number
        if temperature_c is not None:
            told |= {
                "thermometryUnit": "celsius",
                "currTemperature": round(temperature_c, 1),
                "isAbnomalTemperature": temperature_c >= 37.3,  # as the terminal is set
                "FaceRect": {"height": 0.39, "width": 0.22, "x": 0.39, "y": 0.31},
            }
        return self._post("AccessControllerEvent", told, time_ms, pictures)

    def heartbeat(self, time_ms: int) -> Post:
        """A sign of life."""
        return self._post("heartBeat", None, time_ms, 0)

    @staticmethod
    def _post(kind: str, told: dict[str, Any] | None, time_ms: int, pictures: int) -> Post:
        message = {
            "ipAddress": "192.0.2.7",
            "portNo": 80,
            "protocol": "HTTP",
            "dateTime": iso_local(time_ms),
            "activePostCount": 1,
            "eventType": kind,
            "eventState": "active",
        }
        if told is not None:
            message[kind] = told
        parts = [Part("event_log", "application/json", msgspec.json.encode(message))]
        parts += [
            Part("Picture", "image/jpeg", PICTURE, f"Picture{number}.jpg") for number in range(pictures)
        ]
        form = Form(parts)
        return Post(form.content_type, form.body)


class Record(NamedTuple):
    """One person in front of a thermometer. `person`: as WeCom knows them."""

    person: str
    temperature_c: float
    time_ms: int


class Thermometer:
    """A thermometer that uploads as WeCom's interface asks for: several people in one call."""

    def report(self, records: Sequence[Record]) -> Post:
        data = [
            {
                "open_userid": record.person,
                "user_type": 2,
                "temperature": f"{record.temperature_c:.1f}",
                "timestamp": record.time_ms // 1_000,
                "status": int(record.temperature_c >= 37.3),  # as the device is set
            }
            for record in records
        ]
        return Post("application/json", msgspec.json.encode({"temperature_data": data}))
