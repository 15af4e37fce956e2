"""Wrong passwords in a row: the account waits, and nobody is told why."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.accounts import lockout
from collector.accounts.errors import SignInRefusedError
from collector.records import accounts as account_rows
from tests.accounts.accounts_bench import GOOD, HERE, Bench
from tests.collector.record_databases import on_both


@given(st.integers(0, 10_000))
def test_the_wait_doubles_from_a_minute_to_an_hour(failures: int) -> None:
    wait, before = lockout.wait_ms(failures), lockout.wait_ms(max(0, failures - 1))
    if failures < lockout.FAILURES_FREE:
        assert wait == 0
    else:
        assert wait == (min(2 * before, lockout.WAIT_MS_MAX) if before else lockout.WAIT_MS_MIN)


async def wrong(bench: Bench, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises(SignInRefusedError):
            await bench.accounts.sign_in("li", "wrong password", HERE)


@on_both
async def test_after_five_the_right_password_waits_too(bench: Bench) -> None:
    await bench.add()
    await wrong(bench, 4)
    await bench.accounts.sign_in("li", GOOD, HERE)
    await wrong(bench, 5)
    for minutes in (1, 2, 4, 8, 16, 32, 60, 60):
        with pytest.raises(SignInRefusedError):
            await bench.accounts.sign_in("li", GOOD, HERE)
        bench.go_on(minutes - 0.1)
        with pytest.raises(SignInRefusedError):
            await bench.accounts.sign_in("li", GOOD, HERE)
        bench.go_on(0.1)
        await wrong(bench)
    bench.go_on(60)
    await bench.accounts.sign_in("li", GOOD, HERE)
    await wrong(bench, 4)
    await bench.accounts.sign_in("li", GOOD, HERE)


async def test_attempts_while_it_waits_neither_count_nor_fill_the_audit(bench: Bench) -> None:
    await bench.add()
    await wrong(bench, 5)
    rows = await bench.accounts.trail.find(limit=2)
    assert [(one.actor, one.action, one.subject) for one in rows] == [
        ("", "locked", "li"), ("", "sign_in_failed", "li"),
    ]  # fmt: skip
    before = len(await bench.actions())
    await wrong(bench, 30)
    assert (await bench.actions())[before:] == ["sign_in_refused"]
    (row,) = await bench.records.look(account_rows.find_all)
    assert row.failures == 5
    bench.go_on(1)
    await bench.accounts.sign_in("li", GOOD, HERE)


async def test_guesses_at_the_same_time_are_no_more_than_five(bench: Bench) -> None:
    await bench.add()
    guesses = [bench.accounts.sign_in("li", f"wrong password {n}", HERE) for n in range(7)]
    results = await asyncio.gather(*guesses, bench.accounts.sign_in("li", GOOD, HERE), return_exceptions=True)
    assert all(isinstance(one, SignInRefusedError) for one in results)
    (row,) = await bench.records.look(account_rows.find_all)
    assert row.failures == 5


async def test_an_administrator_ends_the_wait(bench: Bench) -> None:
    await bench.add()
    await wrong(bench, 6)
    await bench.accounts.staff.unlock("li", "wang")
    assert (await bench.accounts.sign_in("li", GOOD, HERE)).step == "full"


async def test_who_is_signed_in_stays_so_while_others_guess(bench: Bench) -> None:
    secret = (await bench.add()).secret
    await wrong(bench, 7)
    assert await bench.accounts.session(secret)


async def test_strangers_leave_one_row_and_no_word_they_typed(bench: Bench) -> None:
    for n in range(20):
        with pytest.raises(SignInRefusedError):
            await bench.accounts.sign_in(f"secret{n}", "my password in the wrong field", HERE)
    rows = await bench.accounts.trail.find()
    assert [(one.action, one.subject) for one in rows] == [("sign_in_refused", "")]
    assert "secret" not in repr(rows)
    bench.go_on(10)
    with pytest.raises(SignInRefusedError):
        await bench.accounts.sign_in("nobody", "x", HERE)
    assert len(await bench.accounts.trail.find()) == 2
