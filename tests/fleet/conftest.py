"""The batch line of the collector's tests, for offers that go out by it."""

from __future__ import annotations

from tests.collector.conftest import database, make_lab

__all__ = ["database", "make_lab"]
