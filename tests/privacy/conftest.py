"""The week that several statements ask about is lived once."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import Mosquitto
from tests.privacy.leak_search import LeakSearch
from tests.privacy.week import Week, live_a_week
from tests.privacy.week_site import WeekSite


@pytest.fixture(scope="session")
def week(tmp_path_factory: pytest.TempPathFactory) -> Week:
    folder = tmp_path_factory.mktemp("week")
    brokers = Mosquitto(folder / "devices"), Mosquitto(folder / "uplink")
    try:
        for broker in brokers:
            broker.start()
        return asyncio.run(live_a_week(WeekSite(folder, *brokers)))
    finally:
        for broker in brokers:
            broker.kill()


@pytest.fixture(scope="session")
def search(week: Week, tmp_path_factory: pytest.TempPathFactory) -> LeakSearch:
    return LeakSearch(week.entries, tmp_path_factory.mktemp("patterns"))
