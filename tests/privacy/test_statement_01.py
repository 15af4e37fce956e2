"""1. No name, student number, ID number, phone, card UID or band address in any message that leaves a
gateway, in any log or metric: a school of 800 pupils lives through a week, and everything is searched.
"""

from __future__ import annotations

from collections import Counter, defaultdict

from telemetry.credential_map import encode_update
from telemetry.records import RECORD_TYPES, HeartRateWindow, MorningCheck, name_of
from tests.privacy.leak_search import LeakSearch
from tests.privacy.unpacking import Source
from tests.privacy.week import Week

DEVICES = {
    "morning_check": {
        "gate-entrance-station",  # MQTT
        "gate-entrance-desk",  # serial
        "gate-entrance-terminal",  # HTTP
        "gate-entrance-thermometer",
    },
    "access_event": {"gate-entrance-tap", "gate-entrance-reader", "gate-entrance-terminal"},
    "meal_record": {"canteen-hall-tap", "canteen-hall-terminal"},
}
"""Where each record must have come from: serial, OSDP and HTTP readers; heart rates come over Bluetooth."""


def test_01_the_week_was_worth_searching(week: Week) -> None:
    """Thousands of records did arrive, under pseudonyms, over every transport, and rest at the collector."""
    named = Counter(name_of(record) for record in week.records if record.pseudonym)
    for kind in ("morning_check", "access_event", "heart_rate_window", "meal_record"):
        assert named[kind] > 1_000, named
        assert week.stored[f"records.db/{kind}s"] >= named[kind]
    assert week.stored["records.db/safety_events"] >= 5
    devices = defaultdict(set)
    for record in week.records:
        devices[name_of(record)].add(getattr(record, "device", None))
    for kind, expected in DEVICES.items():
        assert expected <= devices[kind], kind
    ambient = {series.device for body in week.bodies for series in body.series}
    assert {"main-301-climate", "main-301-dust", "main-102-air", "canteen-hall-scale"} <= ambient


def test_01_who_did_not_agree_left_no_record(week: Week) -> None:
    """As many pseudonyms of a purpose as pupils who agreed to it, and none more, in each epoch."""
    agreed = Counter(purpose for entry in week.entries for purpose in entry.consents)
    for kind, info in RECORD_TYPES.items():
        for records in week.epochs:
            found = {one.pseudonym for one in records if one.pseudonym and name_of(one) == kind}
            assert len(found) <= agreed[info.purpose], kind
    assert week.dropped["no_consent"] > 100


def test_01_a_band_worn_on_a_free_day_is_refused(week: Week) -> None:
    windows = [record for record in week.records if isinstance(record, HeartRateWindow)]
    assert windows
    assert max(record.time_ms for record in windows) < week.free_ms
    assert week.dropped["outside_pe_lesson"] > 100


def test_01_nobody_is_in_what_left_the_gateways(week: Week, search: LeakSearch) -> None:
    assert search.find(week.left_gateways) == []


def test_01_nobody_is_at_the_collector(week: Week, search: LeakSearch) -> None:
    assert search.find(week.at_collector) == []


def test_01_nobody_is_in_a_log_or_a_metric(week: Week, search: LeakSearch) -> None:
    assert search.find([*week.logs, *week.metrics]) == []


def test_01_nobody_is_on_a_page_or_in_an_answer(week: Week, search: LeakSearch) -> None:
    """On which pupils do stand, under their pseudonyms."""
    shown = {page.name for page in week.pages if any(one in page.data for one in _feverish(week))}
    assert {"/", "/parts/alerts", "/api/v1/alerts"} <= shown
    assert search.find(week.pages) == []


def _feverish(week: Week) -> set[bytes]:
    checks = [one for one in week.records if isinstance(one, MorningCheck) and one.temperature_c > 37.3]
    return {one.pseudonym.encode() for one in checks if one.pseudonym}


def test_01_nobody_is_in_clear_on_a_disk(week: Week, search: LeakSearch) -> None:
    """A gateway's, or the vault's own."""
    assert search.find(week.on_disks) == []


def test_01_nobody_is_in_the_map_of_a_stolen_gateway(week: Week, search: LeakSearch) -> None:
    """Opened with the gateway's own key."""
    maps = [encode_update(found.as_update()) for both in week.maps.values() for found in both]
    assert min(map(len, maps)) > 100_000
    assert search.find(Source("map", found, like_chance=True) for found in maps) == []


def test_01_the_search_would_have_found_anybody(week: Week, search: LeakSearch) -> None:
    """One line of a log with a pupil in it, among all that was found clean."""
    entry = week.entries[417]
    spoilt = [
        *week.logs,
        Source("a log", b'{"event": "read", "card": "%s"}' % entry.cards[0].lower().encode()),
    ]
    assert {leak.pupil for leak in search.find(spoilt)} == {417}
