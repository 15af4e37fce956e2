"""One rendering for many, and never one from before the last change."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from collector.web.sharing import KEYS_MAX, Shared
from tests.web.conftest import School, reading


class Counted:
    """Makes numbers, one after the other, and remembers when the changes were."""

    def __init__(self) -> None:
        self.changes = 0
        self.made = 0
        self.begun, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.shared: Shared[int] = Shared(lambda: self.changes)

    async def make(self) -> int:
        seen = self.changes
        self.made += 1
        self.begun.set()
        await self.gate.wait()
        return seen


async def test_many_who_ask_together_get_one() -> None:
    counted = Counted()
    answers = await asyncio.gather(*(counted.shared.get("zh", counted.make) for _ in range(100)))
    assert (answers, counted.made) == ([0] * 100, 1)


async def test_languages_and_filters_are_apart() -> None:
    counted = Counted()
    for key in range(KEYS_MAX * 3):
        await counted.shared.get(key, counted.make)
    assert counted.made == KEYS_MAX * 3
    assert counted.shared.keys == KEYS_MAX


async def test_a_change_is_never_missed() -> None:
    counted = Counted()
    for _ in range(3):
        assert await counted.shared.get("zh", counted.make) == counted.changes
        counted.changes += 1
        answers = await asyncio.gather(*(counted.shared.get("zh", counted.make) for _ in range(10)))
        assert answers == [counted.changes] * 10
    assert counted.made == 4


async def test_who_asks_after_a_change_does_not_get_what_was_begun_before_it() -> None:
    counted = Counted()
    counted.gate.clear()
    first = asyncio.create_task(counted.shared.get("zh", counted.make))
    await counted.begun.wait()
    counted.changes += 1
    second = asyncio.create_task(counted.shared.get("zh", counted.make))
    await asyncio.sleep(0)
    counted.gate.set()
    assert (await first, await second) == (0, 1)


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    counted = Counted()
    counted.gate.clear()
    first, second = (asyncio.create_task(counted.shared.get("zh", counted.make)) for _ in range(2))
    await counted.begun.wait()
    first.cancel()
    counted.gate.set()
    assert await second == 0


async def test_a_failure_is_told_and_not_kept() -> None:
    counted = Counted()

    async def fail() -> int:
        raise OSError("the disk is away")

    with pytest.raises(OSError, match="away"):
        await counted.shared.get("zh", fail)
    assert await counted.shared.get("zh", counted.make) == 0


async def test_a_hundred_pages_cost_one_rendering(school: School, client: httpx.AsyncClient) -> None:
    await school.add([reading("co2", 500)])
    answers = await asyncio.gather(*(client.get("/parts/rooms?lang=zh") for _ in range(100)))
    assert len({answer.text for answer in answers}) == 1
    assert school.app.state.rooms.made == 1
    await school.add([reading("co2", 501)])
    school.hub.publish("series")
    assert ">501<" in (await client.get("/parts/rooms?lang=zh")).text
