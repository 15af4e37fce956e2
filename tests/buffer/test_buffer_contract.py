"""The conformance suite of the Buffer contract: another implementation joins IMPLEMENTATIONS."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from edge_agent.buffer import Buffer, BufferFullError, Item, SqliteBuffer
from telemetry.batch import Gap

Open = Callable[..., Awaitable[Buffer]]
MakeItem = Callable[..., Item]


async def _open_sqlite(directory: Path, bytes_max: int) -> Buffer:
    return await SqliteBuffer.open(directory / "buffer.db", bytes_max=bytes_max, disk_free_bytes_min=0)


IMPLEMENTATIONS = {"sqlite": _open_sqlite}


@pytest.fixture(params=IMPLEMENTATIONS)
async def open_buffer(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the same buffer again after `close`, as a restarted gateway does."""
    async with AsyncExitStack() as stack:

        async def opener(bytes_max: int = 10**7) -> Buffer:
            buffer: Buffer = await IMPLEMENTATIONS[request.param](tmp_path, bytes_max)
            stack.push_async_callback(buffer.close)
            return buffer

        yield opener


async def test_numbers_rise_by_one_in_each_stream(open_buffer: Open, make_item: MakeItem) -> None:
    buffer = await open_buffer()
    ids = await buffer.append([make_item(1), make_item(2, "urgent"), make_item(3)])
    ids += await buffer.append([make_item(4, "urgent"), make_item(5)])
    assert [(id_.stream, id_.sequence) for id_ in ids] == [
        ("bulk", 1),
        ("urgent", 1),
        ("bulk", 2),
        ("urgent", 2),
        ("bulk", 3),
    ]
    assert {id_.generation for id_ in ids} == {buffer.generation}
    assert await buffer.append([]) == []


async def test_lease_is_urgent_first_then_oldest_and_exact(open_buffer: Open, make_item: MakeItem) -> None:
    buffer = await open_buffer()
    items = [
        make_item(1),
        make_item(2, "urgent", records=2, alarm=True),
        make_item(3),
        make_item(4, "urgent", readings=0, records=1),
    ]
    await buffer.append(items)
    first = await buffer.lease(3)
    assert [one.item for one in first] == [items[1], items[3], items[0]]
    assert [one.received for one in first] == [False] * 3
    assert [one.item for one in await buffer.lease(3)] == [items[2]]
    assert await buffer.lease(3) == []
    assert await buffer.lease(0) == []


async def test_an_alarm_overtakes_what_is_urgent_without_one(open_buffer: Open, make_item: MakeItem) -> None:
    buffer = await open_buffer()
    taps = await buffer.append([make_item(number, "urgent", records=1) for number in range(4)])
    assert [one.id for one in await buffer.lease(1)] == taps[:1]
    alarms = await buffer.append([make_item(number, "urgent", records=1, alarm=True) for number in (9, 10)])
    assert [one.id for one in await buffer.lease(1)] == alarms[:1]
    await buffer.close()
    buffer = await open_buffer()
    await buffer.accept("urgent", buffer.generation, [(5, 5)])
    assert [one.id for one in await buffer.lease(9)] == [alarms[1], *taps]


async def test_one_stream_is_leased_past_the_other(open_buffer: Open, make_item: MakeItem) -> None:
    buffer = await open_buffer()
    items = [make_item(1), make_item(2, "urgent"), make_item(3), make_item(4, "urgent", alarm=True)]
    ids = await buffer.append(items)
    assert [one.id for one in await buffer.lease(9, "bulk")] == [ids[0], ids[2]]
    assert [one.id for one in await buffer.lease(1, "urgent")] == [ids[3]]
    assert await buffer.lease(9, "bulk") == []
    assert [one.id for one in await buffer.lease(9)] == [ids[1]]


async def test_a_loan_ends_by_keep_and_by_a_restart(open_buffer: Open, make_item: MakeItem) -> None:
    buffer = await open_buffer()
    ids = await buffer.append([make_item(number) for number in range(3)])
    await buffer.lease(3)
    await buffer.keep([ids[1]])
    assert [one.id for one in await buffer.lease(3)] == [ids[1]]
    await buffer.keep()
    assert [one.id for one in await buffer.lease(3)] == ids
    await buffer.close()
    buffer = await open_buffer()
    assert [one.id for one in await buffer.lease(3)] == ids


async def test_accept_removes_once_whatever_comes_twice_or_out_of_order(
    open_buffer: Open, make_item: MakeItem
) -> None:
    buffer = await open_buffer()
    await buffer.append([make_item(number, records=1) for number in range(6)])
    generation = buffer.generation
    assert await buffer.accept("bulk", generation, [(5, 6), (2, 2)]) == (3, 120, 3)
    assert await buffer.accept("bulk", generation, [(5, 6), (2, 2)]) == (0, 0, 0)
    assert await buffer.accept("bulk", "unknown", [(1, 6)]) == (0, 0, 0)
    assert await buffer.accept("urgent", generation, [(1, 6)]) == (0, 0, 0)
    assert await buffer.accept("bulk", generation, []) == (0, 0, 0)
    assert await buffer.accept("bulk", generation, [(1, 2**62)]) == (3, 120, 3)
    assert await buffer.lease(10) == []
    assert await buffer.gaps(10) == ()


async def test_numbers_are_not_given_again_after_everything_was_accepted(
    open_buffer: Open, make_item: MakeItem
) -> None:
    buffer = await open_buffer()
    generation = buffer.generation
    await buffer.append([make_item(1), make_item(2), make_item(3, "urgent")])
    await buffer.accept("bulk", generation, [(1, 2)])
    await buffer.accept("urgent", generation, [(1, 1)])
    await buffer.close()
    buffer = await open_buffer()
    assert buffer.generation == generation
    ids = await buffer.append([make_item(4), make_item(5, "urgent")])
    assert [id_.sequence for id_ in ids] == [3, 2]


async def test_received_is_remembered_and_silences_the_alarm(open_buffer: Open, make_item: MakeItem) -> None:
    buffer = await open_buffer()
    ids = await buffer.append([make_item(number, "urgent", alarm=number != 2) for number in range(4)])
    assert await buffer.unreceived_alarms() == [ids[0], ids[1], ids[3]]
    await buffer.received("urgent", buffer.generation, [(2, 3)])
    await buffer.received("urgent", buffer.generation, [(2, 3), (90, 2**60)])
    await buffer.close()
    buffer = await open_buffer()
    assert await buffer.unreceived_alarms() == [ids[0], ids[3]]
    leased = {one.id: one.received for one in await buffer.lease(9)}
    assert leased == {ids[0]: False, ids[1]: True, ids[2]: True, ids[3]: False}


async def test_reject_removes_counts_and_declares(open_buffer: Open, make_item: MakeItem) -> None:
    buffer = await open_buffer()
    ids = await buffer.append([make_item(1, records=3), make_item(2)])
    assert await buffer.reject(ids[0], "unauthorised") == (1, 40, 3)
    assert await buffer.reject(ids[0], "unauthorised") == (0, 0, 0)
    assert buffer.stats().given_up == {"rejected": 40, "rejected_records": 3}
    assert await buffer.gaps(9) == (Gap("bulk", buffer.generation, 1, 1, "rejected", 40),)
    assert [one.id for one in await buffer.lease(9)] == [ids[1]]


async def test_gaps_wait_until_delivered_and_grow_only_while_nobody_has_them(
    open_buffer: Open, make_item: MakeItem
) -> None:
    buffer = await open_buffer()
    ids = await buffer.append([make_item(number) for number in range(4)])
    await buffer.reject(ids[0], "x")
    await buffer.reject(ids[1], "x")
    sent = await buffer.gaps(9)
    assert sent == (Gap("bulk", buffer.generation, 1, 2, "rejected", 80),)
    await buffer.reject(ids[2], "x")
    await buffer.gaps_delivered(sent)
    await buffer.gaps_delivered(sent)
    assert await buffer.gaps(9) == (Gap("bulk", buffer.generation, 3, 3, "rejected", 40),)
    await buffer.close()
    buffer = await open_buffer()
    assert [gap.first for gap in await buffer.gaps(9)] == [3]
    assert await buffer.gaps(0) == ()


async def test_stats_say_what_is_there(open_buffer: Open, make_item: MakeItem) -> None:
    buffer = await open_buffer()
    assert buffer.stats() == (0, 0, 0, None, {}, 0)
    items = [make_item(7), make_item(5, "urgent"), make_item(9)]
    await buffer.append(items)
    before = buffer.stats()
    assert before[:2] == (3, 1)
    assert before.oldest_ms == items[1].time_base_ms
    assert before.size_bytes >= sum(len(item.body) for item in items)
    await buffer.close()
    buffer = await open_buffer()
    assert buffer.stats() == before
    await buffer.accept("urgent", buffer.generation, [(1, 1)])
    assert buffer.stats().oldest_ms == items[0].time_base_ms


async def test_more_than_the_cap_at_once_is_refused_whole(open_buffer: Open, make_item: MakeItem) -> None:
    buffer = await open_buffer(bytes_max=3_000)
    (kept,) = await buffer.append([make_item(1)])
    with pytest.raises(BufferFullError):
        await buffer.append([make_item(number) for number in range(50)])
    assert [one.id for one in await buffer.lease(9)] == [kept]
    assert await buffer.gaps(9) == ()
    assert [id_.sequence for id_ in await buffer.append([make_item(2)])] == [2]
