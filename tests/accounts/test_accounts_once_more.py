"""What a session alone does not do: whoever sits down at an open page has to know the password."""

from __future__ import annotations

from collections.abc import Awaitable

import pyotp
import pytest

from collector.accounts.errors import NotRecentError, SessionEndedError, SignInRefusedError, TooManyError
from collector.accounts.once_more import RECENT_MS
from collector.accounts.rates import RATES, Rate, Rates
from tests.accounts.accounts_bench import GOOD, HERE, Bench
from tests.collector.record_databases import on_both

ISSUER = "https://login.example.edu"
WRONG = "wrong wrong wrong"


async def app_of(bench: Bench, secret: str) -> pyotp.TOTP:
    return pyotp.TOTP((await bench.accounts.begin_totp(secret)).text.replace(" ", ""))


def make_token(bench: Bench, secret: str, password: str) -> Awaitable[object]:
    return bench.accounts.make_token(secret, password, HERE, "s", ["series.read"], 30)


async def without_password(bench: Bench, username: str = "li") -> str:
    """A full session of somebody who comes by the sign-in service only."""
    await bench.add(username, "nurse")
    await bench.accounts.staff.link(username, "wang", ISSUER, "s-1", only=True)
    return (await bench.accounts.sign_in_external(ISSUER, "s-1", HERE)).secret


@on_both
async def test_a_second_factor_is_set_up_with_the_password(bench: Bench) -> None:
    secret = (await bench.add("li", "nurse")).secret
    app = await app_of(bench, secret)
    for wrong in ("", WRONG):
        with pytest.raises(SignInRefusedError):
            await bench.accounts.finish_totp(secret, bench.code(app), wrong, HERE)
    account = await bench.accounts.staff.find("li")
    assert account is not None
    assert not account.has_totp
    assert (await bench.accounts.finish_totp(secret, bench.code(app), GOOD, HERE)).recovery_codes


async def test_right_after_signing_in_it_is_not_asked_for_twice(bench: Bench) -> None:
    begun = await bench.add("wang", "admin")
    assert begun.step == "setup"
    app = await app_of(bench, begun.secret)
    assert (await bench.accounts.finish_totp(begun.secret, bench.code(app), "", HERE)).recovery_codes


@on_both
async def test_a_token_is_made_with_the_password(bench: Bench) -> None:
    secret = (await bench.add("li", "nurse")).secret
    for wrong in ("", WRONG):
        with pytest.raises(SignInRefusedError):
            await make_token(bench, secret, wrong)
    assert "token_made" not in await bench.actions()
    await make_token(bench, secret, GOOD)
    assert (await bench.actions())[-1] == "token_made"
    with pytest.raises(SessionEndedError):
        await make_token(bench, "no session", GOOD)


async def test_guesses_at_an_open_page_are_counted_as_at_signing_in(bench: Bench) -> None:
    secret = (await bench.add("li", "nurse")).secret
    app = await app_of(bench, secret)
    for _ in range(3):
        with pytest.raises(SignInRefusedError):
            await make_token(bench, secret, WRONG)
        with pytest.raises(SignInRefusedError):
            await bench.accounts.finish_totp(secret, bench.code(app), WRONG, HERE)
    account = await bench.accounts.staff.find("li")
    assert account is not None
    assert account.locked_until_ms is not None
    with pytest.raises(SignInRefusedError):
        await make_token(bench, secret, GOOD)


async def test_and_not_more_often(bench: Bench) -> None:
    secret = (await bench.add("li", "nurse")).secret
    few = Bench(bench.records, Rates(lambda: 0.0, {**RATES, "sign-in": Rate(1, 60)}))
    await make_token(few, secret, GOOD)
    with pytest.raises(TooManyError):
        await make_token(few, secret, GOOD)
    with pytest.raises(TooManyError):
        await few.accounts.finish_totp(secret, "000000", GOOD, HERE)


@on_both
async def test_without_a_password_one_has_signed_in_just_now(bench: Bench) -> None:
    secret = await without_password(bench)
    app = await app_of(bench, secret)
    bench.now_ms += RECENT_MS
    await make_token(bench, secret, "")
    bench.now_ms += 1
    with pytest.raises(NotRecentError):
        await make_token(bench, secret, "")
    with pytest.raises(NotRecentError):
        await bench.accounts.finish_totp(secret, bench.code(app), "", HERE)
    with pytest.raises(NotRecentError):
        await bench.accounts.remove_totp(secret, "", HERE)
    again = (await bench.accounts.sign_in_external(ISSUER, "s-1", HERE)).secret
    app = await app_of(bench, again)
    done = await bench.accounts.finish_totp(again, bench.code(app), "", HERE)
    assert (await bench.accounts.remove_totp(done.signed_in.secret, "", HERE)).step == "full"


async def test_having_signed_in_just_now_is_no_password(bench: Bench) -> None:
    """Nor is it one for choosing another."""
    secret = (await bench.add("li", "nurse")).secret
    with pytest.raises(SignInRefusedError):
        await make_token(bench, secret, "")
    secret = await without_password(bench, "zhao")
    with pytest.raises(SignInRefusedError):
        await bench.accounts.change_password(secret, "", "another long sentence", HERE)
