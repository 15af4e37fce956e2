"""Simulated uplinks, read by the real profile, give exactly what the simulator says they give."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.lorawan import bind_lorawan
from device_profiles.registry import Catalogue
from simulators.payloads import Probe
from simulators.school import School
from simulators.timetable import FIRST_MORNING_MS, MS_PER_DAY
from simulators.uplinks import am307
from simulators.world import Device
from telemetry.readings import Chunk, SeriesTable

SCHOOL = School(seed=7)
ROOMS = [device for device in SCHOOL.on("mqtt") if device.room]
EUI = "24e124136b000001"
NOW_MS = 1_790_000_000_123


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(ROOMS), st.integers(0, 300 * MS_PER_DAY))
def test_an_uplink_of_any_room_at_any_moment(device: Device, ahead_ms: int) -> None:
    table, chunk = SeriesTable(), Chunk()
    decoder = bind_lorawan(
        Catalogue().get("milesight/am307"), device="air", place="main/301", address=EUI, table=table
    )
    probe = Probe(SCHOOL.world, device._replace(address=EUI), FIRST_MORNING_MS + ahead_ms, NOW_MS)
    event = json.loads(json.dumps(am307(probe)))
    assert decoder.accepts(event)
    assert decoder.decode(event, NOW_MS, False, chunk).refused == ()
    readings = chunk.readings(table)
    assert {one.series.quantity: one.value for one in readings} == pytest.approx(probe.said)
    assert {one.time_ms for one in readings} == {NOW_MS}
