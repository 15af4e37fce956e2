"""Rooms, devices and values, prepared for the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from collector.series.contract import SeriesInfo
from collector.text import Language
from collector.times import iso
from collector.web.api.series import state_words
from collector.web.labels import Labels
from collector.web.parts import WebParts
from collector.web.wording import (
    ALARMING,
    CLOCK_MARKS,
    QUALITY_MARKS,
    age_text,
    label,
    number_text,
    quantity_row,
    state_text,
    unit_text,
)
from telemetry.quality import unpack_quality
from telemetry.quantities import QUANTITIES

OLD_MS: Final = 15 * 60_000
"""A latest value older than this is shown as old."""
_BEHIND_MS: Final = 10_000
"""A value so much older than its device's newest one says its own age."""
_HOUSEKEEPING: Final = frozenset(
    {"battery", "battery_voltage", "link_quality", "rssi", "battery_low", "external_power"}
)
_DECIMALS: Final = {"Cel": 1, "%": 1, "hPa": 1, "V": 2}
"""More says nothing about a room; the chart and the API have all of them."""
_LEADING: Final = (
    "temperature", "co2", "pm2_5", "relative_humidity", "smoke", "gas_alarm", "water_leak", "panic",
    "open", "occupancy", "soil_moisture", "soil_temperature", "power",
)  # fmt: skip
"""What tells most about a room: shown first, and large."""
_ORDER: Final = {name: at for at, name in enumerate(dict.fromkeys((*_LEADING, *QUANTITIES)))}
_PHASE: Final = re.compile(r"(\w+)_l([123])")
_CHARTED: Final = ("co2", "temperature", "pm2_5")
"""What a chart shows by itself, the best first."""


@dataclass(frozen=True)
class ValueView:
    """One value. `age` is empty where the device's own says it all."""

    series: int
    quantity: str
    label: str
    text: str
    unit: str
    age: str
    time_ms: int
    marks: tuple[str, ...]
    alarming: bool
    old: bool


@dataclass(frozen=True)
class PhaseRow:
    """One quantity of a three-phase meter; None for a phase that it has not told."""

    label: str
    unit: str
    phases: tuple[ValueView | None, ValueView | None, ValueView | None]


@dataclass(frozen=True)
class DeviceView:
    """`leads` are large, `values` usual, `minor` ones are about the device and not the room."""

    name: str
    leads: list[ValueView]
    values: list[ValueView]
    phases: list[PhaseRow]
    minor: list[ValueView]
    at: str
    age: str
    time_ms: int

    @property
    def is_single(self) -> bool:
        return len(self.leads) == 1 and not self.values and not self.phases

    @property
    def is_alarming(self) -> bool:
        return any(value.alarming for value in (*self.leads, *self.values, *self.minor))


@dataclass(frozen=True)
class RoomView:
    """`code` is the place where its name does not say it already."""

    name: str
    code: str
    devices: list[DeviceView]
    alarming: bool


@dataclass(frozen=True)
class BuildingView:
    name: str
    rooms: list[RoomView]


def buildings(
    found: Iterable[SeriesInfo], parts: WebParts, language: Language, words: Sequence[str], rooms_max: int
) -> tuple[list[BuildingView], int]:
    """The first `rooms_max` rooms by building and room, and how many there are in all; only what has
    every one of `words` in its place, device or label.
    """
    places: dict[str, list[SeriesInfo]] = {}
    for info in found:
        if not words or _fits(info, words, parts.labels):
            places.setdefault(info.place, []).append(info)
    now_ms, labels = parts.now_ms(), parts.labels
    shown: dict[str, BuildingView] = {}
    for place in sorted(places, key=labels.order)[:rooms_max]:
        code = place.partition("/")[0]
        building = shown.setdefault(code, BuildingView(labels.part(code).in_(language), []))
        building.rooms.append(_room_view(place, places[place], now_ms, labels, language))
    return list(shown.values()), len(places)


def chart_series(found: Iterable[SeriesInfo], parts: WebParts) -> int | None:
    """The series to draw when nobody has chosen one: CO₂ first, and one that is not old."""
    now_ms = parts.now_ms()
    rank = {name: at for at, name in enumerate(_CHARTED)}
    candidates = [
        (
            now_ms - info.latest.time_ms > OLD_MS,
            rank.get(info.quantity, len(rank)),
            info.quantity in _HOUSEKEEPING,
            parts.labels.order(info.place),
            info.id,
        )
        for info in found
        if not quantity_row(info.quantity).is_bool and unit_text(quantity_row(info.quantity).unit)
    ]
    return min(candidates)[-1] if candidates else None


def _fits(info: SeriesInfo, words: Sequence[str], labels: Labels) -> bool:
    names = [info.place, info.device, info.quantity, *label(info.quantity), *(labels.place(info.place) or ())]
    text = " ".join(names).lower()
    return all(word in text for word in words)


def _room_view(
    place: str, found: list[SeriesInfo], now_ms: int, labels: Labels, language: Language
) -> RoomView:
    building, _, room = place.partition("/")
    name = labels.part(place).in_(language) if place in labels.places else room or building
    by_device: dict[str, list[SeriesInfo]] = {}
    for info in sorted(found, key=lambda one: (_ORDER.get(one.quantity, len(_ORDER)), one.device, one.id)):
        if not _is_shown(info):
            continue
        by_device.setdefault(info.device, []).append(info)
    devices = [
        _device_view(name, of_device, now_ms, labels, language) for name, of_device in by_device.items()
    ]
    return RoomView(
        name,
        place if place in labels.places else "",
        devices,
        any(device.is_alarming for device in devices),
    )


def _is_shown(info: SeriesInfo) -> bool:
    """A tile shows what is now, not the figures of an interval; and of a device that is heard, its
    values say so.
    """
    if info.quantity == "device_silent":
        return bool(info.latest.value)
    return quantity_row(info.quantity).statistic is None


def _device_view(
    name: str, found: list[SeriesInfo], now_ms: int, labels: Labels, language: Language
) -> DeviceView:
    newest = max(info.latest.time_ms for info in found)
    leads: list[ValueView] = []
    values: list[ValueView] = []
    minor: list[ValueView] = []
    phases: dict[str, list[ValueView | None]] = {}
    for info in found:
        view = _value_view(info, now_ms, newest, labels, language)
        phase = _PHASE.fullmatch(info.quantity)
        if phase:
            phases.setdefault(phase[1], [None, None, None])[int(phase[2]) - 1] = view
        elif info.quantity in _HOUSEKEEPING:
            minor.append(view)
        else:
            (leads if info.quantity in _LEADING else values).append(view)
    if not leads and values:
        leads.append(values.pop(0))
    return DeviceView(
        name=name,
        leads=leads,
        values=values,
        phases=[
            PhaseRow(
                label(quantity).in_(language),
                unit_text(quantity_row(f"{quantity}_l1").unit),
                (first, second, third),
            )
            for quantity, (first, second, third) in phases.items()
        ],
        minor=minor,
        at=iso(newest),
        age=age_text(now_ms - newest, language),
        time_ms=newest,
    )


def _value_view(
    info: SeriesInfo, now_ms: int, newest_ms: int, labels: Labels, language: Language
) -> ValueView:
    row, latest, states = quantity_row(info.quantity), info.latest, state_words(info, labels)
    if states:
        text = states.zh if language == "zh" else states.en
    elif row.is_bool:
        text = state_text(info.quantity, latest.value).in_(language)
    else:
        text = number_text(round(latest.value, _DECIMALS.get(row.unit, 3)))
    quality, clock = unpack_quality(latest.quality)
    marks = [
        mark.in_(language)
        for mark in (QUALITY_MARKS.get(quality), CLOCK_MARKS.get(clock))
        if mark is not None
    ]
    return ValueView(
        series=info.id,
        quantity=info.quantity,
        label=label(info.quantity).in_(language),
        text=text,
        unit="" if states else unit_text(row.unit),
        age="" if newest_ms - latest.time_ms <= _BEHIND_MS else age_text(now_ms - latest.time_ms, language),
        time_ms=latest.time_ms,
        marks=tuple(marks),
        alarming=info.quantity in ALARMING and bool(latest.value),
        old=now_ms - latest.time_ms > OLD_MS,
    )
