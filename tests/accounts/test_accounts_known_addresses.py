"""A stranger who guesses keeps nobody out of their own account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from collector.accounts.errors import CodeRefusedError, SessionEndedError, SignInRefusedError
from collector.accounts.lockout import FAILURES_FREE, KNOWN_MAX, KnownAddresses
from tests.accounts.accounts_bench import GOOD, HERE, Bench
from tests.collector.record_databases import open_records

STRANGER, ELSEWHERE = "10.6.6.6", "10.1.2.4"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    records = open_records(tmp_path / "records.db")
    yield Bench(records)
    await records.close()


async def guess(bench: Bench, address: str, times: int = FAILURES_FREE, username: str = "li") -> None:
    for _ in range(times):
        with pytest.raises(SignInRefusedError):
            await bench.accounts.sign_in(username, "not this one", address)


async def test_who_signed_in_from_here_before_does_not_wait_for_a_stranger(bench: Bench) -> None:
    await bench.add("li")
    await guess(bench, STRANGER)
    for _ in range(3 * 60):
        bench.go_on(1)
        with pytest.raises(SignInRefusedError):
            await bench.accounts.sign_in("li", "not this one", STRANGER)
    with pytest.raises(SignInRefusedError):
        await bench.accounts.sign_in("li", GOOD, ELSEWHERE)
    assert (await bench.accounts.sign_in("li", GOOD, HERE)).step == "full"


async def test_the_code_is_asked_for_while_a_stranger_guesses(bench: Bench) -> None:
    _, app = await bench.add_with_totp("wang")
    bench.go_on(1)
    await guess(bench, STRANGER, username="wang")
    begun = await bench.accounts.sign_in("wang", GOOD, HERE)
    assert (await bench.accounts.confirm_code(begun.secret, bench.code(app), HERE)).step == "full"


async def test_five_wrong_ones_from_here_and_here_is_a_strangers(bench: Bench) -> None:
    await bench.add("li")
    await guess(bench, STRANGER)
    await guess(bench, HERE)
    with pytest.raises(SignInRefusedError):
        await bench.accounts.sign_in("li", GOOD, HERE)


async def test_a_right_password_alone_makes_no_address_known(bench: Bench) -> None:
    """A guesser of codes has that already."""
    await bench.add_with_totp("wang")
    bench.go_on(1)
    begun = await bench.accounts.sign_in("wang", GOOD, STRANGER)
    for _ in range(FAILURES_FREE):
        with pytest.raises((CodeRefusedError, SessionEndedError)):
            await bench.accounts.confirm_code(begun.secret, "000000", STRANGER)
    with pytest.raises(SignInRefusedError):
        await bench.accounts.sign_in("wang", GOOD, STRANGER)


def test_not_every_address_is_remembered() -> None:
    known = KnownAddresses()
    for account in range(KNOWN_MAX + 1):
        known.succeeded(account, HERE)
    assert not known.has(0, HERE)
    assert known.has(1, HERE)
    assert known.has(KNOWN_MAX, HERE)
    assert not known.has(1, ELSEWHERE)


def test_who_signed_in_longest_ago_is_forgotten_first() -> None:
    known = KnownAddresses()
    for account in (*range(KNOWN_MAX), 0, KNOWN_MAX):
        known.succeeded(account, HERE)
    assert known.has(0, HERE)
    assert not known.has(1, HERE)


def test_a_right_one_makes_up_for_wrong_ones() -> None:
    known = KnownAddresses()
    for _ in range(2):
        known.succeeded(1, HERE)
        for _ in range(FAILURES_FREE - 1):
            known.failed(1, HERE)
        assert known.has(1, HERE)
    known.failed(1, HERE)
    assert not known.has(1, HERE)
