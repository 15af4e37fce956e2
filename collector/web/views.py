"""What the page shows, prepared for the templates: rooms, devices, values; alerts; gateways."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from collector.records import Alert
from collector.series.contract import SeriesInfo
from collector.web.api.models import GatewayItem
from collector.web.api.series import state_words
from collector.web.parts import WebParts
from collector.web.wording import (
    ALARMING,
    ALERT_KINDS,
    CLOCK_MARKS,
    DROP_REASONS,
    QUALITY_MARKS,
    SITES,
    Language,
    age_text,
    clock_text,
    iso,
    label,
    number_text,
    quantity_row,
    size_text,
    state_text,
    unit_text,
)
from telemetry.quality import unpack_quality
from telemetry.quantities import QUANTITIES

OLD_MS: Final = 15 * 60_000
"""A latest value older than this is shown as old."""
_HOUSEKEEPING: Final = frozenset(
    {"battery", "battery_voltage", "link_quality", "rssi", "battery_low", "external_power"}
)
_ORDER: Final = {name: at for at, name in enumerate(QUANTITIES)}


@dataclass(frozen=True)
class ValueView:
    """One value as a tile. `minor` values are about the device, not the room."""

    series: int
    label: str
    text: str
    unit: str
    at: str
    age: str
    time_ms: int
    marks: tuple[str, ...]
    alarming: bool
    old: bool
    minor: bool


@dataclass(frozen=True)
class DeviceView:
    name: str
    values: list[ValueView]


@dataclass(frozen=True)
class RoomView:
    building: str
    room: str
    devices: list[DeviceView]
    alarming: bool


@dataclass(frozen=True)
class AlertView:
    """An alert in words; personal data."""

    id: int
    open: bool
    kind: str
    who: str
    class_id: str | None
    temperature: str
    site: str | None
    limit: str | None
    place: str
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
    software: str | None


def rooms(
    found: Iterable[SeriesInfo], parts: WebParts, language: Language, words: Sequence[str], rooms_max: int
) -> tuple[list[RoomView], int]:
    """The first `rooms_max` rooms by building and room, and how many there are in all; only what has
    every one of `words` in its place, device or label.
    """
    places: dict[str, list[SeriesInfo]] = {}
    for info in found:
        if not words or _fits(info, words):
            places.setdefault(info.place, []).append(info)
    now_ms = parts.now_ms()
    shown = [_room_view(place, places[place], now_ms, language) for place in sorted(places)[:rooms_max]]
    return shown, len(places)


def _room_view(place: str, found: list[SeriesInfo], now_ms: int, language: Language) -> RoomView:
    building, _, room = place.partition("/")
    devices: dict[str, list[ValueView]] = {}
    for info in sorted(found, key=lambda one: (one.device, _ORDER.get(one.quantity, len(_ORDER)), one.id)):
        devices.setdefault(info.device, []).append(_value_view(info, now_ms, language))
    return RoomView(
        building,
        room or building,
        [DeviceView(name, values) for name, values in devices.items()],
        any(value.alarming for values in devices.values() for value in values),
    )


def _fits(info: SeriesInfo, words: Sequence[str]) -> bool:
    names = label(info.quantity)
    text = f"{info.place} {info.device} {info.quantity} {names.zh} {names.en}".lower()
    return all(word in text for word in words)


def _value_view(info: SeriesInfo, now_ms: int, language: Language) -> ValueView:
    row, latest, states = quantity_row(info.quantity), info.latest, state_words(info)
    if states:
        text = states.zh if language == "zh" else states.en
    elif row.is_bool:
        text = state_text(info.quantity, latest.value).in_(language)
    else:
        text = number_text(latest.value)
    quality, clock = unpack_quality(latest.quality)
    marks = [
        mark.in_(language)
        for mark in (QUALITY_MARKS.get(quality), CLOCK_MARKS.get(clock))
        if mark is not None
    ]
    return ValueView(
        series=info.id,
        label=label(info.quantity).in_(language),
        text=text,
        unit="" if states else unit_text(row.unit),
        at=iso(latest.time_ms),
        age=age_text(now_ms - latest.time_ms, language),
        time_ms=latest.time_ms,
        marks=tuple(marks),
        alarming=info.quantity in ALARMING and bool(latest.value),
        old=now_ms - latest.time_ms > OLD_MS,
        minor=info.quantity in _HOUSEKEEPING,
    )


def alert(one: Alert, parts: WebParts, language: Language) -> AlertView:
    now_ms, unit = parts.now_ms(), unit_text(one.unit)
    kind, site = ALERT_KINDS.get(one.kind), SITES.get(one.site or "")
    return AlertView(
        id=one.id,
        open=one.state == "open",
        kind=kind.in_(language) if kind else one.kind,
        who=one.pseudonym or ("匿名" if language == "zh" else "anonymous"),
        class_id=one.class_id,
        temperature=f"{number_text(one.value)} {unit}",
        site=site.in_(language) if site else one.site,
        limit=None if one.limit is None else f"{number_text(one.limit)} {unit}",
        place=one.place,
        at=iso(one.at_ms),
        time=clock_text(one.at_ms, now_ms, parts.time_zone),
        age=age_text(now_ms - one.at_ms, language),
        time_ms=one.at_ms,
        doubtful=one.doubtful,
        acknowledged_by=one.acknowledged_by,
        acknowledged_time=None
        if one.acknowledged_ms is None
        else clock_text(one.acknowledged_ms, now_ms, parts.time_zone),
    )


def gateway(one: GatewayItem, parts: WebParts, language: Language) -> GatewayView:
    now_ms, status = parts.now_ms(), one.status
    never = "启动以来没有" if language == "zh" else "none since start"
    return GatewayView(
        id=one.id,
        active=one.state == "active",
        last_data_at=one.last_data,
        last_data_ms=one.last_data_ms,
        last_data_age=never if one.last_data_ms is None else age_text(now_ms - one.last_data_ms, language),
        quiet=one.last_data_ms is None or now_ms - one.last_data_ms > 60_000,
        buffered=f"{status.buffer.batches} · {size_text(status.buffer.bytes)}" if status else None,
        given_up=counts_text(one.given_up, language),
        dropped=counts_text(status.dropped if status else {}, language),
        software=status.software if status else None,
    )


def counts_text(by_reason: dict[str, int], language: Language) -> str:
    """Counts by reason, the largest first."""
    counts = sorted(((count, reason) for reason, count in by_reason.items() if count), reverse=True)
    words = [
        f"{count} {DROP_REASONS[reason].in_(language) if reason in DROP_REASONS else reason}"
        for count, reason in counts[:4]
    ]
    return "，".join(words) if language == "zh" else ", ".join(words)
