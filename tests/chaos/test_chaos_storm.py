"""kill -9 of the broker, and of everything together, with stores in files and with servers."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.chaos.restless_site import Nursery, RestlessSite, pause, rounds
from tests.chaos.stores import Servers, running_servers
from tests.conftest import Mosquitto
from tests.postgresql import PostgreSql
from tests.series.servers import VictoriaServer

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
    _storm(restless, chance, STORM_ROUNDS, _programs(restless))
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
            _storm(site, chance, SERVER_ROUNDS, _programs(site) | _servers(site, servers))
            # A window of 500 batches in 20 s, after a long storm in which VictoriaMetrics hardly lived as long.
            site.settle(drain_s_max=900)
            figures = site.check_balance()
        finally:
            site.close()
    print(figures, dict(site.kills))
    assert set(site.kills) == {"gateway", "collector", "broker", "postgresql", "victoria"}


class Mortal(NamedTuple):
    """How something dies, and how it comes back."""

    kill: Callable[[], object]
    revive: Callable[[], object]


def _programs(site: RestlessSite) -> dict[str, Mortal]:
    return {
        "gateway": Mortal(site.kill_gateway, site.launch_gateway),
        "collector": Mortal(site.kill_collector, site.launch_collector),
        "broker": Mortal(site.kill_broker, site.restart_broker),
    }


def _servers(site: RestlessSite, servers: Servers) -> dict[str, Mortal]:
    def kill(name: str, server: PostgreSql | VictoriaServer) -> None:
        server.kill()
        site.kills[name] += 1

    found: dict[str, PostgreSql | VictoriaServer] = {
        "postgresql": servers.postgresql,
        "victoria": servers.victoria,
    }
    return {name: Mortal(partial(kill, name, server), server.start) for name, server in found.items()}


def _storm(site: RestlessSite, chance: random.Random, times: int, mortals: dict[str, Mortal]) -> None:
    site.launch_collector()
    site.launch_gateway()
    site.publisher.start()
    for number in range(times):
        if number % 2:
            site.await_promise()
        pause(chance, 0.4)
        victims = chance.sample(list(mortals), chance.choice([1, 1, 2, 3]))
        for victim in victims:
            mortals[victim].kill()
        chance.shuffle(victims)
        for victim in victims:
            pause(chance, 0.2)
            mortals[victim].revive()
        if site.collector is not None and not site.collector.running:
            site.launch_collector()
