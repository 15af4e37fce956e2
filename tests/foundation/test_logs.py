"""Logs go to standard error as it is now, and repeats stay quiet."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from foundation import logs


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_replaced_standard_error_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = io.StringIO(), io.StringIO()
    log = structlog.get_logger()
    monkeypatch.setattr("sys.stderr", first)
    logs.configure("info", "json")
    log.info("one", device="air-1")
    monkeypatch.setattr("sys.stderr", second)
    first.close()
    log.warning("two")
    log.debug("too quiet")
    lines = [json.loads(line) for line in second.getvalue().splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("two", "warning")]


def test_first_only_is_bounded() -> None:
    first = logs.FirstOnly(keys_max=2)
    assert [first.first(key) for key in "aabcb"] == [True, False, True, False, False]
    assert first.forget("a")
    assert not first.forget("a")
    assert first.first("c")
