"""The gate: what passes, in which form, and what is counted instead."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from device_profiles.observations import CheckObservation
from edge_agent.counters import Counters
from edge_agent.gate import Credentials, Gate, MapUnusableError
from foundation.keyfiles import create_secret
from telemetry.credential_map import FORMAT, CredentialMap, Entry, blind, encode_map
from telemetry.limits import default_limits
from telemetry.quantities import QUANTITIES, Lane
from telemetry.readings import Chunk, SeriesKey, SeriesTable
from telemetry.records import MorningCheck
from tests.edge.edge_parts import GATEWAY, NOW_MS, SCHOOL, HandClock

CARD, STRANGER, REFUSING = "04A2B31C", "04FFEEDD", "04112233"
DAY_MS = 86_400_000


class Behind:
    """What stands behind the gate, for a test to look at."""

    def __init__(self) -> None:
        self.bulks: list[Chunk] = []
        self.urgents: list[tuple[Chunk | None, MorningCheck | None, bool]] = []

    def bulk(self, chunk: Chunk) -> None:
        self.bulks.append(chunk)

    def urgent(self, chunk: Chunk | None, record: MorningCheck | None, *, alarm: bool) -> None:
        self.urgents.append((chunk, record, alarm))


class Door:
    """A gate with its counters."""

    def __init__(self, credentials: Credentials) -> None:
        self.table, self.counters, self.behind = SeriesTable(), Counters(), Behind()
        self.hands = HandClock()
        self.gate = Gate(
            self.table, self.hands.clock(), credentials, self.behind, self.counters, default_limits()
        )

    def check(self, temperature_c: float, card: str | None = CARD) -> None:
        self.gate.check(CheckObservation(NOW_MS, "station-1", "main/gate", card, "ear", temperature_c))


def write_map(
    folder: Path, *, school: str = SCHOOL, gateway: str = GATEWAY, issued_ms: int = NOW_MS
) -> tuple[Path, Path]:
    key_file, map_file = folder / "blinding.key", folder / "credentials.map"
    key = create_secret(key_file)
    entries = {blind(key, CARD): Entry({"health": "p-1"}, "c-1"), blind(key, REFUSING): Entry({}, "c-1")}
    map_file.write_bytes(encode_map(CredentialMap(FORMAT, school, gateway, issued_ms, entries)))
    return map_file, key_file


def load(folder: Path, **changes: object) -> Credentials:
    return Credentials.load(*write_map(folder, **changes), SCHOOL, GATEWAY, 7.0)  # type: ignore[arg-type]  # changes of write_map


def test_a_known_card_becomes_a_pseudonym(tmp_path: Path) -> None:
    door = Door(load(tmp_path))
    door.check(36.5)
    door.check(38.4)
    found = [
        (record and (record.pseudonym, record.class_id), alarm) for _, record, alarm in door.behind.urgents
    ]
    assert found == [(("p-1", "c-1"), False), (("p-1", "c-1"), True)]


@pytest.mark.parametrize("card", [STRANGER, None])
def test_an_unknown_card_is_worth_telling_only_with_a_fever(tmp_path: Path, card: str | None) -> None:
    door = Door(load(tmp_path))
    door.check(36.5, card)
    door.check(38.4, card)
    [(_, record, alarm)] = door.behind.urgents
    assert record is not None
    assert (record.pseudonym, record.class_id, alarm) == (None, None, True)
    assert door.counters.dropped == {"unknown_card": 1}


def test_without_consent_nothing_passes(tmp_path: Path) -> None:
    door = Door(load(tmp_path))
    door.check(36.5, REFUSING)
    door.check(38.4, REFUSING)
    assert not door.behind.urgents
    assert door.counters.dropped == {"no_consent": 2}


@pytest.mark.parametrize("issued_ms", [NOW_MS - 7 * DAY_MS - 1, NOW_MS + DAY_MS + 1])
def test_a_map_that_cannot_be_believed_makes_checks_anonymous(tmp_path: Path, issued_ms: int) -> None:
    credentials = load(tmp_path, issued_ms=issued_ms)
    door = Door(credentials)
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            door.check(36.5)
        door.check(38.4)
    [(_, record, alarm)] = door.behind.urgents
    assert record is not None
    assert (record.pseudonym, alarm) == (None, True)
    assert door.counters.dropped == {"map_unusable": 3}
    assert [one["log_level"] for one in logs] == ["error"], "said once"
    with pytest.raises(MapUnusableError, match="days old"):
        credentials.describe(NOW_MS)


def test_the_age_bound_is_seven_days(tmp_path: Path) -> None:
    credentials = load(tmp_path, issued_ms=NOW_MS - 7 * DAY_MS)
    assert credentials.describe(NOW_MS) == "credential map with 2 entries, 7.0 days old"


def test_maps_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(MapUnusableError, match="is the map of example-primary/gw-other"):
        load(tmp_path / "other", gateway="gw-other")
    map_file, key_file = write_map(tmp_path / "damaged")
    map_file.write_bytes(map_file.read_bytes()[:-7])
    with pytest.raises(MapUnusableError, match=r"credentials\.map: not a credential map"):
        Credentials.load(map_file, key_file, SCHOOL, GATEWAY, 7.0)
    map_file.unlink()
    with pytest.raises(MapUnusableError, match="cannot be read: No such file"):
        Credentials.load(map_file, key_file, SCHOOL, GATEWAY, 7.0)
    key_file.chmod(0o644)
    with pytest.raises(MapUnusableError, match="chmod 600"):
        Credentials.load(map_file, key_file, SCHOOL, GATEWAY, 7.0)
    with pytest.raises(MapUnusableError, match="no credential map"):
        Credentials.none().describe(NOW_MS)


def test_only_registered_ambient_quantities_pass() -> None:
    door = Door(Credentials.none())
    personal = next((one.name for one in QUANTITIES.values() if one.lane is not Lane.AMBIENT), None)
    names = ["co2", "shoe_size", "smoke", *([personal] if personal else [])]
    chunk = Chunk()
    for name in names:
        chunk.append(door.table.index(SeriesKey(name, "d", "main/1", "m")), NOW_MS, 1.0)
    with structlog.testing.capture_logs() as logs:
        door.gate.readings(chunk)
        door.gate.readings(chunk)
    passed = [door.table[series].quantity for bulk in door.behind.bulks for series in bulk.series]
    assert passed == ["co2", "co2"]
    urgent = [(door.table[one.series[0]].quantity, alarm) for one, _, alarm in door.behind.urgents if one]
    assert urgent == [("smoke", True), ("smoke", True)]
    refused = {"quantity_not_registered": 2} | ({"quantity_is_personal": 2} if personal else {})
    assert door.counters.dropped == refused
    assert len(logs) == len(refused), "each kind is told of once"


def test_of_what_people_wear_not_even_the_battery_passes() -> None:
    door = Door(Credentials.none())
    chunk = Chunk()
    for device, names in (
        ("strap-1", ("heart_rate", "battery")),
        ("room", ("smoke", "body_mass", "battery")),
    ):
        for name in names:
            chunk.append(door.table.index(SeriesKey(name, device, "main/1", "m")), NOW_MS, 0.0)
    door.gate.readings(chunk)
    passed = [door.table[series] for bulk in door.behind.bulks for series in bulk.series]
    assert [(key.device, key.quantity) for key in passed] == [("room", "smoke"), ("room", "battery")]
    assert door.counters.dropped == {"quantity_is_personal": 2, "device_is_worn": 1}


def test_an_event_that_is_over_is_not_urgent() -> None:
    door = Door(Credentials.none())
    chunk = Chunk()
    chunk.append(door.table.index(SeriesKey("smoke", "d", "main/1", "m")), NOW_MS, 0.0)
    door.gate.readings(chunk)
    assert len(door.behind.bulks) == 1
    assert not door.behind.urgents


def test_a_card_is_in_no_log_and_no_text(tmp_path: Path) -> None:
    observation = CheckObservation(NOW_MS, "station-1", "main/gate", CARD, "ear", 38.4)
    door = Door(load(tmp_path))
    with structlog.testing.capture_logs() as logs:
        for card in (CARD, STRANGER, REFUSING):
            door.check(38.4, card)
        door.gate.refused("station-1", "bad_card", 90)
    text = f"{observation!r} {observation} {door.gate.credentials!r} {logs} {door.counters.drops({})}"
    for card in (CARD, STRANGER, REFUSING):
        assert card not in text


def test_drops_of_the_gate_and_of_the_buffer_add_up() -> None:
    counters = Counters()
    counters.dropped["disk_full"] = 3
    counters.refused["air-1", "not_json"] = 2
    counters.refused["air-2", "not_json"] = 1
    assert counters.drops({"disk_full": 4, "thinned": 5}) == {"disk_full": 7, "not_json": 3, "thinned": 5}


def test_new_series_are_judged_when_they_come() -> None:
    door = Door(Credentials.none())
    for number in range(3):
        chunk = Chunk()
        chunk.append(door.table.index(SeriesKey("smoke", f"d{number}", "main/1", "m")), NOW_MS, 1.0)
        door.gate.readings(chunk)
    assert len(door.behind.urgents) == 3
