"""Reads temperature reports as WeCom (企业微信) hardware uploads them: up to 100 people a call.

Read: who (``open_userid``, or ``userid`` of devices that speak to WeCom directly), which kind of
person, the temperature in °C, which the interface writes as text, when, and the device's verdict.
Source: https://developer.work.weixin.qq.com/document/path/95986, …/93992 and …/93994.
"""

from __future__ import annotations

from typing import Any, Final

from device_profiles.adapters.contract import (
    EVENTS_MAX,
    Adapter,
    CardNotation,
    Event,
    person_credential,
    to_text,
    to_whole,
)
from device_profiles.values import to_number
from telemetry.named import Named

SCHEME: Final = "wecom"
PERSON_TYPES: Final = {0: "staff", 1: "visitor", 2: "student"}
STATUSES: Final = {0: "normal", 1: "fever", 2: "too low"}


def read(payload: object, notation: CardNotation, refused: list[str]) -> list[Event]:
    """The records of one call. `notation` is not used: these devices name people, not cards."""
    del notation
    records = _records(payload)
    if records is None:
        refused.append("no_known_field" if isinstance(payload, dict) else "not_an_object")
        return []
    if len(records) > EVENTS_MAX:
        refused += ["too_many_events"] * (len(records) - EVENTS_MAX)
    events: list[Event] = []
    for record in records[:EVENTS_MAX]:
        if isinstance(record, dict):
            events.append(_event(record))
        else:
            refused.append("not_an_object")
    return events


ADAPTER: Final = Adapter(read, b'{"errcode":0,"errmsg":"ok","fail_list":[]}')


def _records(payload: object) -> list[Any] | None:
    if not isinstance(payload, dict):
        return None
    found = payload.get("temperature_data")
    if isinstance(found, list):
        return found
    body = payload.get("body")
    if not isinstance(body, dict):
        return None
    if isinstance(body.get("item"), list):
        items: list[Any] = body["item"]
        return items
    return [body] if "temperature" in body else None


def _event(record: dict[str, Any]) -> Event:
    refused: list[str] = []
    values: dict[str, Named] = {}
    person = to_text(record.get("open_userid")) or to_text(record.get("userid"))
    if person is not None:
        values["person"] = Named(person)
    _put_word(values, "person_type", record.get("user_type"), PERSON_TYPES)
    raw = record.get("temperature")
    number = to_number(raw.strip() if isinstance(raw, str) else raw)
    if isinstance(number, str):
        refused.append("no_temperature" if raw is None else number)
    else:
        values["body_temperature"] = Named(number, "Cel")
    _put_word(values, "status", record.get("status"), STATUSES)
    credential = None if person is None else person_credential(SCHEME, person, refused)
    raw_time = record.get("timestamp")
    return Event(
        values,
        raw_time=raw_time,
        credential=credential,
        temperature_c=number if isinstance(number, float) else None,
        key=None if to_whole(raw_time) is None else (person, to_whole(raw_time), number),
        refused=tuple(refused),
    )


def _put_word(values: dict[str, Named], name: str, raw: object, words: dict[int, str]) -> None:
    code = to_whole(raw)
    if code is not None:
        values[name] = Named(f"{words.get(code, 'unknown')} ({code})")
