"""API tokens: what they may, and how they end."""

from __future__ import annotations

from typing import Any

import pytest

from collector.accounts.errors import ChangeRefusedError, NoSuchAccountError
from collector.accounts.model import Account
from collector.accounts.permissions import ROLE_PERMISSIONS, Permission
from collector.accounts.principal import Principal
from collector.accounts.tokens import TOKENS_MAX
from tests.accounts.accounts_bench import BETTER, GOOD, HERE, Bench
from tests.collector.record_databases import on_both

DAY = 24 * 60


async def account(bench: Bench, username: str = "li", role: Any = "nurse") -> Account:
    await bench.add(username, role, schools=("example-primary",))
    found = await bench.accounts.staff.find(username)
    assert found is not None
    return found


async def principal(bench: Bench, secret: str) -> Principal | None:
    return await bench.accounts.tokens.principal(secret)


@on_both
async def test_a_token_may_what_it_is_given(bench: Bench) -> None:
    owner = await account(bench)
    tokens = bench.accounts.tokens
    made = await tokens.make(owner.id, " 导出脚本 ", ["alerts.health", "series.read"], 30, "li")
    assert made.secret.startswith("cp_")
    assert made.secret not in repr(made)
    who = await principal(bench, made.secret)
    assert who is not None
    assert (who.name, who.role, who.way, who.session) == ("li", "nurse", "token", "")
    assert who.permissions == {"alerts.health", "series.read"}
    assert who.schools == frozenset({"example-primary"})
    (listed,) = await tokens.of(owner.id)
    assert (listed.name, listed.used_ms, listed.revoked_ms) == ("导出脚本", bench.now_ms, None)
    for other in (
        "",
        "cp_",
        "cp_" + "A" * 43,
        made.secret[:-1],
        made.secret + "A",
        made.secret.lower(),
        "cp_é",
    ):
        assert await principal(bench, other) is None


async def test_it_never_may_more_than_its_owner(bench: Bench) -> None:
    owner = await account(bench)
    made = await bench.accounts.tokens.make(owner.id, "s", ["alerts.health", "series.read"], 30, "li")
    await bench.accounts.staff.change(
        "li", "wang", display_name="示例", role="canteen", schools=("other",), classes=None
    )
    who = await principal(bench, made.secret)
    assert who is not None
    assert who.role == "canteen"
    assert who.permissions == {"series.read"}
    assert who.schools == frozenset({"other"})


async def test_it_ends_by_its_date_or_by_hand(bench: Bench) -> None:
    owner, other = await account(bench), await account(bench, "zhao", "facilities")
    tokens = bench.accounts.tokens
    short, long = [await tokens.make(owner.id, "s", ["series.read"], days, "li") for days in (1, 400)]
    bench.go_on(DAY - 1)
    assert await principal(bench, short.secret)
    bench.go_on(1)
    assert await principal(bench, short.secret) is None
    with pytest.raises(NoSuchAccountError):
        await tokens.revoke(other.id, long.token.id, "zhao")
    assert await principal(bench, long.secret)
    await tokens.revoke(owner.id, long.token.id, "li")
    assert await principal(bench, long.secret) is None
    assert [one.revoked_ms is not None for one in await tokens.of(owner.id)] == [True, False]
    assert await tokens.of(other.id) == []
    bench.go_on(181 * DAY)
    await tokens.make(owner.id, "s", ["series.read"], 1, "li")
    assert len(await tokens.of(owner.id)) == 1, "what is over long ago is forgotten"


@on_both
async def test_an_administrator_who_resets_or_disables_ends_the_tokens(bench: Bench) -> None:
    owner, other = await account(bench), await account(bench, "zhao", "facilities")
    tokens, staff = bench.accounts.tokens, bench.accounts.staff
    kept = await tokens.make(other.id, "s", ["series.read"], 30, "zhao")
    first, second = [await tokens.make(owner.id, "s", ["series.read"], 30, "li") for _ in range(2)]
    await staff.reset_password("li", "wang")
    assert [await principal(bench, one.secret) for one in (first, second)] == [None, None]
    third = await tokens.make(owner.id, "s", ["series.read"], 30, "li")
    await staff.disable("li", "wang")
    await staff.enable("li", "wang")
    assert await principal(bench, third.secret) is None, "it does not come back with its owner"
    assert await principal(bench, kept.secret)
    rows = [one for one in await bench.accounts.trail.find() if one.action == "token_revoked"]
    assert [(one.actor, one.subject, one.detail) for one in reversed(rows)] == [
        ("wang", "li", f"{first.token.id}, {second.token.id}"),
        ("wang", "li", str(third.token.id)),
    ]
    await staff.disable("li", "wang")
    assert (await bench.actions()).count("token_revoked") == 2, "no row where there was none"


async def test_what_has_ended_by_itself_is_not_revoked(bench: Bench) -> None:
    owner = await account(bench)
    await bench.accounts.tokens.make(owner.id, "s", ["series.read"], 1, "li")
    bench.go_on(2 * DAY)
    await bench.accounts.staff.reset_password("li", "wang")
    assert "token_revoked" not in await bench.actions()


async def test_the_own_new_password_leaves_the_tokens(bench: Bench) -> None:
    """Programs use them, and their owner sees each."""
    secret = (await bench.add()).secret
    owner = await bench.accounts.staff.find("li")
    assert owner is not None
    made = await bench.accounts.tokens.make(owner.id, "s", ["series.read"], 30, "li")
    await bench.accounts.change_password(secret, GOOD, BETTER, HERE)
    assert await principal(bench, made.secret)


@pytest.mark.parametrize(
    ("name", "scopes", "days", "words"),
    [
        ("", ["series.read"], 1, "name has 1 to 64"),
        ("a\nb", ["series.read"], 1, "name has 1 to 64"),
        ("s", [], 1, "scopes of this account's tokens: series.read"),
        ("s", ["audit.read"], 1, "scopes of this account's tokens"),
        ("s", ["names.ask"], 1, "scopes of this account's tokens"),
        ("s", ["all"], 1, "scopes of this account's tokens"),
        ("s", ["series.read"], 0, "1 to 400 days"),
        ("s", ["series.read"], 401, "1 to 400 days"),
    ],
)
async def test_what_cannot_be_a_token_is_refused(
    bench: Bench, name: str, scopes: list[Permission], days: int, words: str
) -> None:
    owner = await account(bench)
    with pytest.raises(ChangeRefusedError, match=words):
        await bench.accounts.tokens.make(owner.id, name, scopes, days, "li")
    assert await bench.accounts.tokens.of(owner.id) == []


async def test_no_token_makes_accounts_and_none_is_made_for_nobody(bench: Bench) -> None:
    owner = await account(bench, "wang", "admin")
    assert "accounts.manage" in ROLE_PERMISSIONS["admin"]
    with pytest.raises(ChangeRefusedError, match="scopes"):
        await bench.accounts.tokens.make(owner.id, "s", ["accounts.manage"], 1, "wang")
    with pytest.raises(NoSuchAccountError):
        await bench.accounts.tokens.make(owner.id + 1, "s", ["series.read"], 1, "wang")


async def test_an_account_has_some_tokens_and_not_any_number(bench: Bench) -> None:
    owner = await account(bench)
    for _ in range(TOKENS_MAX):
        made = await bench.accounts.tokens.make(owner.id, "s", ["series.read"], 1, "li")
    with pytest.raises(ChangeRefusedError, match="revoke one first"):
        await bench.accounts.tokens.make(owner.id, "s", ["series.read"], 1, "li")
    await bench.accounts.tokens.revoke(owner.id, made.token.id, "li")
    await bench.accounts.tokens.make(owner.id, "s", ["series.read"], 1, "li")
