"""What administrators do with the accounts of others."""

from __future__ import annotations

from typing import Any

import pytest

from collector.accounts.errors import (
    AccountExistsError,
    ChangeRefusedError,
    NoSuchAccountError,
    PasswordRefusedError,
    SignInRefusedError,
)
from collector.accounts.model import NewAccount
from collector.classes import SchoolClass
from tests.accounts.accounts_bench import BETTER, GOOD, HERE, Bench
from tests.collector.record_databases import on_both

ISSUER = "https://login.example.edu"


@on_both
async def test_accounts_are_added_listed_and_found(bench: Bench) -> None:
    staff = bench.accounts.staff
    new = NewAccount("zhao.min@example", "赵示例", "class_teacher", ("b", "a", "b"), ("b/三（2）班", "a/3-1"))
    first = await staff.add(new, "command:root")
    assert len(first) == 23
    await staff.add(NewAccount("li", "李示例", "nurse"), "command:root", BETTER)
    zhao, li = sorted(await staff.all(), key=lambda one: one.display_name, reverse=True)
    assert (zhao.username, zhao.schools, zhao.classes) == (
        "zhao.min@example",
        ("a", "b"),
        (SchoolClass("a", "3-1"), SchoolClass("b", "三（2）班")),
    )
    assert (li.schools, li.classes, li.has_password, li.has_totp, li.must_change) == (
        None,
        None,
        True,
        False,
        True,
    )
    assert await staff.find("li") == li
    assert await staff.find("nobody") is None
    with pytest.raises(AccountExistsError):
        await staff.add(NewAccount("li", "another", "nurse"), "test")
    assert first not in repr(await bench.accounts.trail.find())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"username": "Li"}, "lower-case"),
        ({"username": ""}, "1 to 64"),
        ({"username": "a" * 65}, "1 to 64"),
        ({"username": "李"}, "lower-case"),
        ({"display_name": " "}, "1 to 120"),
        ({"display_name": "a\nb"}, "1 to 120"),
        ({"role": "root"}, "the roles are: admin, facilities"),
        ({"schools": ()}, "schools are 1 to 50"),
        ({"schools": ("示例小学",)}, "schools are 1 to 50"),
        ({"classes": ("",)}, "a class is written school/class"),
        ({"classes": ('"',)}, "a class is written school/class"),
        ({"classes": ("Example/3-2",)}, "a class is written school/class"),
        ({"classes": ("3-2",), "schools": ("a", "b")}, "a class is written school/class"),
        ({"classes": ("b/3-2",), "schools": ("a",)}, "a school that the account does not have"),
        ({"classes": tuple(map(str, range(51)))}, "classes are 1 to 50"),
    ],
)
async def test_what_is_no_account_is_refused(bench: Bench, changes: dict[str, Any], words: str) -> None:
    fields: dict[str, Any] = {"username": "li", "display_name": "示例", "role": "nurse"}
    with pytest.raises(ChangeRefusedError, match=words):
        await bench.accounts.staff.add(NewAccount(**fields | changes), "test")
    assert await bench.accounts.is_empty()


async def test_the_largest_account_there_is_fits(bench: Bench) -> None:
    schools, classes = (tuple(f"{n:02}".ljust(size, "x") for n in range(50)) for size in (63, 64))
    typed = tuple(f"{schools[0]}/{one}" for one in classes)
    await bench.accounts.staff.add(NewAccount("a" * 64, "示" * 120, "pe_teacher", schools, typed), "t")
    found = await bench.accounts.staff.find("a" * 64)
    assert found is not None
    assert (found.schools, found.classes) == (schools, tuple(SchoolClass(schools[0], one) for one in classes))


@pytest.mark.parametrize("password", ["short", "password123"])
async def test_a_bad_first_password_is_refused(bench: Bench, password: str) -> None:
    with pytest.raises(PasswordRefusedError):
        await bench.accounts.staff.add(NewAccount("li", "示例", "nurse"), "test", password)
    with pytest.raises(PasswordRefusedError):
        await bench.accounts.staff.reset_password("li", "test", password)


@pytest.mark.parametrize(
    ("changed", "ends"),
    [
        ({}, False),
        ({"display_name": "another"}, False),
        ({"role": "canteen"}, True),
        ({"schools": ("example-primary",)}, True),
        ({"classes": ("3-2",)}, True),
    ],
)
async def test_other_rights_end_the_sessions(bench: Bench, changed: dict[str, Any], ends: bool) -> None:  # noqa: FBT001
    secret = (await bench.add()).secret
    rights: dict[str, Any] = {"display_name": "示例", "role": "nurse", "schools": None, "classes": None}
    account = await bench.accounts.staff.change("li", "wang", **rights | changed)
    assert (account.role, account.display_name) == (
        changed.get("role", "nurse"), changed.get("display_name", "示例"),
    )  # fmt: skip
    assert (await bench.accounts.session(secret) is None) == ends


async def test_a_new_password_from_an_administrator_is_changed_first(bench: Bench) -> None:
    secret = (await bench.add()).secret
    made = await bench.accounts.staff.reset_password("li", "wang")
    assert await bench.accounts.session(secret) is None
    with pytest.raises(SignInRefusedError):
        await bench.accounts.sign_in("li", GOOD, HERE)
    assert (await bench.accounts.sign_in("li", made, HERE)).step == "change"


async def test_who_lost_their_phone_sets_another_up(bench: Bench) -> None:
    secret, _ = await bench.add_with_totp()
    await bench.accounts.staff.reset_totp("wang", "command:root")
    assert await bench.accounts.session(secret) is None
    assert (await bench.accounts.sign_in("wang", GOOD, HERE)).step == "setup"


@on_both
async def test_the_last_administrator_stays_one(bench: Bench) -> None:
    await bench.add("wang", "admin")
    staff = bench.accounts.staff
    rights: dict[str, Any] = {"display_name": "示例", "role": "nurse", "schools": None, "classes": None}
    with pytest.raises(ChangeRefusedError, match="make another administrator first"):
        await staff.disable("wang", "wang")
    with pytest.raises(ChangeRefusedError, match="make another administrator first"):
        await staff.change("wang", "wang", **rights)
    await bench.add("li", "admin")
    await staff.disable("li", "wang")
    with pytest.raises(ChangeRefusedError):
        await staff.disable("wang", "wang")
    await staff.enable("li", "wang")
    await staff.change("wang", "li", **rights)


async def test_one_person_of_the_sign_in_service_has_one_account(bench: Bench) -> None:
    staff = bench.accounts.staff
    await bench.add("li")
    await bench.add("zhao")
    await staff.link("li", "wang", ISSUER, "s-1")
    await staff.link("li", "wang", ISSUER, "s-1")
    with pytest.raises(AccountExistsError):
        await staff.link("zhao", "wang", ISSUER, "s-1")
    for issuer, subject in (("login.example", "s"), (ISSUER, "a b"), (ISSUER, ""), (ISSUER + " x", "s")):
        with pytest.raises(ChangeRefusedError):
            await staff.link("zhao", "wang", issuer, subject)
    await staff.unlink("li", "wang")
    await staff.link("zhao", "wang", ISSUER, "s-1", only=True)
    with pytest.raises(ChangeRefusedError, match="has no password"):
        await staff.unlink("zhao", "wang")
    found = await staff.find("zhao")
    assert found is not None
    assert (found.has_password, found.oidc_subject) == (False, f"{ISSUER} s-1")
    with pytest.raises(SignInRefusedError):
        await bench.accounts.sign_in("zhao", GOOD, HERE)


async def test_nobody_is_told_as_nobody(bench: Bench) -> None:
    staff = bench.accounts.staff
    for refused in (
        staff.disable("x", "t"), staff.enable("x", "t"), staff.unlock("x", "t"), staff.reset_totp("x", "t"),
        staff.reset_password("x", "t"), staff.link("x", "t", ISSUER, "s"), staff.unlink("x", "t"),
        staff.change("x", "t", display_name="n", role="nurse", schools=None, classes=None),
    ):  # fmt: skip
        with pytest.raises(NoSuchAccountError):
            await refused
    assert await bench.actions() == []


async def test_everything_that_was_done_stands_in_the_audit(bench: Bench) -> None:
    await bench.add("wang", "admin")
    await bench.add("li")
    staff = bench.accounts.staff
    before = len(await bench.actions())
    await staff.disable("li", "wang")
    await staff.enable("li", "wang")
    await staff.unlock("li", "wang")
    await staff.reset_totp("li", "wang")
    await staff.reset_password("li", "wang")
    await staff.link("li", "wang", ISSUER, "s")
    await staff.unlink("li", "wang")
    rows = list(reversed(await bench.accounts.trail.find()))[before:]
    assert [one.action for one in rows] == [
        "account_disabled", "account_enabled", "account_unlocked", "totp_reset", "password_reset", "oidc_linked",
        "oidc_unlinked",
    ]  # fmt: skip
    assert {(one.actor, one.subject) for one in rows} == {("wang", "li")}
