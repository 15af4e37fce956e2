"""Batches and acknowledgements that are lost, repeated, late and out of order."""

from __future__ import annotations

import random
from pathlib import Path

from tests.chaos.bad_network import BadNetwork
from tests.chaos.restless_site import Nursery, RestlessSite, rounds
from tests.conftest import MakeMosquitto
from tests.line.running_site import eventually

BATCHES = rounds(60)
KILL_EVERY_BATCHES = 20


def test_a_bad_network_loses_and_repeats_nothing(
    tmp_path: Path, make_mosquitto: MakeMosquitto, nursery: Nursery, chance: random.Random
) -> None:
    """Between two brokers messages of both ways are dropped, sent twice, delayed past later ones, and
    replayed long after. Batches come in any order, more than once, after they were acknowledged and
    after either end was killed; acknowledgements come for batches long gone. The buffer still
    drains while the network stays bad, and everything is there once.
    """
    near, far = make_mosquitto(), make_mosquitto()
    site = RestlessSite(tmp_path, near, nursery, collector_broker=far)
    try:
        with BadNetwork(near.port, far.port, chance) as network:
            site.launch_collector()
            site.launch_gateway()
            site.publisher.start()
            for number in range(BATCHES // KILL_EVERY_BATCHES):
                until = (number + 1) * KILL_EVERY_BATCHES
                eventually(lambda until=until: _stored(site) >= until, f"{until} batches stored")  # type: ignore[misc]
                if number % 2:
                    site.kill_collector()
                    site.launch_collector()
                else:
                    site.kill_gateway()
                    site.launch_gateway()
            site.settle()
        figures = site.check_balance()
        print(figures, dict(site.kills), dict(network.done))
        assert figures["batches"] >= BATCHES
        assert min(network.done[what] for what in ("dropped", "repeated", "replayed")) > 0
    finally:
        site.close()


def _stored(site: RestlessSite) -> int:
    return sum(last - first + 1 for ranges in site.stored().values() for first, last in ranges)
