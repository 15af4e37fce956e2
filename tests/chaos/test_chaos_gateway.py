"""kill -9 of the gateway, again and again on one buffer file."""

from __future__ import annotations

import random

from tests.chaos.hooks import GATEWAY_POINTS
from tests.chaos.restless_site import RestlessSite, pause, rounds

ROUNDS = rounds(60)
ROUNDS_A_POINT = rounds(3)


def test_a_gateway_killed_at_random_moments_loses_and_repeats_nothing(
    restless: RestlessSite, chance: random.Random
) -> None:
    """What the buffer promised, in whatever life of the gateway, reaches the collector once: every
    number from 1 to the highest, no reading twice, one alert a fever. An append that a kill
    interrupts is there whole or not at all, and its numbers are never given again. Some lives end
    while they begin, some in the middle of an append, and in some rounds the collector is away.
    """
    restless.launch_collector()
    restless.publisher.start()
    for number in range(ROUNDS):
        if number % 10 == 5:
            restless.kill_collector()
        if number % 10 == 8:
            restless.launch_collector()
        restless.launch_gateway()
        match number % 4:
            case 0:
                pause(chance, 0.4)
            case 1:
                restless.await_promise()
                restless.await_append()
                pause(chance, 0.005)
            case _:
                restless.await_promise()
                pause(chance, chance.choice([0.05, 0.2, 0.8]))
        restless.kill_gateway()
    restless.settle()
    figures = restless.check_balance()
    print(figures, dict(restless.kills))
    assert restless.kills["gateway"] == ROUNDS
    assert figures["batches"] >= ROUNDS / 2


def test_a_gateway_killed_around_its_commits_loses_and_repeats_nothing(
    restless: RestlessSite, chance: random.Random
) -> None:
    """The same at the moments that matter, which a random kill seldom meets: with a transaction
    open, and between a commit and everything that follows from it. A committed append that nobody
    was told of is delivered; one that was not committed leaves no trace and no hole.
    """
    restless.launch_collector()
    restless.publisher.start()
    for _ in range(ROUNDS_A_POINT):
        for point in GATEWAY_POINTS:
            restless.launch_gateway(die_at=point, nth=chance.randint(1, 6)).await_death()
            restless.kills[point] += 1
    restless.settle()
    figures = restless.check_balance()
    print(figures, dict(restless.kills))
    assert figures["settled_after_kill"] >= ROUNDS_A_POINT, "committed, and the kill came before the promise"
    assert figures["lost_before_disk"] >= ROUNDS_A_POINT, "the kill came before the commit"
