"""Alerts and gateways, prepared for the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from collector.records import Alert
from collector.web.api.models import GatewayItem
from collector.web.parts import WebParts
from collector.web.reasons import counts_text
from collector.web.wording import (
    ALERT_ADVICE,
    ALERT_KINDS,
    CLOCK_WORDS,
    SITES,
    Language,
    Text,
    age_text,
    clock_text,
    iso,
    number_text,
    size_text,
    unit_text,
)
from telemetry.quantities import BOOL

QUIET_MS: Final = 60_000
"""A gateway whose last data is older is shown as quiet."""
_ANONYMOUS: Final = Text("匿名（未识别的卡）", "anonymous (unknown card)")
_BY_PAGE: Final = Text("网页", "this page")
_NOTHING: Final = Text("无", "none")
_NEVER: Final = Text("启动以来没有", "none since start")


@dataclass(frozen=True)
class AlertView:
    """An alert in words. Personal data where it `is_personal`; a detector's alert is about nobody."""

    id: int
    kind: str
    is_personal: bool
    who: str
    is_anonymous: bool
    class_name: str | None
    value: str
    site: str | None
    limit: str | None
    advice: str | None
    place: str
    device: str
    at: str
    time: str
    age: str
    time_ms: int
    doubtful: bool
    acknowledged_by: str | None
    acknowledged_time: str | None


@dataclass(frozen=True)
class GatewayView:
    id: str
    active: bool
    last_data_at: str | None
    last_data_ms: int | None
    last_data_age: str
    quiet: bool
    buffered: str | None
    given_up: str
    dropped: str
    clock: str | None
    clock_is_good: bool
    software: str | None


def alert(one: Alert, parts: WebParts, language: Language) -> AlertView:
    now_ms, unit = parts.now_ms(), unit_text(one.unit)
    kind, site, advice = ALERT_KINDS.get(one.kind), SITES.get(one.site or ""), ALERT_ADVICE.get(one.kind)
    class_name, place = parts.labels.class_(one.class_id), parts.labels.place(one.place)
    return AlertView(
        id=one.id,
        kind=kind.in_(language) if kind else one.kind,
        is_personal=one.unit != BOOL,
        who=one.pseudonym or _ANONYMOUS.in_(language),
        is_anonymous=one.pseudonym is None,
        class_name=class_name.in_(language) if class_name else one.class_id,
        value="" if one.unit == BOOL else f"{_alert_number(one.value, one.unit)} {unit}",
        site=site.in_(language) if site else one.site,
        limit=None if one.limit is None else f"{_alert_number(one.limit, one.unit)} {unit}",
        advice=advice.in_(language) if advice else None,
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


def _alert_number(value: float, unit: str) -> str:
    """Temperatures with their tenth, as thermometers and nurses write them: 38.0."""
    text = number_text(value)
    return f"{value:.1f}" if unit == "Cel" and "." not in text else text


def gateway(one: GatewayItem, parts: WebParts, language: Language) -> GatewayView:
    now_ms, status = parts.now_ms(), one.status
    return GatewayView(
        id=one.id,
        active=one.state == "active",
        last_data_at=one.last_data,
        last_data_ms=one.last_data_ms,
        last_data_age=_NEVER.in_(language)
        if one.last_data_ms is None
        else age_text(now_ms - one.last_data_ms, language),
        quiet=one.last_data_ms is None or now_ms - one.last_data_ms > QUIET_MS,
        buffered=_buffered(status.buffer.batches, status.buffer.bytes, language) if status else None,
        given_up=counts_text(one.given_up, language) or _NOTHING.in_(language),
        dropped=counts_text(status.dropped if status else {}, language) or _NOTHING.in_(language),
        clock=CLOCK_WORDS[status.clock].in_(language) if status else None,
        clock_is_good=status is None or status.clock == "synced",
        software=status.software if status else None,
    )


def _buffered(batches: int, size_bytes: int, language: Language) -> str:
    if not batches:
        return _NOTHING.in_(language)
    words = Text(f"{batches} 批", f"{batches} batch{'es' if batches > 1 else ''}").in_(language)
    return f"{words} · {size_text(size_bytes)}"
