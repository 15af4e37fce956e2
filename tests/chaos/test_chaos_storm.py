"""kill -9 of the broker, and of everything together."""

from __future__ import annotations

import random
from collections.abc import Callable

from tests.chaos.restless_site import RestlessSite, pause, rounds

BROKER_ROUNDS = rounds(6)
STORM_ROUNDS = rounds(20, times=15)


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
