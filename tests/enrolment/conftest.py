"""A collector at which gateways enrol: a real line, a real listener with TLS, an authority in a folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from telemetry.enrolment import ALPHABET
from tests.collector.conftest import MakeLab, database, make_lab
from tests.enrolment.enrolling import Site, code_key, site_of

__all__ = ["database", "make_lab"]


@pytest.fixture(autouse=True)
def _a_code_is_stretched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has the same codes, one after another, and both ends take the key that was made of one before:
    60 ms each time would be most of what these tests take.
    """
    signs = iter(ALPHABET)
    monkeypatch.setattr("collector.enrolment.registrar.new_code", lambda: f"TEST-CDE{next(signs)}")
    monkeypatch.setattr("collector.enrolment.registrar.code_key", code_key)


@pytest.fixture
async def desk(make_lab: MakeLab, tmp_path: Path) -> AsyncIterator[Site]:
    async with site_of(await make_lab(), tmp_path) as site:
        yield site
