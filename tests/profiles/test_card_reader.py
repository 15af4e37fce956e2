"""Cards held to a reader over MQTT: one tap each, whatever the reader repeats."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from device_profiles.binding import bind
from device_profiles.observations import Outcome
from device_profiles.registry import Catalogue
from telemetry.readings import Chunk, SeriesTable

NOW_MS = 1_790_000_000_000


def taps(messages: list[tuple[int, object]], profile: str = "espeasy/rc522") -> list[list[str | None]]:
    """The cards of each message, which come at so many ms."""
    decoder = bind(
        Catalogue().get(profile),
        device="door",
        place="main/gate",
        address="door",
        table=SeriesTable(),
        zone=ZoneInfo("UTC"),
    )
    chunk = Chunk()
    outcomes: list[Outcome] = [
        decoder.decode(payload, NOW_MS + at_ms, False, chunk) for at_ms, payload in messages
    ]
    assert len(chunk) == 0, "a card is no reading"
    return [[tap.credential for tap in outcome.taps] for outcome in outcomes]


def test_a_card_that_lies_there_is_one_tap() -> None:
    card, other = 965062576, 84799440
    found = taps([(0, card), (1_000, card), (3_500, card), (3_600, other), (3_700, card), (10_000, card)])
    assert found == [["3985AFB0"], [], [], ["050DEFD0"], ["3985AFB0"], ["3985AFB0"]]


def test_a_card_taken_away_is_no_card() -> None:
    assert taps([(0, 965062576), (100, 0), (200, None)]) == [["3985AFB0"], [], []]


@pytest.mark.parametrize("uid", ["", "xyz", True, 1.5, "12", "0" * 40])
def test_what_is_no_card_is_refused_without_repeating_it(uid: object) -> None:
    decoder = bind(
        Catalogue().get("tasmota/pn532"),
        device="door",
        place="main/gate",
        address="door",
        table=SeriesTable(),
        zone=ZoneInfo("UTC"),
    )
    outcome = decoder.decode({"PN532": {"UID": uid}}, NOW_MS, False, Chunk())
    assert (outcome.taps, outcome.refused) == ((), ("bad_card",))
