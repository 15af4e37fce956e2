"""16. Every data type is registered with an impact-assessment id and a retention, or is refused."""

from __future__ import annotations

import msgspec
import pytest

from edge_agent.gate.policy import HOLDERS
from telemetry.purposes import PURPOSE_NAMES, PURPOSES
from telemetry.quantities import QUANTITIES, Lane
from telemetry.readings import Chunk, SeriesKey
from telemetry.records import RECORD_TYPES, Record, name_of
from tests.edge.edge_parts import NOW_MS
from tests.edge.gate_parts import BAND_ADDRESS, Door, school_map

PERSONAL = [one for one in QUANTITIES.values() if one.lane is Lane.PERSONAL]


def test_16_every_record_type_is_registered() -> None:
    assert {one.type for one in RECORD_TYPES.values()} == set(Record.__args__)
    for name, kind in RECORD_TYPES.items():
        assert kind.purpose in PURPOSE_NAMES, name
        assert kind.assessment.startswith("PIA-"), name
        assert kind.retention_days > 0, name
        assert PURPOSES[kind.purpose].assessment, name


def test_16_every_quantity_measured_at_a_body_is_registered() -> None:
    assert PERSONAL
    for quantity in PERSONAL:
        assert quantity.purpose in PURPOSE_NAMES, quantity.name
        assert quantity.assessment.startswith("PIA-"), quantity.name
        assert quantity.retention_days > 0, quantity.name


def test_16_a_type_that_is_not_registered_cannot_be_decoded() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"type":"diary_entry","time_ms":1,"place":"","text":"..."}', type=Record)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(
            b'{"type":"safety_event","time_ms":1,"place":"","danger":"panic","note":"..."}', type=Record
        )


@pytest.mark.parametrize("name", ["blood_pressure", "mood", "location", "heart-rate"])
def test_16_a_quantity_that_is_not_registered_is_refused_at_the_gate(name: str) -> None:
    assert name not in QUANTITIES
    door = Door(school_map())
    door.read(name, 1.0)
    assert not door.passed()
    assert not door.behind.all_records
    assert door.counters.dropped == {"quantity_not_registered": 1}


def test_16_what_is_measured_at_a_body_leaves_the_gate_in_registered_records_alone() -> None:
    door = Door(school_map())
    chunk = Chunk()
    for quantity in PERSONAL:
        value = min(max(1.0, quantity.low), quantity.high)
        chunk.append(door.table.index(SeriesKey(quantity.name, "band-1", "gym/1", "m")), NOW_MS, value)
    door.gate.readings(chunk)
    door.gate.flush()
    assert not door.passed()
    assert [name_of(one) for one in door.behind.all_records] == ["heart_rate_window"]
    into_records = sum(name in ("heart_rate", "skin_contact") for name in HOLDERS)
    assert sum(door.counters.dropped.values()) == len(PERSONAL) - into_records
    assert BAND_ADDRESS not in repr(door.behind.all_records)
