"""kill -9 of the collector while the gateways go on."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.hooks import COLLECTOR_POINTS
from tests.chaos.restless_site import Nursery, RestlessSite, pause, rounds
from tests.conftest import Mosquitto

ROUNDS = rounds(24)
ROUNDS_A_POINT = rounds(4)


@pytest.fixture
def two_gateways(tmp_path: Path, mosquitto: Mosquitto, nursery: Nursery) -> Iterator[RestlessSite]:
    """So that a group at the collector holds several streams, each with its own acknowledgement."""
    made = RestlessSite(tmp_path, mosquitto, nursery, gateways=("a", "b"))
    for name in made.gateways:
        made.launch_gateway(name)
    made.publisher.start()
    yield made
    made.close()


def test_a_collector_killed_between_its_steps_has_everything_once(
    two_gateways: RestlessSite, chance: random.Random
) -> None:
    """The collector dies by its own hand at the n-th pass of each step of the batch line: within
    and after the transaction of `received`, before and after the series store, within and after the
    transaction of `stored`, and between two acknowledgements of one group. Whatever was done or
    told before is neither done twice nor forgotten: points, records and alerts are there once.
    """
    site = two_gateways
    for _ in range(ROUNDS_A_POINT):
        for point in COLLECTOR_POINTS:
            site.launch_collector(die_at=point, nth=chance.randint(1, 9)).await_death()
            site.kills[point] += 1
    site.settle()
    figures = site.check_balance()
    print(figures, dict(site.kills))
    assert set(site.kills) == set(COLLECTOR_POINTS)
    assert figures["alerts"] > 0
    assert figures["lives"] == len(site.gateways), "no gateway noticed"


def test_a_collector_killed_at_random_moments_has_everything_once(
    two_gateways: RestlessSite, chance: random.Random
) -> None:
    """Wherever the kill meets it, also while it starts: what it acknowledged is in its stores, what
    it did not acknowledge comes again, and both are there once.
    """
    site = two_gateways
    for number in range(ROUNDS):
        site.launch_collector()
        if number % 4:
            site.await_stored()
            pause(chance, chance.choice([0.05, 0.5]))
        else:
            pause(chance, 1.0)
        site.kill_collector()
    site.settle()
    figures = site.check_balance()
    print(figures, dict(site.kills))
    assert site.kills["collector"] == ROUNDS
    assert figures["lives"] == len(site.gateways), "no gateway noticed"
