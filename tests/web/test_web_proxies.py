"""Behind a proxy: who is believed about an address and about TLS, and who is let in at all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import structlog
from prometheus_client import CollectorRegistry

from collector.accounts.rates import RATES, Rate, Rates
from collector.web.proxies import ADDRESS_CHARS_MAX
from collector.web.server import WebServer, server_config
from tests.web.conftest import School
from tests.web.signing_parts import proxies, with_accounts

FORGED = {"X-Forwarded-For": "10.0.0.1", "X-Forwarded-Proto": "https"}


@asynccontextmanager
async def served(school: School) -> AsyncIterator[httpx.AsyncClient]:
    """Through the real server, which sees where a connection comes from."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = WebServer(server_config(school.app), school.parts)
    serving = asyncio.create_task(server.serve([listening]), name="server")
    await server.answering.wait()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        yield client
    server.should_exit = True
    await serving


async def test_nobody_passes_by_the_proxy(school: School) -> None:
    """Who reaches the port itself may write any address, and with accounts switched off do anything."""
    registry = CollectorRegistry()
    school.change(proxies=proxies("10.1.0.0/16", "::1", registry=registry))
    with structlog.testing.capture_logs() as logs:
        async with served(school) as client:
            for headers in ({}, FORGED, {"X-Forwarded-For": "10.1.0.7"}):
                for path in ("/", "/api/v1/alerts", "/healthz"):
                    answer = await client.get(path, headers=headers)
                    assert answer.status_code == 403
                    assert answer.headers["content-type"] == "application/problem+json"
                    assert "strict-transport-security" not in answer.headers
    assert registry.get_sample_value("campus_web_past_proxy_total") == 9
    warnings = [one for one in logs if one["log_level"] == "warning" and "proxy" in one["event"]]
    assert [one["address"] for one in warnings] == ["127.0.0.1"]


@pytest.mark.parametrize("behind_proxy", [False, True])
async def test_without_a_proxy_nobody_says_from_where_they_come(
    school: School, *, behind_proxy: bool
) -> None:
    """Through the real server, which believes X-Forwarded-For of this machine unless it is told not to."""
    few = {**RATES, "stranger": Rate(1, 60)}
    with_accounts(school, Rates(lambda: 0.0, few), proxies=proxies("127.0.0.1") if behind_proxy else None)
    async with served(school) as client:
        answers = [
            await client.get("/api/v1/series", headers={"X-Forwarded-For": one, "X-Forwarded-Proto": "https"})
            for one in ("10.0.0.1", "10.0.0.2")
        ]
    assert [one.status_code for one in answers] == [401, 401 if behind_proxy else 429]
    assert ("strict-transport-security" in answers[0].headers) == behind_proxy


@pytest.mark.parametrize("trusted", [("127.0.0.1", "::1"), ("127.0.0.0/8",)])
async def test_the_proxy_is_believed(school: School, trusted: tuple[str, ...]) -> None:
    few = {**RATES, "stranger": Rate(1, 60)}
    with_accounts(school, Rates(lambda: 0.0, few), proxies=proxies(*trusted))
    async with served(school) as client:
        statuses = [
            (await client.get("/api/v1/series", headers={"X-Forwarded-For": one})).status_code
            for one in ("10.0.0.1", "10.0.0.2", "10.9.9.9, 10.0.0.1")
        ]
        over_tls = await client.get("/sign-in", headers=FORGED)
        in_clear = await client.get("/sign-in", headers={**FORGED, "X-Forwarded-Proto": "https, http"})
    assert statuses == [401, 401, 429]
    assert "strict-transport-security" in over_tls.headers
    assert "strict-transport-security" not in in_clear.headers


@pytest.mark.parametrize(
    ("client", "is_one"),
    [
        (("127.0.0.1", 1), True),
        (("::ffff:127.0.0.1", 1), True),  # of a socket that listens for both
        (("fe80::1%eth0", 1), True),
        (("127.0.0.2", 1), False),
        (("", 1), False),
        (("proxy", 1), False),
        (None, False),
    ],
)
def test_who_is_a_proxy(client: tuple[str, int] | None, *, is_one: bool) -> None:
    scope: dict[str, object] = {"type": "http", "headers": [], "client": client, "scheme": "http"}
    told = proxies("127.0.0.1", "fe80::/64").forwarded(scope)
    assert (told is not None) == is_one
    if told is not None:
        assert (told["client"], told["scheme"]) == (client, "http"), "a proxy that says nothing"


def test_only_the_last_is_the_proxys_own_word() -> None:
    """Whatever stands before it a caller may have written."""
    headers = [
        (b"x-forwarded-for", b"10.9.9.9"),
        (b"x-forwarded-for", b"10.8.8.8, 10.0.0.2"),
        (b"x-forwarded-proto", b"https"),
        (b"x-forwarded-proto", b"http"),
    ]
    told = proxies("127.0.0.1").forwarded(
        {"type": "http", "headers": headers, "client": ("127.0.0.1", 1), "scheme": "https"}
    )
    assert told is not None
    assert (told["client"][0], told["scheme"]) == ("10.0.0.2", "http")


def test_an_address_is_no_longer_than_addresses_are() -> None:
    told = proxies("127.0.0.1").forwarded(
        {
            "type": "http",
            "headers": [(b"x-forwarded-for", b"1" * 5_000)],
            "client": ("127.0.0.1", 1),
            "scheme": "http",
        }
    )
    assert told is not None
    assert told["client"][0] == "1" * ADDRESS_CHARS_MAX
