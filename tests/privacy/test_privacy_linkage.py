"""Nothing that singles somebody out in the records of one purpose occurs in those of another."""

from __future__ import annotations

from itertools import combinations

from telemetry.purposes import PURPOSE_NAMES
from telemetry.records import RECORD_TYPES, HeartRateWindow, Record, name_of
from tests.privacy.linkage import telling_values
from tests.privacy.unpacking import unpacked
from tests.privacy.week import Week


def _by_purpose(week: Week) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {purpose: [] for purpose in PURPOSE_NAMES}
    for record in week.records:
        found[RECORD_TYPES[name_of(record)].purpose].append(record)
    return found


def test_two_purposes_share_no_pseudonym(week: Week) -> None:
    pseudonyms = {
        purpose: {record.pseudonym for record in records if record.pseudonym}
        for purpose, records in _by_purpose(week).items()
    }
    assert all(pseudonyms[purpose] for purpose in ("health", "sport", "access", "nutrition"))
    for one, other in combinations(pseudonyms.values(), 2):
        assert not one & other


def test_only_pseudonyms_single_somebody_out(week: Week) -> None:
    """No device, no place and no other text that goes with one person only."""
    for records in _by_purpose(week).values():
        assert telling_values(records) <= {record.pseudonym for record in records if record.pseudonym}


def test_no_band_has_a_name_outside_its_gateway(week: Week) -> None:
    sources = (*week.left_gateways, *week.at_collector, *week.metrics, *week.pages)
    said = b"\n".join(piece.data for source in sources for piece in unpacked(source))
    assert b"band-" not in said
    assert b"band#" not in said
    assert said.count(b"heart_rate_window") > 1_000


def test_a_band_in_a_record_would_be_noticed() -> None:
    """The test can fail: a device that one person wears, told beside the pseudonym."""
    windows: list[Record] = [
        HeartRateWindow(at, f"band-{at % 2}", 100, 90, 110, 5, pseudonym=f"P{at % 2}", class_id="1-1")
        for at in range(8)
    ]
    assert telling_values(windows) == {"band-0", "band-1", "P0", "P1"}
