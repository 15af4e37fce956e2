"""Signing in: passwords, steps, sessions, and how they end."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from argon2 import PasswordHasher

from collector.accounts import lifetimes
from collector.accounts.errors import (
    AccountsBusyError,
    NotRecentError,
    PasswordRefusedError,
    SessionEndedError,
    SignInRefusedError,
    TooManyError,
)
from collector.accounts.model import NewAccount, SignedIn, TotpOffer
from collector.accounts.passwords import AT_ONCE, HASHER, WAITING_MAX, Checked, Passwords, check_new
from collector.accounts.permissions import Permission
from collector.accounts.rates import Rates
from collector.records import accounts as account_rows
from tests.accounts.accounts_bench import BETTER, CHEAP, GOOD, HERE, Bench
from tests.collector.record_databases import RecordsDatabase, on_both

FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
"""As a Chinese input method writes letters when it is left on full width."""


@on_both
async def test_somebody_new_chooses_a_password_and_is_signed_in(bench: Bench) -> None:
    accounts = bench.accounts
    assert await accounts.is_empty()
    signed_in = await bench.add("li", "nurse", schools=("example-primary",), classes=None)
    assert signed_in.step == "full"
    assert not await accounts.is_empty()
    session = await accounts.session(signed_in.secret)
    assert session is not None
    principal = session.principal
    assert (principal.name, principal.role, principal.way) == ("li", "nurse", "session")
    assert principal.schools == frozenset({"example-primary"})
    assert principal.may("alerts.health")
    assert not principal.may("accounts.manage")
    assert len(principal.session) == 22
    assert await bench.actions() == ["account_added", "sign_in", "password_changed"]
    again = await accounts.sign_in(" LI ", GOOD, HERE)
    assert again.step == "full"
    assert again.secret != signed_in.secret


async def test_before_the_last_step_nobody_may_anything(bench: Bench) -> None:
    first = await bench.accounts.staff.add(NewAccount("li", "示例", "nurse"), "test")
    signed_in = await bench.accounts.sign_in("li", first, HERE)
    assert signed_in.step == "change"
    session = await bench.accounts.session(signed_in.secret)
    assert session is not None
    assert session.principal.permissions == frozenset()
    for refused in (
        bench.accounts.begin_totp(signed_in.secret),
        bench.accounts.finish_totp(signed_in.secret, "000000", "", HERE),
        bench.accounts.confirm_code(signed_in.secret, "000000", HERE),
        bench.accounts.remove_totp(signed_in.secret, first, HERE),
    ):
        with pytest.raises(SessionEndedError):
            await refused


WRONG = (
    ("li", "wrong password"), ("nobody", GOOD), ("", ""), ("li", "x" * 5_000), ("\0", "\ud800"), ("off", GOOD),
)  # fmt: skip


@on_both
async def test_whoever_is_wrong_is_told_the_same(bench: Bench) -> None:
    await bench.add()
    await bench.add("off")
    await bench.accounts.staff.disable("off", "test")
    for username, password in WRONG:
        with pytest.raises(SignInRefusedError) as caught:
            await bench.accounts.sign_in(username, password, HERE)
        assert str(caught.value) == str(SignInRefusedError())


async def test_nobody_costs_as_much_as_somebody(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    await bench.add()
    checked: list[str] = []
    verify = PasswordHasher.verify

    def count(self: PasswordHasher, stored: str, password: str | bytes) -> bool:
        checked.append(stored)
        return verify(self, stored, password)

    monkeypatch.setattr(PasswordHasher, "verify", count)
    for username in ("li", "nobody"):
        with pytest.raises(SignInRefusedError):
            await bench.accounts.sign_in(username, "wrong password", HERE)
    assert len(checked) == 2
    parameters = [one.rsplit("$", 2)[0] for one in checked]
    assert parameters[0] == parameters[1]


def test_the_parameters_are_those_of_the_page_on_accounts() -> None:
    assert (HASHER.time_cost, HASHER.memory_cost, HASHER.parallelism) == (3, 65_536, 4)
    stored = HASHER.hash("x")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert len(stored) < 200


async def test_older_parameters_are_replaced_when_somebody_signs_in(bench: Bench) -> None:
    await bench.add()
    bench.accounts._passwords = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    await bench.accounts.sign_in("li", GOOD, HERE)
    (row,) = await bench.records.look(account_rows.find_all)
    assert "$m=16,t=2,p=1$" in (row.password or "")
    await bench.accounts.sign_in("li", GOOD, HERE)


async def test_too_many_at_once_are_sent_away() -> None:
    passwords = Passwords(CHEAP)
    results = await asyncio.gather(
        *(passwords.hash("x") for _ in range(WAITING_MAX + 3)), return_exceptions=True
    )
    assert sum(isinstance(one, AccountsBusyError) for one in results) == 3
    assert AT_ONCE < WAITING_MAX
    await passwords.hash("x")


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "at least 10"),
        ("x" * 201, "more than 200"),
        ("my name is Li.Ming!", "contains the username"),
        ("Password123", "many people"),
        ("1234567890", "many people"),
        ("aaaaaaaaaaaa", "many people"),
        ("Shanghai2026!", "many people"),
        ("Password123".translate(FULL_WIDTH), "many people"),
        ("Li.Ming is here".translate(FULL_WIDTH), "contains the username"),
    ],
)
def test_bad_passwords_are_refused_with_the_reason(password: str, why: str) -> None:
    with pytest.raises(PasswordRefusedError, match=why) as caught:
        check_new(password, "li.ming")
    assert password not in str(caught.value) + caught.value.zh


@pytest.mark.parametrize("password", [GOOD, BETTER, "春眠不觉晓处处闻啼鸟", "correct-horse-battery"])
def test_a_sentence_is_a_password(password: str) -> None:
    check_new(password, "li")


async def test_a_changed_password_ends_the_other_sessions(bench: Bench) -> None:
    first = await bench.add()
    second = await bench.accounts.sign_in("li", GOOD, HERE)
    with pytest.raises(SignInRefusedError):
        await bench.accounts.change_password(second.secret, "wrong password", BETTER, HERE)
    with pytest.raises(PasswordRefusedError, match="the password you have"):
        await bench.accounts.change_password(second.secret, GOOD, GOOD, HERE)
    renewed = await bench.accounts.change_password(second.secret, GOOD, BETTER, HERE)
    assert [await bench.accounts.session(one.secret) is None for one in (first, second, renewed)] == [
        True, True, False,
    ]  # fmt: skip
    with pytest.raises(SignInRefusedError):
        await bench.accounts.sign_in("li", GOOD, HERE)
    await bench.accounts.sign_in("li", BETTER, HERE)


async def test_a_password_that_was_changed_while_the_old_one_was_checked_is_the_old_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = (await bench.add()).secret
    check = Passwords.check

    async def check_slowly(passwords: Passwords, stored: str | None, password: str) -> Checked:
        monkeypatch.undo()
        checked = await check(passwords, stored, password)
        await bench.accounts.change_password(secret, GOOD, BETTER, HERE)
        return checked

    monkeypatch.setattr(Passwords, "check", check_slowly)
    with pytest.raises(SignInRefusedError):
        await bench.accounts.sign_in("li", GOOD, HERE)


async def test_sessions_end_when_they_are_not_used_and_after_a_day(bench: Bench) -> None:
    nurse = await bench.add()
    admin, _ = await bench.add_with_totp()
    bench.go_on(29)
    assert await bench.accounts.session(admin)
    bench.go_on(31)
    assert await bench.accounts.session(admin) is None
    for _ in range(2):
        bench.go_on(5 * 60)
        assert await bench.accounts.session(nurse.secret)
    bench.go_on(60)
    assert await bench.accounts.session(nurse.secret) is None, "12 hours"
    nurse = await bench.accounts.sign_in("li", GOOD, HERE)
    bench.go_on(8 * 60)
    assert await bench.accounts.session(nurse.secret) is None, "8 hours without a word"


async def test_a_signing_in_that_nobody_finishes_ends(bench: Bench) -> None:
    await bench.add_with_totp("wang")
    begun = await bench.accounts.sign_in("wang", GOOD, HERE)
    assert begun.step == "password"
    bench.go_on(10)
    assert await bench.accounts.session(begun.secret) is None


async def test_that_somebody_was_seen_is_written_once_a_minute(bench: Bench) -> None:
    secret = (await bench.add()).secret
    writes = 0
    run = bench.records.run

    async def count(work: object) -> object:
        nonlocal writes
        writes += 1
        return await run(work)  # type: ignore[arg-type]

    bench.records.run = count  # type: ignore[method-assign,assignment]
    for _ in range(30):
        bench.go_on(0.1)
        assert await bench.accounts.session(secret)
    assert writes == 3


async def test_signing_out_here_and_everywhere(bench: Bench) -> None:
    first = (await bench.add()).secret
    second = (await bench.accounts.sign_in("li", GOOD, HERE)).secret
    third = (await bench.accounts.sign_in("li", GOOD, HERE)).secret
    await bench.accounts.sign_out(first)
    await bench.accounts.sign_out(first)
    await bench.accounts.sign_out("nothing")
    assert await bench.accounts.session(first) is None
    assert await bench.accounts.session(second)
    await bench.accounts.sign_out_all(second)
    assert [await bench.accounts.session(one) for one in (second, third)] == [None, None]
    assert (await bench.actions())[-2:] == ["sign_out", "sign_out_all"]


async def test_the_oldest_of_many_sessions_ends(bench: Bench) -> None:
    secrets = [(await bench.add()).secret]
    for _ in range(lifetimes.SESSIONS_MAX):
        bench.go_on(0.01)
        secrets.append((await bench.accounts.sign_in("li", GOOD, HERE)).secret)
    alive = [await bench.accounts.session(one) is not None for one in secrets]
    assert alive == [False] + [True] * lifetimes.SESSIONS_MAX


@on_both
async def test_a_copy_of_the_database_lets_nobody_in(database: RecordsDatabase) -> None:
    records = database.open()
    bench = Bench(records)
    secret, app = await bench.add_with_totp()
    account = await bench.accounts.staff.find("wang")
    assert account is not None
    token = await bench.accounts.tokens.make(account.id, "script", ["series.read"], 30, "wang")
    names = ("accounts", "sessions", "api_tokens", "recovery_codes", "account_audit")
    everything = repr([database.rows(f"SELECT * FROM {name}") for name in names])
    for clear in (secret, token.secret, token.secret[3:], GOOD, app.secret, app.byte_secret().hex()):
        assert clear not in everything
    assert repr(app.byte_secret())[2:-1] not in everything
    await records.close()


async def test_the_eleventh_attempt_of_a_minute_waits(database: RecordsDatabase) -> None:
    records = database.open()
    now_s = 1_000.0
    bench = Bench(records, Rates(lambda: now_s))
    for _ in range(10):
        with pytest.raises(SignInRefusedError):
            await bench.accounts.sign_in("nobody", "wrong password", HERE)
    with pytest.raises(TooManyError) as caught:
        await bench.accounts.sign_in("nobody", "wrong password", HERE)
    assert 1 <= caught.value.retry_after_s <= 120
    with pytest.raises(SignInRefusedError):
        await bench.accounts.sign_in("nobody", "wrong password", "10.9.9.9")
    now_s += caught.value.retry_after_s
    with pytest.raises(SignInRefusedError):
        await bench.accounts.sign_in("nobody", "wrong password", HERE)
    await records.close()


async def test_who_is_linked_comes_in_by_the_sign_in_service(bench: Bench) -> None:
    issuer = "https://login.example.edu"
    with pytest.raises(SignInRefusedError):
        await bench.accounts.sign_in_external(issuer, "s-1", HERE)
    await bench.add_with_totp("wang")
    await bench.accounts.staff.link("wang", "test", issuer, "s-1", only=True)
    begun = await bench.accounts.sign_in_external(issuer, "s-1", HERE)
    assert begun.step == "external", "the second factor is asked for all the same"
    with pytest.raises(SignInRefusedError):
        await bench.accounts.sign_in("wang", GOOD, HERE)
    await bench.accounts.staff.reset_totp("wang", "test")
    assert (await bench.accounts.sign_in_external(issuer, "s-1", HERE)).step == "setup"


@on_both
async def test_by_the_sign_in_service_nobody_asks_for_the_one_time_password(bench: Bench) -> None:
    issuer, staff = "https://login.example.edu", bench.accounts.staff
    first = await staff.add(NewAccount("li", "示例", "nurse"), "test")
    await staff.link("li", "test", issuer, "s-1")
    inside = await bench.accounts.sign_in_external(issuer, "s-1", HERE)
    assert inside.step == "full"
    assert (await bench.accounts.sign_in("li", first, HERE)).step == "change", "the password lets nobody in"
    scopes: list[Permission] = ["series.read"]
    make = partial(bench.accounts.make_token, address=HERE, name="s", scopes=scopes, days=1)
    await make(inside.secret, "")
    bench.go_on(11)
    with pytest.raises(NotRecentError):
        await make(inside.secret, first)
    chosen = await bench.accounts.change_password(inside.secret, first, GOOD, HERE)
    assert chosen.step == "full"
    await make(chosen.secret, GOOD)


async def test_nor_after_the_second_factor(bench: Bench) -> None:
    issuer = "https://login.example.edu"
    _, app = await bench.add_with_totp("wang", "admin")
    await bench.accounts.staff.link("wang", "test", issuer, "s-1")
    first = await bench.accounts.staff.reset_password("wang", "test")
    bench.go_on(1)
    begun = await bench.accounts.sign_in_external(issuer, "s-1", HERE)
    assert begun.step == "external"
    assert "sign_in" not in (await bench.actions())[-1:]
    with pytest.raises(SessionEndedError):
        await bench.accounts.begin_totp(begun.secret)
    inside = await bench.accounts.confirm_code(begun.secret, bench.code(app), HERE)
    assert inside.step == "full"
    without = await bench.accounts.remove_totp(inside.secret, "", HERE)
    assert without.step == "setup"
    bench.go_on(1)
    begun = await bench.accounts.sign_in("wang", first, HERE)
    assert begun.step == "change", "with the one-time password it is asked for as before"


def test_no_secret_is_shown_by_accident() -> None:
    assert "hidden" not in repr(SignedIn("hidden", "full")) + repr(TotpOffer("hidden", "hidden"))
