"""The page and the API with accounts: every route as everybody, and rubbish in every field, cookie and header."""

from __future__ import annotations

import json
import random
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, quote_from_bytes, urlsplit

import httpx
import pytest

from telemetry.purposes import PURPOSES
from tests.accounts.accounts_bench import GOOD
from tests.accounts.oidc_provider import Provider, running_provider
from tests.fuzz.conftest import rounds
from tests.fuzz.rubbish import flipped, truncated
from tests.fuzz.signed_school import HIDDEN, NOBODY, VICTIM, Asker, Route, SignedSchool
from tests.fuzz.web_rubbish import (
    COOKIES,
    FORM,
    GOOD_FORMS,
    GOOD_QUERIES,
    JSON,
    PEOPLE,
    SECRETS,
    TEXTS,
    rubbish_body,
    rubbish_target,
    spoilt,
)

ENDS_SESSIONS = ("/sign-out", "/account/sign-out-everywhere")


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as made:
        yield made


@pytest.fixture
async def signed(tmp_path: Path, provider: Provider) -> AsyncIterator[SignedSchool]:
    made = await SignedSchool.open(tmp_path, provider.url)
    yield made
    await made.close()


async def status_of(signed: SignedSchool, asker: Asker, route: Route) -> int:
    """Of a request that is right but for its body, which is empty."""
    if route.path != "/api/v1/resolve-token":
        answer = await signed.ask(asker, route.method, route.of())
    else:
        # A role has its own purposes; for another than these it may not ask, whatever its permissions are.
        for purpose in PURPOSES:
            body = json.dumps({"purpose": purpose}).encode()
            answer = await signed.ask(asker, route.method, route.of(), body, [(b"content-type", JSON)])
            if answer.status_code == 200:
                break
    if answer.status_code in {401, 403}:
        check_tells_nothing(answer)
    return answer.status_code


async def test_each_role_and_token_reaches_what_it_may_and_nothing_else(signed: SignedSchool) -> None:
    """The permitted routes of everybody, found by asking, are those of the table of roles."""
    guarded = [route for route in signed.routes() if route.permissions]
    assert len(guarded) > 40
    for asker in signed.askers:
        reached = {route for route in guarded if (await status_of(signed, asker, route)) not in {401, 403}}
        assert reached == {route for route in guarded if asker.may(route.permissions)}, asker.name


async def test_who_is_nobody_is_told_to_sign_in_and_nothing_else(signed: SignedSchool) -> None:
    for route in signed.routes():
        for headers in ([], [PEOPLE]):
            answer = await signed.ask(NOBODY, route.method, route.of(), b"", headers)
            check_tells_nothing(answer)
            if not route.permissions:
                assert answer.status_code < 500
            elif headers and not route.path.startswith(("/api/", "/parts/", "/metrics")):
                assert answer.status_code == 303, route
                assert answer.headers["location"].startswith("/sign-in"), route
            else:
                assert answer.status_code == 401, route


async def test_what_proves_nothing_makes_nobody_of_somebody(
    signed: SignedSchool, chance: random.Random
) -> None:
    """Secrets that are none, and those of somebody with a bit flipped."""
    guarded = [route for route in signed.routes() if route.permissions]
    spoilt: list[tuple[bytes, bytes]] = [(b"authorization", one) for one in SECRETS]
    spoilt += [(b"cookie", one) for one in COOKIES]
    for asker in signed.askers[1:]:
        assert asker.header is not None
        name, value = asker.header
        start = value.rindex(b"=" if name == b"cookie" else b" ") + 1
        for _ in range(rounds(4)):
            secret = chance.choice((flipped, truncated))(chance, value[start:])
            if secret != value[start:] and b"\n" not in secret and b"\r" not in secret:
                spoilt.append((name, value[:start] + secret))
    for header in spoilt:
        route = chance.choice(guarded)
        answer = await signed.ask(NOBODY._replace(header=header), route.method, route.of())
        assert answer.status_code == 401, (header[0], route)
        check_tells_nothing(answer)


@pytest.mark.parametrize(
    "name", ["nobody", "admin", "token of admin", "nurse", "class_teacher", "token of facilities"]
)
async def test_rubbish_is_answered_in_words_whoever_sends_it(
    signed: SignedSchool, chance: random.Random, name: str
) -> None:
    asker, routes = signed.asker(name), list(signed.routes())
    for number in range(rounds(150)):
        route = routes[number % len(routes)]
        if asker.header and route.path in ENDS_SESSIONS:
            continue
        method = (
            route.method
            if chance.random() < 0.9
            else chance.choice(("GET", "POST", "PUT", "DELETE", "HEAD", "X"))
        )
        type_, body = rubbish_body(chance)
        headers = [(b"content-type", type_)] if type_ else []
        if chance.random() < 0.3:
            headers.append(chance.choice((PEOPLE, (b"accept-language", b"\xff, zh;q=x"), (b"x-forwarded-for", b"\xff,,"),
                                          (b"origin", b"null"), (b"last-event-id", b"\xff"), (b"if-none-match", b"x"),
                                          (b"hx-request", b"true"), (b"range", b"bytes=-9999999999-"))))  # fmt: skip
        answer = await signed.ask(asker, method, rubbish_target(chance, route), body, headers)
        assert answer.status_code < 500, (route, type_, body[:200], answer.text[:500])
        assert "x-injected" not in answer.headers
        leads_to = answer.headers.get("location", "/").removeprefix(f"{signed.issuer}/authorize?")
        assert not leads_to.startswith(("//", "http:", "https:", "javascript:", "/\\")), route
        if not asker.may(route.permissions) and route.permissions:
            assert answer.status_code >= 300, (route, answer.text[:500])
            check_tells_nothing(answer)
    found = await signed.ask(signed.asker("admin"), "GET", "/accounts")
    assert found.status_code == 200


@pytest.mark.parametrize("name", ["nobody", "admin", "nurse", "facilities"])
async def test_a_form_or_a_question_spoilt_in_one_place_is_no_fault(
    signed: SignedSchool, chance: random.Random, name: str
) -> None:
    asker, forms, queries = signed.asker(name), sorted(GOOD_FORMS), sorted(GOOD_QUERIES)
    for number in range(rounds(80)):
        path = forms[number % len(forms)]
        body = spoilt(chance, GOOD_FORMS[path])
        answers = [await signed.ask(asker, "POST", path, body, [(b"content-type", FORM)])]
        path = queries[number % len(queries)]
        answers.append(
            await signed.ask(asker, "GET", f"{path}?{spoilt(chance, GOOD_QUERIES[path]).decode()}")
        )
        for answer in answers:
            assert answer.status_code < 500, (answer.request.url, body, answer.text[:500])
            assert "x-injected" not in answer.headers
            if asker is NOBODY:
                check_tells_nothing(answer)


async def test_signing_in_leads_to_no_other_place(signed: SignedSchool) -> None:
    places = [
        *TEXTS,
        *(b"/fleet" + text for text in TEXTS),
        b"/%2f/elsewhere.example",
        b"/\telsewhere",
        b"/a\x85b",
    ]
    for place in places:
        body = f"username={VICTIM}&password={quote(GOOD)}&next={quote_from_bytes(place, safe='')}".encode()
        answer = await signed.ask(NOBODY, "POST", "/sign-in", body, [(b"content-type", FORM)])
        if answer.status_code != 400:  # no UTF-8
            assert answer.status_code == 303, answer.text
            found = answer.headers["location"]
            assert re.fullmatch(r"/([!-.0-\[\]-~][!-\[\]-~]*)?", found), (place, found)
            assert "x-injected" not in answer.headers


async def test_rubbish_on_the_way_back_from_the_sign_in_service(
    signed: SignedSchool, chance: random.Random
) -> None:
    for number in range(rounds(60)):
        there = await signed.ask(NOBODY, "GET", "/sign-in/oidc?next=/fleet")
        assert there.status_code == 303, there.text
        said = parse_qs(urlsplit(there.headers["location"]).query)
        journey = there.headers["set-cookie"].partition(";")[0].encode()
        answered = {"state": said["state"][0], "code": "x", "iss": signed.issuer}
        if number % 3 == 0:
            journey = flipped(chance, journey).replace(b"\n", b"").replace(b"\r", b"")
        back = await signed.ask(
            NOBODY,
            "GET",
            f"/sign-in/oidc/back?{spoilt(chance, answered).decode()}",
            b"",
            [(b"cookie", journey)],
        )
        assert 400 <= back.status_code < 500 or back.status_code in {303, 502, 503}, back.text
        assert "session=" not in back.headers.get("set-cookie", "")


def check_tells_nothing(answer: httpx.Response) -> None:
    """Nothing of anybody but what was in the question itself."""
    asked = str(answer.request.url) + answer.request.content.decode("utf-8", "replace")
    told = [word for word in HIDDEN if word in answer.text and word not in asked]
    assert told == [], (asked, told)
