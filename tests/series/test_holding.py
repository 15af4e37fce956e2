"""What a server may still lose is held: bounded, written again after a restart, never called durable early."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable

import pytest

from collector.series.contract import StoreAwayError, StoreUnavailableError
from collector.series.holding import Holding, pack

HOLD_S = 0.08


class Memory:
    """A server that keeps everything in memory until it is told that it has reached the disk."""

    def __init__(self) -> None:
        self.run = 1
        self.taken: list[bytes] = []
        self.away = False
        self.writing: Callable[[], None] | None = None

    async def write(self, lines: bytes) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise StoreAwayError("away")
        self.taken.append(lines)
        if self.writing:
            self.writing()

    async def started(self) -> str:
        await asyncio.sleep(0)
        if self.away:
            raise StoreAwayError("away")
        return str(self.run)

    def restart(self) -> None:
        self.run += 1
        self.taken.clear()


@pytest.fixture
def server() -> Memory:
    return Memory()


def make_holding(server: Memory, bytes_max: int = 10_000) -> Holding:
    return Holding(server.write, server.started, bytes_max=bytes_max, hold_s=HOLD_S)


async def put(holding: Holding, lines: bytes) -> asyncio.Future[None]:
    return await holding.put(lines, pack(lines))


async def test_a_restart_writes_again_and_holds_anew(server: Memory) -> None:
    holding = make_holding(server)
    durable = [await put(holding, b"a"), await put(holding, b"b")]
    await asyncio.sleep(HOLD_S / 2)
    assert not any(one.done() for one in durable)
    server.restart()
    await asyncio.gather(*durable)
    assert server.taken == [b"a", b"b"]
    assert (holding.rewritten, holding.bytes) == (2, 0)
    await holding.close()


async def test_restarts_one_after_the_other_keep_everything(server: Memory) -> None:
    holding = make_holding(server)
    durable = []
    for number in range(12):
        durable.append(await put(holding, b"%d" % number))
        if number % 3 == 2:
            server.restart()
        await asyncio.sleep(HOLD_S / 6)
    await asyncio.gather(*durable)
    # What was durable before the last restart need not have been written again.
    assert server.taken[-1] == b"11"
    assert holding.bytes == 0
    await holding.close()


async def test_a_restart_right_after_the_write_is_seen(server: Memory) -> None:
    """Between the last look and the write, or between the write and the next look: either is noticed."""
    holding = make_holding(server)
    first = await put(holding, b"first")
    server.writing = server.restart  # the write is answered, and lost with the process
    second = await put(holding, b"second")
    server.writing = None
    await asyncio.gather(first, second)
    assert server.taken == [b"first", b"second"]
    await holding.close()


async def test_away_after_the_restart_is_waited_for(server: Memory) -> None:
    holding = make_holding(server)
    durable = await put(holding, b"a")
    server.away = True
    server.restart()
    await asyncio.sleep(3 * HOLD_S)
    assert not durable.done()
    with pytest.raises(StoreAwayError):
        await put(holding, b"b")
    server.away = False
    await durable
    assert server.taken == [b"a"]
    assert holding.bytes == 0
    await holding.close()


async def test_when_full_the_next_waits_and_nothing_is_dropped(server: Memory) -> None:
    holding = make_holding(server, bytes_max=250)
    block = os.urandom(100)
    durable = [await put(holding, block), await put(holding, block)]
    waiting = asyncio.create_task(put(holding, block), name="third")
    await asyncio.sleep(HOLD_S / 3)
    assert not waiting.done()
    assert len(server.taken) == 2
    third = await waiting
    assert durable[0].done()
    await asyncio.gather(*durable, third)
    assert len(server.taken) == 3
    await holding.close()


async def test_full_and_away_says_so_instead_of_waiting_for_ever(server: Memory) -> None:
    holding = make_holding(server, bytes_max=150)
    await put(holding, os.urandom(100))
    server.away = True
    with pytest.raises(StoreAwayError):
        await put(holding, os.urandom(100))
    await holding.close()


async def test_a_block_larger_than_the_bound_passes_alone(server: Memory) -> None:
    holding = make_holding(server, bytes_max=50)
    await (await put(holding, os.urandom(500)))
    assert holding.bytes == 0
    await holding.close()


async def test_what_is_held_when_it_closes_is_not_durable(server: Memory) -> None:
    holding = make_holding(server)
    durable = await put(holding, b"a")
    await holding.close()
    with pytest.raises(StoreUnavailableError, match="closed before"):
        await durable


async def test_those_who_stop_waiting_free_their_room(server: Memory) -> None:
    holding = make_holding(server)
    putting = asyncio.create_task(put(holding, b"a"), name="given-up")
    await asyncio.sleep(0)
    putting.cancel()
    await asyncio.gather(putting, return_exceptions=True)
    durable = await put(holding, b"b")
    durable.cancel()
    await (await put(holding, b"c"))
    assert holding.bytes == 0
    await holding.close()
