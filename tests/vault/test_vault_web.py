"""At the vault's door: who may ask by which name and from which page, and what every answer carries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.types import Message

from identity_vault.web import boundary
from telemetry import exchange
from telemetry.names import BREAK_GLASS_PATH, RESOLVE_PATH
from tests.vault.names_parts import REASON, pseudonym
from tests.vault.web_parts import PAGE, PATHS, Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return Site(tmp_path_factory.mktemp("site"))


@pytest.fixture
async def client(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with site.client() as made:
        yield made


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_is_safe_to_show(client: httpx.AsyncClient, path: str) -> None:
    for method in ("GET", "POST", "DELETE"):
        headers = (await client.request(method, path)).headers
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-credentials" not in headers


async def test_a_page_of_the_collector_gets_names(site: Site, client: httpx.AsyncClient) -> None:
    answer = await client.post(RESOLVE_PATH, json=site.question, headers=site.bearer() | {"Origin": PAGE})
    assert answer.status_code == 200
    assert answer.json()["people"][site.pseudonym]["name"] == "示例生1"
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["vary"] == "Origin"
    # A refusal must be readable for the page too: it says what to do.
    refused = await client.post(RESOLVE_PATH, headers={"Origin": PAGE})
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == PAGE
    assert refused.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "", PAGE + "/", PAGE.upper(), PAGE + ":443", PAGE + ".evil.example",
     "http://pulse.example.edu.cn", f"{PAGE}, {PAGE}", "*", "https://["],
)  # fmt: skip
@pytest.mark.parametrize("path", [RESOLVE_PATH, BREAK_GLASS_PATH])
async def test_no_other_page_may_ask(site: Site, client: httpx.AsyncClient, path: str, origin: str) -> None:
    for method in ("POST", "OPTIONS"):
        headers = site.bearer() | {"Origin": origin, "Access-Control-Request-Method": "POST"}
        answer = await client.request(method, path, json=site.question, headers=headers)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers
        assert "示例" not in answer.text


async def test_two_origins_in_one_request_are_none(site: Site, client: httpx.AsyncClient) -> None:
    headers = [*site.bearer().items(), ("Origin", PAGE), ("Origin", "https://evil.example")]
    answer = await client.post(RESOLVE_PATH, json=site.question, headers=headers)
    assert answer.headers.get("access-control-allow-origin") in {None, PAGE}


@pytest.mark.parametrize("path", [exchange.PATH, "/healthz", "/metrics", "/nothing"])
async def test_no_page_may_ask_what_is_for_programs(client: httpx.AsyncClient, path: str) -> None:
    for headers in ({"Origin": PAGE}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}):
        for method in ("GET", "POST", "OPTIONS"):
            answer = await client.request(method, path, headers=headers)
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers


def preflight(**changes: str) -> dict[str, str]:
    headers = {
        "Origin": PAGE,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    return headers | {name.replace("_", "-"): value for name, value in changes.items()}


async def test_a_preflight_is_answered_exactly(client: httpx.AsyncClient) -> None:
    answer = await client.options(RESOLVE_PATH, headers=preflight())
    assert answer.status_code == 204
    found = {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}
    assert found == {
        "access-control-allow-origin": PAGE,
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "authorization, content-type",
        "access-control-max-age": "600",
        "access-control-expose-headers": "Retry-After",
    }
    asked = preflight(Access_Control_Request_Private_Network="true")
    private = await client.options(RESOLVE_PATH, headers=asked)
    assert private.headers["access-control-allow-private-network"] == "true"
    elsewhere = await client.options(RESOLVE_PATH, headers=asked | {"Origin": "https://evil.example"})
    assert "access-control-allow-private-network" not in elsewhere.headers


@pytest.mark.parametrize(
    "headers",
    [
        preflight(Access_Control_Request_Method="GET"),
        preflight(Access_Control_Request_Method="post"),
        preflight(Access_Control_Request_Headers="authorization, x-other"),
        preflight(Access_Control_Request_Headers="*"),
        {"Access-Control-Request-Method": "POST"},
        {"Origin": PAGE},
    ],
)
async def test_another_preflight_is_refused(client: httpx.AsyncClient, headers: dict[str, str]) -> None:
    answer = await client.options(RESOLVE_PATH, headers=headers)
    assert answer.status_code == 403
    assert "access-control-allow-methods" not in answer.headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8430", 401), ("127.0.0.1", 401), ("[::1]:8430", 401), ("Vault.Example.edu.cn.", 401),
        ("evil.example", 421), ("vault.example.edu.cn.evil.example", 421), ("", 421), ("[", 421), ("a@b:c", 421),
    ],
)  # fmt: skip
async def test_by_which_name_it_may_be_called(client: httpx.AsyncClient, host: str, status: int) -> None:
    answer = await client.post(RESOLVE_PATH, headers={"Host": host})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


async def test_guardians_forms_come_from_their_own_page(client: httpx.AsyncClient) -> None:
    for headers, status in (
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": PAGE}, 403),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, 400),
    ):
        assert (await client.post("/g/open", headers=headers)).status_code == status
    # A link out of a messenger may be followed.
    opened = await client.get("/g/open/ABC", headers={"Sec-Fetch-Site": "cross-site"})
    assert opened.status_code == 200


@pytest.mark.parametrize(
    ("path", "bytes_max"),
    [
        (RESOLVE_PATH, boundary.BODY_BYTES_MAX), (BREAK_GLASS_PATH, boundary.BODY_BYTES_MAX),
        ("/g/open", boundary.BODY_BYTES_MAX), (exchange.PATH, boundary.EXCHANGE_BYTES_MAX),
    ],
)  # fmt: skip
async def test_bodies_are_bounded(site: Site, client: httpx.AsyncClient, path: str, bytes_max: int) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(bytes_max // 8192 + 1):
            yield b"x" * 8192

    form = {"Content-Type": "application/x-www-form-urlencoded"}
    declared = site.bearer() | form | {"Content-Length": str(bytes_max + 1)}
    assert (await client.post(path, content=b"x", headers=declared)).status_code == 413
    long_ago = site.bearer() | form | {"Content-Length": "9" * 5_000}
    assert (await client.post(path, content=b"x", headers=long_ago)).status_code == 413
    sent = (await client.post(path, content=chunks(), headers=site.bearer() | form)).status_code
    assert sent in {400, 413}  # a guardian's form has a smaller bound of its own
    full = await client.post(path, content=b"x" * bytes_max, headers=site.bearer() | form)
    assert full.status_code in {400, 422}


async def test_a_body_that_never_comes_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boundary, "BODY_WAIT_S", 0.01)
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"authorization", site.bearer()["Authorization"].encode())]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": RESOLVE_PATH, "raw_path": b"", "query_string": b"", "headers": headers,
    }  # fmt: skip
    await site.app(scope, receive, send)
    assert sent[0]["status"] == 408


async def test_errors_repeat_nothing_of_what_was_asked(site: Site, client: httpx.AsyncClient) -> None:
    secret = "13800000000"
    for answer in (
        await client.get(f"/{secret}"),
        await client.get(f"/g/open/{secret}{'!' * 10}"),
        await client.post(f"/v1/{secret}"),
        await client.post(RESOLVE_PATH, content=secret, headers=site.bearer()),
        await client.post(RESOLVE_PATH, headers={"Authorization": f"Bearer {secret}"}),
        await client.post(exchange.PATH, content=secret),
        await client.put(f"{RESOLVE_PATH}?{secret}"),
    ):
        assert answer.status_code in {400, 401, 404, 405, 422}
        assert secret not in answer.text
        if not answer.headers["content-type"].startswith("text/html"):
            assert answer.headers["content-type"] == "application/problem+json"
            assert set(answer.json()) == {"type", "title", "status", "detail"}
            assert answer.json()["status"] == answer.status_code


async def test_nothing_describes_the_application(client: httpx.AsyncClient) -> None:
    for path in ("/openapi.json", "/docs", "/redoc", "/docs/oauth2-redirect"):
        assert (await client.get(path)).status_code == 404


async def test_what_watches_it_learns_of_nobody(site: Site, client: httpx.AsyncClient) -> None:
    await client.post(RESOLVE_PATH, json=site.question, headers=site.bearer())
    await client.post(BREAK_GLASS_PATH, headers=site.bearer(), content=b"{}")
    health = await client.get("/healthz")
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    text = (await client.get("/metrics")).text
    assert 'campus_vault_answers_total{endpoint="resolve",outcome="ok"}' in text
    assert 'campus_vault_answers_total{endpoint="break_glass",outcome="wrong_question"}' in text
    assert not any(one in text for one in (site.pseudonym, site.pupil, "nurse", "示例", "session"))


async def test_break_glass_over_http(site: Site, client: httpx.AsyncClient) -> None:
    safety = pseudonym(site.vault, "safety", site.pupil)
    headers = site.bearer("facilities") | {"Origin": PAGE}
    refused = await client.post(RESOLVE_PATH, json={"pseudonyms": [safety]}, headers=headers)
    assert refused.status_code == 403
    wish = {"purpose": "safety", "reason": REASON, "minutes": 10}
    granted = await client.post(BREAK_GLASS_PATH, json=wish, headers=headers)
    assert granted.status_code == 200
    assert granted.json()["expires_ms"] == site.vault.now_ms() + 600_000
    answer = await client.post(RESOLVE_PATH, json={"pseudonyms": [safety]}, headers=headers)
    assert answer.json()["people"][safety]["name"] == "示例生1"
