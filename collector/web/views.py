"""Alerts and gateways, prepared for the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from collector.records import Alert
from collector.scenarios.kinds import AlertKind
from collector.text import Language, Text
from collector.times import iso
from collector.web.parts import WebParts
from collector.web.wording import (
    SITES,
    age_text,
    clock_text,
    number_text,
    unit_text,
)
from telemetry.quantities import BOOL
from telemetry.records import RECORD_TYPES

_ANONYMOUS: Final = Text("匿名（未识别的卡）", "anonymous (unknown card)")
_DELETED: Final = Text("已删除", "deleted")
_NO_LISTS: Final = Text("还没有班级名单：连不上身份库", "No class lists yet: the vault cannot be reached")
_BY_PAGE: Final = Text("网页", "this page")


@dataclass(frozen=True)
class AlertView:
    """An alert in words. `is_measured`: it has a value; a detector or a button only calls for help.
    `is_personal`: it is about somebody, known or not. `purpose`: for which `pseudonym` was made.
    """

    id: int
    kind: str
    is_measured: bool
    is_personal: bool
    who: str
    pseudonym: str | None
    purpose: str
    class_name: str | None
    value: str
    site: str | None
    limit: str | None
    advice: str | None
    place: str
    device: str | None
    at: str
    time: str
    age: str
    time_ms: int
    doubtful: bool
    acknowledged_by: str | None
    acknowledged_time: str | None


def alert(one: Alert, parts: WebParts, language: Language) -> AlertView:
    now_ms, unit = parts.now_ms(), unit_text(one.unit)
    kind, site = parts.kinds.find(one.kind), SITES.get(one.site or "")
    class_name, place = parts.labels.class_(one.school, one.class_id), parts.labels.place(one.place)
    return AlertView(
        id=parts.alert_numbers.outside(one.id),
        kind=kind.words.in_(language) if kind else one.kind,
        is_measured=one.unit != BOOL,
        is_personal=_is_about_people(kind, one) or one.pseudonym is not None or one.class_id is not None,
        who=_who(one, language),
        pseudonym=one.pseudonym,
        purpose=RECORD_TYPES[one.record_type].purpose if one.record_type in RECORD_TYPES else "",
        class_name=class_name.in_(language) if class_name else one.class_id,
        value="" if one.unit == BOOL or one.value is None else f"{_alert_number(one.value, one.unit)} {unit}",
        site=site.in_(language) if site else one.site,
        limit=None if one.limit is None else f"{_alert_number(one.limit, one.unit)} {unit}",
        advice=kind.advice.in_(language) if kind and kind.advice else None,
        place=place.in_(language) if place else one.place,
        device=one.device,
        at=iso(one.at_ms),
        time=clock_text(one.at_ms, now_ms, parts.time_zone),
        age=age_text(now_ms - one.at_ms, language),
        time_ms=one.at_ms,
        doubtful=one.doubtful,
        acknowledged_by=_BY_PAGE.in_(language) if one.acknowledged_by == "console" else one.acknowledged_by,
        acknowledged_time=None
        if one.acknowledged_ms is None
        else clock_text(one.acknowledged_ms, now_ms, parts.time_zone),
    )


def _is_about_people(kind: AlertKind | None, one: Alert) -> bool:
    """Of a kind that nobody knows any more: unless it has no value."""
    return one.unit != BOOL if kind is None else kind.subject == "health"


def _who(one: Alert, language: Language) -> str:
    if one.value is None and one.pseudonym is None:
        return _DELETED.in_(language)
    return short_pseudonym(one.pseudonym) if one.pseudonym else _ANONYMOUS.in_(language)


def short_pseudonym(pseudonym: str) -> str:
    """Enough to tell pupils of one page apart: ``7K3M-9PXA…``."""
    return f"{pseudonym[:4]}-{pseudonym[4:8]}…"


def _alert_number(value: float, unit: str) -> str:
    """Temperatures with their tenth, as thermometers and nurses write them: 38.0."""
    text = number_text(value)
    return f"{value:.1f}" if unit == "Cel" and "." not in text else text


def class_lists(parts: WebParts, language: Language) -> str:
    """Of when the class lists are; empty without a vault."""
    if parts.names is None:
        return ""
    of_ms = parts.names.lists_of_ms()
    if of_ms is None:
        return _NO_LISTS.in_(language)
    moment = clock_text(of_ms, parts.now_ms(), parts.time_zone).rpartition(":")[0]
    return Text(f"班级名单为 {moment} 的版本", f"Class lists as of {moment}").in_(language)
