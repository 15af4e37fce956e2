"""A fault is told by kind and place; its words, which may be somebody's, never are."""

from __future__ import annotations

import asyncio
import json

import pytest

from foundation.faults import kind_of, where_of

WORDS = "示例学生 04A1B2C3"


def _read() -> None:
    json.loads(WORDS)


async def _read_apart() -> None:
    _read()


def test_kind_and_place() -> None:
    with pytest.raises(ValueError, match="Expecting value") as caught:
        _read()
    assert kind_of(caught.value) == "JSONDecodeError"
    where = where_of(caught.value)
    assert where.startswith("decoder.py:")
    assert " _read < test_faults.py:" in where
    assert where_of(caught.value, 1).endswith(" raw_decode")


async def test_of_a_group_the_first_that_is_none() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup(), asyncio.TaskGroup() as inner:
            inner.create_task(_read_apart(), name="part")
    assert kind_of(caught.value) == "JSONDecodeError"
    assert where_of(caught.value).endswith(" _read_apart")


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert where_of(ValueError(WORDS)) == ""
