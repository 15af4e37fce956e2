"""Fixtures of the chaos tests."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.restless_site import Nursery, RestlessSite
from tests.conftest import Mosquitto

SEED = 20_261_123


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    made = Nursery()
    yield made
    made.close()


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    """The same moments every time, as far as a scheduler allows."""
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def restless(tmp_path: Path, mosquitto: Mosquitto, nursery: Nursery) -> Iterator[RestlessSite]:
    """One gateway, nothing started yet."""
    made = RestlessSite(tmp_path, mosquitto, nursery)
    yield made
    made.close()
