"""An administrator of some schools looks after their gateways, and nobody's account."""

from __future__ import annotations

import pytest

from collector.accounts.errors import ChangeRefusedError
from tests.accounts.accounts_bench import GOOD, HERE, Bench
from tests.web.conftest import SCHOOL, School, school
from tests.web.signing_parts import browser, with_accounts

__all__ = ["school"]

OTHER_SCHOOL = "example-middle"


@pytest.fixture
def bench(school: School) -> Bench:
    return with_accounts(school)


async def narrow(bench: Bench) -> str:
    """The session of an administrator who is given one school."""
    _, app = await bench.add_with_totp("wang")
    await bench.add_with_totp("zhao")
    await bench.accounts.staff.change(
        "wang", "zhao", display_name="示例", role="admin", schools=(SCHOOL,), classes=None
    )
    bench.go_on(1)
    begun = await bench.accounts.sign_in("wang", GOOD, HERE)
    return (await bench.accounts.confirm_code(begun.secret, bench.code(app), HERE)).secret


async def test_nobody_makes_themselves_the_nurse_of_another_school(school: School, bench: Bench) -> None:
    await bench.add("li", schools=(OTHER_SCHOOL,))
    async with browser(school) as client:
        client.cookies.set("session", await narrow(bench))
        assert (await client.get("/fleet")).status_code == 200
        for path in ("/accounts", "/accounts/li", "/audit"):
            assert (await client.get(path)).status_code == 403, path
        for path in ("/accounts/li/password", "/accounts/wang/change", "/accounts"):
            assert (await client.post(path, data={"username": "x"})).status_code == 403, path
        assert "/accounts" not in (await client.get("/")).text


async def test_somebody_stays_who_manages_accounts(bench: Bench) -> None:
    await narrow(bench)
    staff = bench.accounts.staff
    with pytest.raises(ChangeRefusedError, match="make another administrator first"):
        await staff.disable("zhao", "zhao")
    with pytest.raises(ChangeRefusedError, match="make another administrator first"):
        await staff.change("zhao", "zhao", display_name="示例", role="admin", schools=(SCHOOL,), classes=None)
    await staff.disable("wang", "zhao")


async def test_their_tokens_do_no_more(bench: Bench) -> None:
    await narrow(bench)
    wang = await bench.accounts.staff.find("wang")
    assert wang is not None
    with pytest.raises(ChangeRefusedError, match=r"gateways\.read"):
        await bench.accounts.tokens.make(wang.id, "s", ["audit.read"], 1, "wang")
