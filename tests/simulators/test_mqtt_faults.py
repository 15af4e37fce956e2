"""Faults of MQTT devices: which messages they strike, and what a broker gets of them."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from typer.testing import CliRunner

from simulators.cli import app
from simulators.devices import Message, Simulation
from simulators.mqtt_faults import FAULTS, LATE_MS, Fault, Faults
from simulators.publisher import Publisher
from simulators.school import School
from simulators.timetable import FIRST_MORNING_MS, Timeline
from tests.conftest import Mosquitto
from tests.simulators.test_simulated_publisher import HastyClock, listening, settings, until

SCHOOL = School(seed=7)
WALL_MS = 1_790_000_000_000
SIMULATION = Simulation(SCHOOL, Timeline(WALL_MS, FIRST_MORNING_MS, 60), check_every_s=0.5)
MESSAGES = list(SIMULATION.messages(WALL_MS, WALL_MS + 60_000))


def struck(kind: Fault) -> list[Message]:
    faults = Faults([kind], seed=7)
    return [message for message in MESSAGES if kind in faults.of(message)[0]]


def test_without_faults_every_message_is_sent_once_and_at_once() -> None:
    for message in MESSAGES:
        assert Faults((), seed=7).of(message) == ((), ((0, message),))


@pytest.mark.parametrize("kind", ["corrupt", "late", "duplicate"])
def test_about_one_message_of_ten_is_struck(kind: Fault) -> None:
    assert 0.05 < len(struck(kind)) / len(MESSAGES) < 0.15


def test_a_silent_device_says_nothing_for_a_while_and_others_go_on() -> None:
    silent = struck("silence")
    assert {sent for message in silent for sent in Faults(["silence"], 7).of(message)[1]} == set()
    devices = {message.device.id for message in MESSAGES}
    assert 0 < len({message.device.id for message in silent}) < len(devices)


def test_a_corrupt_payload_is_neither_text_nor_json() -> None:
    for message in struck("corrupt"):
        (sent,) = Faults(["corrupt"], 7).of(message)[1]
        assert sent.message.readings == {}
        assert sent.message.check is None
        with pytest.raises(UnicodeDecodeError):
            json.loads(sent.message.payload)


def test_late_and_duplicate_meet() -> None:
    faults = Faults(["late", "duplicate"], seed=7)
    (message, *_) = [one for one in MESSAGES if len(faults.of(one)[0]) == 2]
    assert faults.of(message)[1] == ((LATE_MS, message), (LATE_MS, message))


async def test_a_broker_gets_what_was_counted_whatever_goes_wrong(mosquitto: Mosquitto) -> None:
    one = Publisher(SIMULATION, settings(mosquitto), faults=Faults(FAULTS, 7), clock_ms=HastyClock())
    async with listening(mosquitto) as heard:
        await one.run(duration_s=45)
        await until(lambda: len(heard) >= one.totals.messages.total())
    assert set(one.totals.faults) == set(FAULTS)
    assert one.totals.connections == one.totals.faults["disconnect"] + 1
    corrupt = [payload for _, payload in heard if payload.endswith(b"\xff")]
    repeated = [number for number in Counter(heard).values() if number > 1]
    assert corrupt
    assert repeated
    # The connection breaks between publications: nothing is sent again for its sake.
    assert len(heard) == one.totals.messages.total()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--fault", "unplug"], "--fault 'unplug' is none of silence, duplicate"),
        (["--fault", "late", "--transports", "modbus"], "--fault is for MQTT devices"),
    ],
)
def test_a_fault_that_cannot_be_is_told(arguments: list[str], told: str) -> None:
    result = CliRunner().invoke(app, ["school", *arguments])
    assert result.exit_code == 2
    assert told in result.output
