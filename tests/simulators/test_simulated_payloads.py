"""Every simulated payload, read by the real profile, gives exactly what the simulator says it gives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.devices import GAP_MS_MIN, HELLO_MS, Message, Simulation
from simulators.models import MODELS
from simulators.payloads import FORMATS
from simulators.school import School
from simulators.station import STATION
from simulators.timetable import FIRST_MORNING_MS, MS_PER_DAY, Timeline
from telemetry.quality import Quality
from tests.simulators.reading_back import Reader

SCHOOL = School(seed=7)
READER = Reader(SCHOOL)
WALL_MS = 1_790_000_000_123
SIMULATION = Simulation(SCHOOL, Timeline(WALL_MS, FIRST_MORNING_MS, 60))


def assert_reads_back(message: Message, simulation: Simulation) -> None:
    (found,) = READER.read(message.topic, message.payload, message.due_ms + 5)
    assert found.device == message.device.id
    assert found.outcome.refused == ()
    if message.check is not None:
        assert found.readings == []
        observation = found.outcome.check
        assert observation is not None
        assert observation.credential == message.check.card
        assert observation.temperature_c == pytest.approx(message.check.temperature_c, abs=0.05 + 1e-9)
        assert (observation.site, observation.symptoms) == (message.check.site, message.check.symptoms)
        ambient_c = simulation.truth(message.device.id, "temperature", message.time_ms)
        assert observation.ambient_c == pytest.approx(ambient_c, abs=0.05 + 1e-9)
        assert observation.time_ms == message.time_ms
        return
    assert found.outcome.check is None
    read = {one.series.quantity: one.value for one in found.readings}
    assert len(found.readings) == len(read) == len(message.readings)
    assert read == pytest.approx(message.readings, abs=1e-6)
    for quantity, value in read.items():
        truth = simulation.truth(message.device.id, quantity, message.time_ms)
        assert abs(value - truth) <= message.within[quantity] + 1e-6, quantity
    for one in found.readings:
        assert one.series.place == message.device.place
        assert one.series.model == message.device.profile
        assert one.quality == (Quality.UNCERTAIN if one.series.quantity == "probe_temperature" else 0)
        # A payload that tells no time has that of its arrival, 5 ms later here.
        assert one.time_ms in (message.time_ms, message.due_ms + 5)


def test_a_morning_of_the_whole_school_reads_back_exactly() -> None:
    messages = list(SIMULATION.messages(WALL_MS, WALL_MS + 40_000))
    for message in messages:
        assert_reads_back(message, SIMULATION)
    assert {one.device.id for one in messages} == {device.id for device in SCHOOL.on("mqtt")}
    rate = sum(len(one.readings) for one in messages) / 40
    assert 50 <= rate <= 200


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 300 * MS_PER_DAY),
    st.sampled_from([1, 13.7, 60, 3_600]),
    st.integers(0, 10**6),
)
def test_any_device_at_any_moment_reads_back_exactly(ahead_ms: int, speed: float, seed: int) -> None:
    simulation = Simulation(SCHOOL, Timeline(WALL_MS, FIRST_MORNING_MS + ahead_ms, speed))
    for device in SIMULATION.devices:
        assert_reads_back(simulation.message(device, WALL_MS + seed), simulation)


def _incident(quantity: str, profile: str) -> tuple[str, int]:
    """A device and wall time at which a rare event begins."""
    for device in SCHOOL.devices:
        if device.profile == profile:
            for minute in range(60 * 24 * 200):
                if minute % 1_440 in range(30, 500):
                    school_ms = FIRST_MORNING_MS + minute * 60_000
                    if SCHOOL.truth(device.id, quantity, school_ms):
                        return device.id, SIMULATION.timeline.wall_ms(school_ms)
    pytest.fail(f"no {quantity} in 200 days")


@pytest.mark.parametrize(
    ("quantity", "profile"),
    [
        ("panic", "zigbee2mqtt/tuya-sos"),
        ("smoke", "zigbee2mqtt/heiman-smoke"),
        ("water_leak", "zigbee2mqtt/aqara-leak"),
    ],
)
def test_an_event_is_reported_when_it_begins_and_when_it_ends(quantity: str, profile: str) -> None:
    device_id, begins_ms = _incident(quantity, profile)
    device = SCHOOL.device(device_id)
    states: list[float] = []
    for due_ms in SIMULATION.dues(device, begins_ms - HELLO_MS - 1_000):
        message = SIMULATION.message(device, due_ms)
        assert_reads_back(message, SIMULATION)
        states.append(message.readings[quantity])
        if len(states) > 1 and states[-2:] == [1.0, 0.0]:
            break
        assert len(states) < 20
    assert states.count(1.0) >= 1


def test_a_door_never_changes_unnoticed() -> None:
    simulation = Simulation(SCHOOL, Timeline(WALL_MS, FIRST_MORNING_MS, 1))
    device = SCHOOL.device("main-301-door")
    dues = simulation.dues(device, WALL_MS)
    due_ms, next_ms = next(dues), next(dues)
    while next_ms < WALL_MS + 1_800_000:
        state = simulation.truth(device.id, "open", due_ms)
        moments = range(due_ms, next_ms, 1_000)
        assert all(simulation.truth(device.id, "open", one) == state for one in moments)
        due_ms, next_ms = next_ms, next(dues)


def test_devices_speak_in_order_and_never_too_often() -> None:
    simulation = Simulation(SCHOOL, Timeline(WALL_MS, FIRST_MORNING_MS, 3_600))
    messages = list(simulation.messages(WALL_MS, WALL_MS + 3_000))
    assert [one.due_ms for one in messages] == sorted(one.due_ms for one in messages)
    last: dict[str, int] = {}
    for one in messages:
        if one.device.profile != STATION:
            assert one.due_ms - last.get(one.device.id, 0) >= GAP_MS_MIN
            last[one.device.id] = one.due_ms


def test_the_station_rests_outside_its_window() -> None:
    # 07:45 to 08:20 is 35 min of school: 35 s at this speed.
    simulation = Simulation(
        SCHOOL, Timeline(WALL_MS, FIRST_MORNING_MS, 60), check_every_s=1, checks_all_day=False
    )
    dues = simulation.dues(SCHOOL.station, WALL_MS)
    found = [next(dues) for _ in range(36)]
    assert sum(due_ms <= WALL_MS + 35_000 for due_ms in found) == 35
    assert found[-1] - WALL_MS > 1_000_000  # tomorrow


def test_every_mqtt_model_of_the_school_has_senses_a_format_and_a_cadence() -> None:
    assert set(MODELS) == set(FORMATS) | {STATION}
    assert {name for name, model in MODELS.items() if model.cadence is None} == {STATION}
    assert {device.profile for device in SIMULATION.devices} == set(MODELS)
