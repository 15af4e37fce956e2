"""Rubbish gives nothing; a stranger's card gives an anonymous fever."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from foundation.broker import BrokerSettings, connect
from simulators.devices import Simulation
from simulators.rubbish import flood, rubbish, unknown_card
from simulators.school import School
from simulators.timetable import FIRST_MORNING_MS, Timeline
from tests.conftest import Mosquitto
from tests.simulators.reading_back import Reader

SCHOOL = School(seed=7)
WALL_MS = 1_790_000_000_000
SIMULATION = Simulation(SCHOOL, Timeline(WALL_MS, FIRST_MORNING_MS, 60))
KINDS = {"random_bytes", "no_json", "no_object", "cut_off", "too_deep", "huge", "wrong_types"}


def test_rubbish_is_read_as_nothing_by_every_device() -> None:
    reader = Reader(SCHOOL)
    per_round = len(KINDS) * len(SCHOOL.devices)
    items = list(islice(rubbish(SIMULATION, 1, WALL_MS), 3 * per_round))
    assert Counter(item.kind for item in items) == dict.fromkeys(KINDS, 3 * len(SCHOOL.devices))
    for item in items:
        for found in reader.read(item.topic, item.payload, WALL_MS):
            assert found.readings == [], item.kind
            assert found.outcome.check is None, item.kind
            assert found.outcome.refused, item.kind


def test_rubbish_repeats_by_seed() -> None:
    first, second, other = (list(islice(rubbish(SIMULATION, seed, WALL_MS), 60)) for seed in (1, 1, 2))
    assert first == second != other


def test_a_strangers_card_is_read_but_held_by_nobody() -> None:
    item = unknown_card(SIMULATION, 1, WALL_MS)
    (found,) = Reader(SCHOOL).read(item.topic, item.payload, WALL_MS)
    check = found.outcome.check
    assert check is not None
    assert check.credential is not None
    assert check.temperature_c == 38.4
    assert found.outcome.refused == ()
    assert check.credential not in {pupil.card for pupil in SCHOOL.pupils}


async def test_a_flood_arrives_and_is_counted_by_kind(mosquitto: Mosquitto) -> None:
    sent: Counter[str] = Counter()
    broker = BrokerSettings(host=mosquitto.host, port=mosquitto.port)
    heard = 0
    async with connect(broker, "listener") as link:
        await link.subscribe(["#"])
        await flood(broker, rubbish(SIMULATION, 1, WALL_MS), 70, sent)
        async for chunk in link.chunks():
            heard += len(chunk)
            if heard == 70:
                break
    assert sent == dict.fromkeys(KINDS, 10)
