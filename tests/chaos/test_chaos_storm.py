"""kill -9 of the broker, and of everything together, with stores in files and with servers."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.restless_site import Nursery, RestlessSite, pause, rounds
from tests.chaos.stores import Servers, running_servers
from tests.conftest import Mosquitto

BROKER_ROUNDS = rounds(6)
STORM_ROUNDS = rounds(20, times=15)
SERVER_ROUNDS = rounds(10, times=100)


def test_a_broker_killed_at_random_moments_costs_nothing_that_was_buffered(
    restless: RestlessSite, chance: random.Random
) -> None:
    """The broker keeps nothing here: what is under way in it is lost, batches and acknowledgements
    alike. What had reached the buffer arrives once, because only a collector's word removes it.
    """
    restless.launch_collector()
    restless.launch_gateway()
    restless.publisher.start()
    for _ in range(BROKER_ROUNDS):
        restless.await_promise()
        pause(chance, 2.0)
        restless.kill_broker()
        pause(chance, 0.3)
        restless.restart_broker()
    restless.settle()
    figures = restless.check_balance()
    print(figures, dict(restless.kills))
    assert restless.kills["broker"] == BROKER_ROUNDS
    assert figures["lives"] == 1


def test_a_storm_of_kills_leaves_the_balance_exact(restless: RestlessSite, chance: random.Random) -> None:
    """Gateway, collector and broker die in any order and combination, several at once, and come
    back in any order. The balance at the end is exact.
    """
    kill: dict[str, Callable[[], object]] = {
        "gateway": restless.kill_gateway,
        "collector": restless.kill_collector,
        "broker": restless.kill_broker,
    }
    revive: dict[str, Callable[[], object]] = {
        "gateway": restless.launch_gateway,
        "collector": restless.launch_collector,
        "broker": restless.restart_broker,
    }
    restless.launch_collector()
    restless.launch_gateway()
    restless.publisher.start()
    for number in range(STORM_ROUNDS):
        if number % 2:
            restless.await_promise()
        pause(chance, 0.4)
        victims = chance.sample(list(kill), chance.choice([1, 1, 2, 3]))
        for victim in victims:
            kill[victim]()
        chance.shuffle(victims)
        for victim in victims:
            pause(chance, 0.2)
            revive[victim]()
    restless.settle()
    figures = restless.check_balance()
    print(figures, dict(restless.kills))
    assert set(restless.kills) == {"gateway", "collector", "broker"}


@pytest.mark.timeout(7_200)
def test_a_storm_that_kills_the_servers_too_leaves_the_balance_exact(
    tmp_path: Path, mosquitto: Mosquitto, nursery: Nursery, chance: random.Random
) -> None:
    """As above, and VictoriaMetrics and PostgreSQL die as well. VictoriaMetrics has in memory for
    seconds what it was given: only what it has on its disk may have been acknowledged. A collector that finds
    no PostgreSQL at its start ends, and is started again by who watches it.
    """
    with running_servers() as servers:
        site = RestlessSite(tmp_path, mosquitto, nursery, stores=servers, readings_a_tick=1)
        try:
            _storm(site, servers, chance)
            # A window of 500 batches in 20 s, after a long storm in which VictoriaMetrics hardly lived as long.
            site.settle(drain_s_max=900)
            figures = site.check_balance()
        finally:
            site.close()
    print(figures, dict(site.kills))
    assert set(site.kills) == {"gateway", "collector", "broker", "postgresql", "victoria"}


def _storm(site: RestlessSite, servers: Servers, chance: random.Random) -> None:
    def kill(victim: str) -> None:
        if victim == "victoria":
            servers.victoria.kill()
        else:
            servers.postgresql.kill()
        site.kills[victim] += 1

    deaths: dict[str, Callable[[], object]] = {
        "gateway": site.kill_gateway,
        "collector": site.kill_collector,
        "broker": site.kill_broker,
        "postgresql": lambda: kill("postgresql"),
        "victoria": lambda: kill("victoria"),
    }
    lives: dict[str, Callable[[], object]] = {
        "gateway": site.launch_gateway,
        "collector": site.launch_collector,
        "broker": site.restart_broker,
        "postgresql": servers.postgresql.start,
        "victoria": servers.victoria.start,
    }
    site.launch_collector()
    site.launch_gateway()
    site.publisher.start()
    for number in range(SERVER_ROUNDS):
        if number % 2:
            site.await_promise()
        pause(chance, 0.6)
        victims = chance.sample(list(deaths), chance.choice([1, 1, 2, 3]))
        for victim in victims:
            deaths[victim]()
        chance.shuffle(victims)
        for victim in victims:
            pause(chance, 0.2)
            lives[victim]()
        if site.collector is not None and not site.collector.running:
            site.launch_collector()
