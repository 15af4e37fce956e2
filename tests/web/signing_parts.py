"""A school's page with accounts, for somebody who signs in by hand."""

from __future__ import annotations

from typing import Any

import httpx
from prometheus_client import CollectorRegistry

from collector.accounts.model import NewAccount
from collector.accounts.rates import Rates
from collector.web.proxies import Proxies
from foundation.networks import parse_network
from tests.accounts.accounts_bench import GOOD, HERE, Bench
from tests.web.conftest import NOW_MS, School

SECRETS = "password", "code", "token"


def with_accounts(school: School, rates: Rates | None = None, **parts: Any) -> Bench:
    """Accounts in the school's own records; before it is served. Nobody has one yet."""
    bench = Bench(school.records, rates)
    bench.now_ms = school.parts.now_ms()
    school.change(accounts=bench.accounts, **parts)
    return bench


def proxies(*written: str, registry: CollectorRegistry | None = None) -> Proxies:
    """Those that may stand before the page."""
    return Proxies([parse_network(one) for one in written], registry or CollectorRegistry())


def browser(school: School, **headers: str) -> httpx.AsyncClient:
    """Keeps cookies and follows nothing by itself, as a test wants to see where it is led."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=school.app),
        base_url="http://localhost",
        headers={"Accept": "text/html", "Accept-Language": "zh-CN", **headers},
    )


async def sign_in(client: httpx.AsyncClient, username: str = "li", password: str = GOOD) -> httpx.Response:
    return await client.post("/sign-in", data={"username": username, "password": password})


async def enter(bench: Bench, client: httpx.AsyncClient, role: Any = "nurse", **more: Any) -> None:
    """Somebody of this role is signed in, with a second factor where the role needs it."""
    username = f"{role}-1".replace("_", "-")
    if role == "admin":
        secret, _ = await bench.add_with_totp(username, role)
    else:
        secret = (await bench.add(username, role, **more)).secret
    client.cookies.set("session", secret)


async def newcomer(bench: Bench, username: str = "li", role: Any = "nurse") -> str:
    """The first password of somebody whom an administrator has just added."""
    return await bench.accounts.staff.add(NewAccount(username, "示例老师", role), "test")


__all__ = ["GOOD", "HERE", "NOW_MS", "browser", "enter", "newcomer", "proxies", "sign_in", "with_accounts"]
