"""Posts that are lost, cut, doubled and turned away, and ends that are killed: everything is there, once."""

from __future__ import annotations

import random
from pathlib import Path

from tests.chaos.bad_posts import BadPosts
from tests.chaos.restless_site import Nursery, RestlessSite, rounds
from tests.conftest import Mosquitto, free_port
from tests.line.running_site import eventually

BATCHES = rounds(80)
KILL_EVERY_BATCHES = 20


def test_a_bad_way_for_posts_loses_and_repeats_nothing(
    tmp_path: Path, mosquitto: Mosquitto, nursery: Nursery, chance: random.Random
) -> None:
    """One gateway posts through a proxy that does everything wrong, the other speaks MQTT; the collector
    and the one that posts are killed in turn.
    """
    intake_port = free_port()
    with BadPosts(intake_port, chance) as network:
        ways = {"a": f'https = {{ url = "http://127.0.0.1:{network.port}" }}'}
        site = RestlessSite(tmp_path, mosquitto, nursery, gateways=("a", "b"), ways=ways)
        with site.collector_file.open("a", encoding="utf-8") as file:
            file.write(f'[intake_http]\nhost = "127.0.0.1"\nport = {intake_port}\n')
        try:
            site.launch_collector()
            for name in site.gateways:
                site.launch_gateway(name)
            site.publisher.start()
            for number in range(BATCHES // KILL_EVERY_BATCHES):
                until = (number + 1) * KILL_EVERY_BATCHES
                eventually(lambda until=until: _posted(site) >= until, f"{until} batches stored")  # type: ignore[misc]
                if number % 2:
                    site.kill_gateway("a")
                    site.launch_gateway("a")
                else:
                    site.kill_collector()
                    site.launch_collector()
            site.settle()
            figures = site.check_balance()
            print(figures, dict(site.kills), dict(network.done))
            assert figures["batches"] >= BATCHES
            assert sum(network.done[what] for what in ("turned away", "lost", "doubled", "cut")) >= 8
        finally:
            site.close()


def _posted(site: RestlessSite) -> int:
    return sum(
        last - first + 1
        for (gateway, _, _), ranges in site.stored().items()
        if gateway == "gw-a"
        for first, last in ranges
    )
