"""A fault is told by kind and place; its words, which may be somebody's, never are."""

from __future__ import annotations

import asyncio
import json

from foundation.faults import kind_of, where_of

WORDS = "示例学生 04A1B2C3"


def _read() -> None:
    json.loads(WORDS)


def test_kind_and_place() -> None:
    try:
        _read()
    except ValueError as error:
        said = f"{kind_of(error)} in {where_of(error)}"
        assert where_of(error, 1).startswith("decoder.py:")
    assert said.startswith("JSONDecodeError in decoder.py:")
    assert " _read < test_foundation_faults.py:" in said
    assert not any(word in said for word in WORDS.split())


async def test_of_a_group_the_first_that_is_none() -> None:
    async def part() -> None:
        _read()

    try:
        async with asyncio.TaskGroup() as outer, asyncio.TaskGroup() as inner:
            inner.create_task(part(), name="part")
            assert outer is not inner
    except* ValueError as errors:
        assert kind_of(errors) == "JSONDecodeError"
        assert "test_foundation_faults.py:" in where_of(errors)


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert where_of(ValueError(WORDS)) == ""
