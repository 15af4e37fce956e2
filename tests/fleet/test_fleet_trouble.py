"""What is not well with a gateway: each rule at its bound, and the order of gravity."""

from __future__ import annotations

import pytest

from collector.fleet.standing import Standing, Word
from collector.fleet.trouble import (
    APPLY_MS,
    BACKLOG_MS,
    CERTIFICATE_MS,
    GRAVE,
    KINDS,
    SILENT_MS,
    troubles,
)
from collector.overview import GatewayOverview
from collector.records.configurations import Version
from collector.web.fleet_words import TROUBLES
from telemetry.quality import ClockQuality
from telemetry.status import Status
from tests.web.conftest import NOW_MS

WANTED = Version("example-primary", "gw-1", 2, "a" * 64, "", "console", NOW_MS - APPLY_MS)


def how(word: Word = "same", made_ms: int = WANTED.made_ms) -> Standing:
    wanted = Version(*WANTED.key, 2, WANTED.digest, "", "console", made_ms)
    return Standing(word, None if word == "own" else wanted, 1, None, "", NOW_MS)


def heard(
    ago_ms: int = 1_000, clock: ClockQuality = ClockQuality.SYNCED, waits_ms: int | None = None
) -> GatewayOverview:
    at_ms = NOW_MS - ago_ms
    oldest_ms = None if waits_ms is None else at_ms - waits_ms
    status = Status(1, *WANTED.key, at_ms, clock, "0.1", 1, 1, 1, oldest_ms, 0, 0, {})
    return GatewayOverview(status=status, status_ms=at_ms)


def kinds(seen: GatewayOverview, standing: Standing | None = None, ends_ms: int | None = None) -> list[str]:
    return [one.kind for one in troubles(seen, standing or how(), ends_ms, NOW_MS)]


def test_all_is_well() -> None:
    assert kinds(heard(), ends_ms=NOW_MS + CERTIFICATE_MS + 1) == []
    assert kinds(heard(), how("own")) == []
    assert kinds(heard(clock=ClockQuality.HOLDOVER, waits_ms=BACKLOG_MS)) == []


def test_contact() -> None:
    assert kinds(GatewayOverview()) == ["never"]
    assert kinds(heard(SILENT_MS)) == []
    assert kinds(heard(SILENT_MS + 1)) == ["silent"]
    # Data count as well as a status does.
    assert kinds(GatewayOverview(last_data_ms=NOW_MS - SILENT_MS)) == []


def test_of_who_is_silent_old_news_is_not_told() -> None:
    long_ago = heard(SILENT_MS + 1, ClockQuality.UNSYNCED, BACKLOG_MS + 1)
    assert kinds(long_ago, how("waiting", NOW_MS - APPLY_MS - 1)) == ["silent"]
    assert kinds(long_ago, how("refused")) == ["silent", "refused"]


@pytest.mark.parametrize(
    ("seen", "standing", "ends_ms", "found"),
    [
        (heard(waits_ms=BACKLOG_MS + 1), how(), None, ["backlog"]),
        (heard(clock=ClockQuality.UNSYNCED), how(), None, ["clock"]),
        (heard(), how("waiting"), None, []),
        (heard(), how("waiting", NOW_MS - APPLY_MS - 1), None, ["waiting"]),
        (heard(), how("refused"), None, ["refused"]),
        (heard(), how("unable"), None, ["unable"]),
        (heard(), how(), NOW_MS + CERTIFICATE_MS, ["certificate_ends"]),
        (heard(), how(), NOW_MS, ["certificate_over"]),
    ],
)
def test_each(seen: GatewayOverview, standing: Standing, ends_ms: int | None, found: list[str]) -> None:
    assert kinds(seen, standing, ends_ms) == found


def test_the_gravest_stands_first() -> None:
    seen = heard(clock=ClockQuality.UNSYNCED, waits_ms=BACKLOG_MS + 1)
    found = kinds(seen, how("refused"), NOW_MS - 1)
    assert found == ["certificate_over", "refused", "backlog", "clock"]
    assert found == sorted(found, key=KINDS.index)


def test_every_trouble_says_what_to_do() -> None:
    assert TROUBLES.keys() == set(KINDS)
    assert all(words.name.zh and words.advice.zh and words.advice.en for words in TROUBLES.values())
    assert set(KINDS) > GRAVE
