"""Fixtures of the fuzz tests: the same chances every time, and more of them in the long form."""

from __future__ import annotations

import os
import random

import pytest

SEED = 20_261_126
LONG = os.environ.get("CAMPUS_CHAOS") == "long"


def rounds(in_ci: int, times: int = 20) -> int:
    """How many rounds to run: `times` as many in the long form."""
    return in_ci * times if LONG else in_ci


@pytest.fixture
def chance(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(f"{SEED} {request.node.name}")
