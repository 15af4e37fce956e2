"""Fixtures of the whole-line tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Mosquitto
from tests.line.running_site import Site


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Site]:
    """An empty site; gateways and collector are started by the test."""
    made = Site(tmp_path, mosquitto)
    yield made
    made.close()
