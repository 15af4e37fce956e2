"""Signing in at a sign-in service: what is believed, and all that is not."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse

from collector.accounts import oidc_wire
from collector.accounts.oidc import AT_ONCE, Identity, OidcSignIn
from collector.accounts.oidc_keys import KEYS_MAX, usable_keys
from collector.accounts.oidc_settings import OidcSection
from collector.accounts.oidc_state import LIFE_MS, Journey, Journeys
from collector.accounts.oidc_wire import ANSWER_BYTES_MAX, OidcRefusedError, OidcUnavailableError
from foundation.keyfiles import KeyFileError, write_secret
from tests.accounts.oidc_provider import CLIENT_ID, CLIENT_SECRET, SUBJECT, Provider, running_provider

PAGE = "https://pulse.campus.example"


class Clock:
    """The wall clock, which a test may move."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead_ms


@pytest.fixture(scope="module")
def service() -> Iterator[Provider]:
    with running_provider() as provider:
        yield provider


@pytest.fixture
def provider(service: Provider) -> Provider:
    service.reset()
    return service


def sign_in(
    provider: Provider, folder: Path, now_ms: Callable[[], int] | None = None, **section: Any
) -> OidcSignIn:
    secret = folder / "client.secret"
    if not secret.exists():
        write_secret(secret, CLIENT_SECRET.encode() + b"\n")
    said = {"issuer": provider.url, "client_id": CLIENT_ID, "client_secret_file": secret, "public_url": PAGE}
    return OidcSignIn(OidcSection.model_validate(said | section), now_ms or Clock().now_ms)


async def visit(url: str) -> dict[str, str]:
    """What the browser brings back from the sign-in service."""
    async with httpx.AsyncClient() as client:
        answer = await client.get(url)
    target = answer.headers["location"]
    assert target.startswith(f"{PAGE}/sign-in/oidc/back?")
    return dict(parse_qsl(urlsplit(target).query))


async def come_and_go(one: OidcSignIn) -> Identity:
    url, cookie = await one.begin("/account")
    return await one.finish(await visit(url), cookie)


async def test_who_signs_in_is_the_issuers_subject(provider: Provider, tmp_path: Path) -> None:
    one = sign_in(provider, tmp_path)
    assert provider.asked == []
    assert await come_and_go(one) == (provider.url, SUBJECT, None, "/account")
    # description and keys are kept
    await come_and_go(one)
    assert provider.asked.count("/.well-known/openid-configuration") == provider.asked.count("/keys") == 1


async def test_a_client_is_known_by_a_post_or_by_nothing_where_the_service_wants_that(
    provider: Provider, tmp_path: Path
) -> None:
    provider.description = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    assert (await come_and_go(sign_in(provider, tmp_path))).subject == SUBJECT
    public = sign_in(provider, tmp_path, client_secret_file=None)
    with pytest.raises(OidcRefusedError, match="status_401"):
        await come_and_go(public)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"nonce": "another"}, "claim_nonce"),
        ({"nonce": None}, "claim_nonce"),
        ({"aud": "another-client"}, "claim_aud"),
        ({"aud": ["another-client"]}, "claim_aud"),
        ({"aud": [CLIENT_ID, "another-client"]}, "claim_azp"),
        ({"azp": "another-client"}, "claim_azp"),
        ({"aud": None}, "claim_aud"),
        ({"iss": "https://other.example"}, "claim_iss"),
        ({"iss": None}, "claim_iss"),
        ({"exp": int(time.time()) - 120}, "expired"),
        ({"exp": None}, "claim_exp"),
        ({"exp": "later"}, "claim_exp"),
        ({"iat": int(time.time()) + 3_600}, "claim_iat"),
        ({"nbf": int(time.time()) + 3_600}, "claim_nbf"),
        ({"sub": None}, "claim_sub"),
        ({"sub": ""}, "subject"),
        ({"sub": "员工"}, "subject"),
        ({"sub": "s" * 256}, "subject"),
        ({"at_hash": "c29tZXRoaW5n"}, "claim_at_hash"),
    ],
)
async def test_a_token_that_says_anything_else_is_not_believed(
    provider: Provider, tmp_path: Path, claims: dict[str, Any], reason: str
) -> None:
    provider.claims = claims
    with pytest.raises(OidcRefusedError) as refusal:
        await come_and_go(sign_in(provider, tmp_path))
    assert refusal.value.reason == reason


async def test_a_token_for_several_is_taken_where_it_names_this_client(
    provider: Provider, tmp_path: Path
) -> None:
    provider.claims = {"aud": [CLIENT_ID, "another-client"], "azp": CLIENT_ID}
    assert (await come_and_go(sign_in(provider, tmp_path))).subject == SUBJECT


async def test_only_the_issuers_keys_sign(provider: Provider, tmp_path: Path) -> None:
    one = sign_in(provider, tmp_path)
    stranger = ECKey.generate_key("P-256", {"kid": "one"})
    secret = OctKey.import_key(CLIENT_SECRET)
    for sign in (
        lambda claims: jwt.encode({"alg": "ES256", "kid": "one"}, claims, stranger),
        lambda claims: jwt.encode({"alg": "ES256", "kid": "unknown"}, claims, stranger),
        lambda claims: jwt.encode({"alg": "HS256", "kid": "one"}, claims, secret),
        lambda _: "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzdGFmZi0wMDQyIn0.",
        lambda _: "rubbish",
    ):
        provider.sign = sign
        with pytest.raises(OidcRefusedError, match="signature"):
            await come_and_go(one)


async def test_a_new_key_of_the_issuer_is_asked_for(provider: Provider, tmp_path: Path) -> None:
    one = sign_in(provider, tmp_path)
    await come_and_go(one)
    provider.key = RSAKey.generate_key(2048, {"kid": "two", "use": "sig", "alg": "RS256"})
    provider.published.append(provider.key)
    assert (await come_and_go(one)).subject == SUBJECT
    assert provider.asked.count("/keys") == 2


async def test_a_service_that_signs_with_secrets_only_is_not_believed(
    provider: Provider, tmp_path: Path
) -> None:
    """An empty choice of algorithms must not become the library's own, which has HS256 in it."""
    provider.description = {"id_token_signing_alg_values_supported": ["HS256", "none"]}
    with pytest.raises(OidcRefusedError, match="algorithms"):
        await come_and_go(sign_in(provider, tmp_path))


@pytest.mark.parametrize(
    "keys",
    [
        {}, {"keys": []}, {"keys": "none"}, {"keys": [{}]}, {"keys": [{"kty": "RSA"}]}, {"keys": [7]}, [],
        {"keys": [{"kty": "EC", "crv": "P-256", "x": "!", "y": "?"}]},
        {"keys": [{"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"}]},
        {"keys": None},
    ],
)  # fmt: skip
async def test_rubbish_instead_of_keys(provider: Provider, tmp_path: Path, keys: object) -> None:
    provider.answers["/keys"] = JSONResponse(keys)
    one = sign_in(provider, tmp_path)
    with pytest.raises(OidcRefusedError, match=r"keys|signature"):
        await come_and_go(one)
    # and it is not kept
    provider.answers.clear()
    assert (await come_and_go(one)).subject == SUBJECT


BAD_KEYS: tuple[object, ...] = (
    {}, 7, None, [], "key", {"kty": "RSA"}, {"kty": 7}, {"kty": ["RSA"]}, {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"},
    {"kty": "RSA", "n": "", "e": ""}, {"kty": "RSA", "n": "AQ", "e": "!"}, {"kty": "RSA", "n": 7, "e": "AQAB"},
    {"kty": "EC", "crv": "P-256", "x": "!", "y": "?"}, {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"}, {"kty": "EC", "crv": ["P-256"], "x": "AA", "y": "AA"},
    {"kty": "OKP", "crv": "Ed25519", "x": "AA"}, {"kty": "OKP", "crv": "none", "x": "AA"}, {"kty": "oct"}, {"kty": "oct", "k": "AA"},
)  # fmt: skip


@pytest.mark.parametrize("kid", [None, "one", 7, ["one"]])
async def test_a_key_that_is_none_keeps_nobody_out(provider: Provider, tmp_path: Path, kid: object) -> None:
    """Nor does one stand in the way of another that bears the same name."""
    bad = [one | {"kid": kid, "use": "sig"} if isinstance(one, dict) and kid else one for one in BAD_KEYS]
    good = provider.key.as_dict(private=False)
    for keys in ([*bad, good], [good, *bad]):
        provider.answers["/keys"] = JSONResponse({"keys": keys})
        assert (await come_and_go(sign_in(provider, tmp_path))).subject == SUBJECT


@pytest.mark.parametrize("bad", BAD_KEYS, ids=str)
def test_a_key_that_is_none_is_left_out(bad: object) -> None:
    good = ECKey.generate_key("P-256", {"kid": "one"})
    listed = {"keys": [bad, good.as_dict(private=False)]}
    assert [one.kid for one in usable_keys(listed)] == ["one"]
    with pytest.raises(OidcRefusedError, match="keys"):
        usable_keys({"keys": [bad]})


def test_as_many_keys_are_looked_at_as_anybody_has() -> None:
    keys = [ECKey.generate_key("P-256", {"kid": str(n)}).as_dict(private=False) for n in range(KEYS_MAX + 1)]
    assert len(list(usable_keys({"keys": keys}))) == KEYS_MAX


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"issuer": "https://other.example"}, "description_of_another_issuer"),
        ({"token_endpoint": "http://other.example/token"}, "description"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "description"),
        ({"jwks_uri": 7}, "description"),
    ],
)
async def test_a_description_that_leads_elsewhere(
    provider: Provider, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    provider.description = changes
    with pytest.raises(OidcRefusedError) as refusal:
        await sign_in(provider, tmp_path).begin("/")
    assert refusal.value.reason == reason


async def test_an_answer_counts_once_and_for_the_browser_that_asked(
    provider: Provider, tmp_path: Path
) -> None:
    clock = Clock()
    one = sign_in(provider, tmp_path, clock.now_ms)
    url, cookie = await one.begin("/")
    answer = await visit(url)
    for spoilt, carried in (
        ({**answer, "state": "another"}, cookie),
        ({name: value for name, value in answer.items() if name != "state"}, cookie),
        (answer, ""),
        (answer, cookie[:-8] + "AAAAAAA="),
        (answer, (await one.begin("/"))[1]),
        (answer, "x" * 5_000),
    ):
        with pytest.raises(OidcRefusedError, match="state"):
            await one.finish(spoilt, carried)
    assert (await one.finish(answer, cookie)).subject == SUBJECT
    with pytest.raises(OidcRefusedError, match="state"):  # replayed
        await one.finish(answer, cookie)
    url, cookie = await one.begin("/")
    late = await visit(url)
    clock.ahead_ms = LIFE_MS
    with pytest.raises(OidcRefusedError, match="state"):
        await one.finish(late, cookie)


async def test_answers_that_bring_nobody(provider: Provider, tmp_path: Path) -> None:
    one = sign_in(provider, tmp_path)
    url, cookie = await one.begin("/")
    with pytest.raises(OidcRefusedError, match="another_issuer"):
        await one.finish({**await visit(url), "iss": "https://other.example"}, cookie)
    url, cookie = await one.begin("/")
    answer = await visit(url)
    with pytest.raises(OidcRefusedError, match="no_code"):
        await one.finish({"state": answer["state"]}, cookie)
    # a code that somebody else has begun: the verifier does not fit
    url, cookie = await one.begin("/")
    with pytest.raises(OidcRefusedError, match="status_400"):
        await one.finish({**await visit(url), "code": answer["code"]}, cookie)
    for error, kind in (("access_denied", OidcRefusedError), ("server_error", OidcUnavailableError)):
        provider.redirect_error = error
        with pytest.raises(kind):
            await come_and_go(one)


async def test_a_service_that_is_away_slow_or_endless(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc_wire, "STEP_S_MAX", 0.3)
    with pytest.raises(OidcUnavailableError, match="does not answer"):
        await sign_in(provider, tmp_path, issuer="http://127.0.0.1:9").begin("/")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(OidcUnavailableError, match="ReadTimeout"):
            await sign_in(provider, tmp_path, issuer=f"http://127.0.0.1:{port}").begin("/")
    where = "/.well-known/openid-configuration"
    for answer, kind in (
        (PlainTextResponse("busy", 503), OidcUnavailableError),
        (PlainTextResponse("busy", 429), OidcUnavailableError),
        (PlainTextResponse("gone", 404), OidcRefusedError),
        (PlainTextResponse("<html>"), OidcRefusedError),
        (PlainTextResponse("x" * (ANSWER_BYTES_MAX + 1)), OidcRefusedError),
        (PlainTextResponse("[" * 100_000), OidcRefusedError),
        (RedirectResponse(f"{provider.url}/keys"), OidcRefusedError),
    ):
        provider.answers[where] = answer
        with pytest.raises(kind):
            await sign_in(provider, tmp_path).begin("/")
    assert "/keys" not in provider.asked


async def test_a_service_that_was_away_a_moment_ago_is_not_asked_again(
    provider: Provider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider.answers["/.well-known/openid-configuration"] = PlainTextResponse("busy", 503)
    one = sign_in(provider, tmp_path)
    results = await asyncio.gather(*(one.begin("/") for _ in range(5)), return_exceptions=True)
    assert {type(result) for result in results} == {OidcUnavailableError}
    assert len(provider.asked) == 1
    provider.answers.clear()
    monkeypatch.setattr(one, "_away_until_s", 0.0)
    assert (await come_and_go(one)).subject == SUBJECT


async def test_only_some_come_back_at_once(provider: Provider, tmp_path: Path) -> None:
    one = sign_in(provider, tmp_path)
    journeys = [await one.begin("/") for _ in range(AT_ONCE + 1)]
    answers = [(await visit(url), cookie) for url, cookie in journeys]
    results = await asyncio.gather(*(one.finish(*each) for each in answers), return_exceptions=True)
    assert [isinstance(result, Identity) for result in results] == [True] * AT_ONCE + [False]
    assert isinstance(results[-1], OidcUnavailableError)


async def test_groups_stand_for_roles_and_other_groups_for_none(provider: Provider, tmp_path: Path) -> None:
    one = sign_in(
        provider, tmp_path, role_claim="groups", roles={"health-room": "nurse", "pe-group": "pe_teacher"}
    )
    for held, roles in (
        (["health-room", "everybody"], {"nurse"}),
        (["pe-group", "health-room"], {"nurse", "pe_teacher"}),
        ("health-room", {"nurse"}),
        (["everybody"], set()),
        ([["health-room"], {"health-room": 1}, None], set()),
        (None, set()),
        ({"health-room": True}, set()),
    ):
        provider.claims = {"groups": held}
        assert set((await come_and_go(one)).roles or ()) == roles


@given(cookie=st.text(max_size=200), state=st.text(max_size=80))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_cookie_raises(cookie: str, state: str) -> None:
    assert Journeys().take(cookie, state, 0) is None


def test_a_journey_says_nothing_of_its_secrets() -> None:
    journey = Journey.begin("/", 0)
    for secret in (journey.state, journey.nonce, journey.verifier):
        assert secret not in repr(journey)
        assert secret not in Journeys().seal(journey)
    assert SUBJECT not in repr(Identity("https://id.example", SUBJECT, None, "/"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issuer": "http://id.example"}, "https"),
        ({"public_url": "https://pulse.campus.example/page"}, "without a path"),
        ({"public_url": "http://pulse.campus.example"}, "https"),
        ({"role_claim": "groups"}, "belong together"),
        ({"roles": {"a": "nurse"}}, "belong together"),
        ({"role_claim": "groups", "roles": {"a": "headmaster"}}, "nurse"),
    ],
)
def test_the_section_says_what_is_wrong(changes: dict[str, Any], words: str) -> None:
    good = {"issuer": "https://id.example", "client_id": CLIENT_ID, "public_url": PAGE}
    with pytest.raises(ValueError, match=words):
        OidcSection.model_validate(good | changes)


def test_the_secrets_file_is_private_and_one_line(provider: Provider, tmp_path: Path) -> None:
    secret = tmp_path / "two-lines"
    write_secret(secret, b"one\ntwo\n")
    with pytest.raises(KeyFileError, match="one line"):
        sign_in(provider, tmp_path, client_secret_file=secret)
    secret.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        sign_in(provider, tmp_path, client_secret_file=secret)
