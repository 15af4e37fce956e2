"""Who may ask, by which name, and what every answer carries."""

from __future__ import annotations

import httpx
import pytest

from collector.web.app import create_app
from collector.web.boundary import host_name
from tests.web.conftest import School
from tests.web.signing_parts import proxies

PATHS = ("/", "/parts/alerts", "/api/v1/alerts", "/static/page.js", "/healthz", "/nothing")


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_carries_the_security_headers(client: httpx.AsyncClient, path: str) -> None:
    headers = (await client.get(path)).headers
    policy = headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == ("no-cache" if path.startswith("/static") else "no-store")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "localhost."])
async def test_loopback_names_may_ask(client: httpx.AsyncClient, host: str) -> None:
    assert (await client.get("/healthz", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[", "a@b:c"]
)
async def test_another_name_is_refused(client: httpx.AsyncClient, host: str) -> None:
    answer = await client.get("/api/v1/alerts", headers={"Host": host})
    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"


async def test_configured_names_and_a_proxy_widen_that(school: School) -> None:
    object.__setattr__(school.parts, "host_names", frozenset({"Campus.example"}))
    named = httpx.ASGITransport(app=create_app(school.parts))
    object.__setattr__(school.parts, "proxies", proxies("127.0.0.1"))
    proxied = httpx.ASGITransport(app=create_app(school.parts))
    for transport, host, status in (
        (named, "campus.example", 200),
        (named, "other.example", 421),
        (proxied, "other.example", 200),
    ):
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
            assert (await client.get("/healthz")).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Origin": "http://localhost"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://["}, 403),
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/alerts/{}/acknowledge", "/alerts/{}/acknowledge"])
async def test_only_the_own_page_may_change_something(
    school: School, client: httpx.AsyncClient, headers: dict[str, str], status: int, path: str
) -> None:
    alert = await school.add_alert()
    answer = await client.post(path.format(alert), headers=headers)
    assert answer.status_code in ({status} if status == 403 else {200, 303})
    assert await school.records.count_open_alerts() == (status == 403)


def test_host_name() -> None:
    assert host_name("[::1]:80") == "::1"
    assert host_name("Campus.Example:443") == "campus.example"
