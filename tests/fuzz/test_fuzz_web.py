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
from tests.accounts.accounts_bench import BETTER, GOOD
from tests.accounts.oidc_provider import Provider, running_provider
from tests.fuzz.conftest import rounds
from tests.fuzz.rubbish import flipped, truncated
from tests.fuzz.signed_school import DEVICE, HIDDEN, NOBODY, VICTIM, Asker, Route, SignedSchool
from tests.web.conftest import GATEWAY, SCHOOL

FORM, JSON, TOML = b"application/x-www-form-urlencoded", b"application/json", b"application/toml"
PEOPLE = (b"accept", b"text/html")
ENDS_SESSIONS = ("/sign-out", "/account/sign-out-everywhere")
FIELDS = (
    "username", "password", "code", "next", "old", "new", "again", "name", "scope", "days", "display_name", "role",
    "schools", "classes", "subject", "school", "gateway", "replace", "toml", "note", "expected", "by", "purpose", "query",
)  # fmt: skip
QUERY = (
    "id", "quantity", "device", "place", "gateway", "school", "start", "end", "step", "aggregate", "cursor", "limit", "state",
    "lang", "filter", "rooms", "next", "code", "error", "done", "saved", "before", "after", "check", "purpose", "role", "only",
)  # fmt: skip
TEXTS = (
    b"", b"0", b"-1", b"1", b"9" * 40, b"1e400", b"NaN", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"../..", b"x" * 5_000,
    "示例".encode(), "\u202e\u2028💧".encode(), b"<script>alert(1)</script>", b"{{7*7}}", b"%s%n", b"'; DROP TABLE accounts--",
    b"http://elsewhere.example/", b"//elsewhere.example", b"/\\elsewhere.example", b"javascript:1", b"none", b"mean", b"1s", b"zh",
    b"2026-09-01T08:00:00+08:00", b"9999-12-31T23:59:59-23:59", b"[[mqtt]]\nname=1", b"[batch]\ninterval_s = -1", b"a=[" * 500,
    b"[" * 5_000, b"{}", b"admin", b"nurse", b"example-primary", b"series.read", b"health", b"\r\nX-Injected: yes",
)  # fmt: skip
SECRETS = (
    b"", b"Bearer", b"Bearer ", b"bearer cp_", b"Bearer cp_" + b"A" * 43, b"Bearer " + b"x" * 9_000, b"Bearer \xff\xfe",
    b"Basic YTpi", b"Digest x", b"Bearer a b c", b"\x80", b"Bearer cp_\xc3\xa4", b"Bearer null",
)  # fmt: skip
COOKIES = (
    b"session=", b"session=x", b"session=" + b"A" * 43, b"session=" + b"x" * 9_000, b"session=\xff", b"session", b"=;=;;", b";" * 500,
    b"session=a; session=b", b'session="\\000"', b"__Host-session=x", b"journey=" + b"Z" * 200, b"journey=x.y.z", b"lang=\xff",
)  # fmt: skip
MULTIPART = (
    b"", b"--b", b"--b\r\n\r\n", b"--b\r\nContent-Disposition: form-data; name=toml\r\n\r\nx\r\n--b--",
    b'--b\r\nContent-Disposition: form-data; name="toml"; filename="x"\r\n\r\nx\r\n--b--\r\n', b"--b\r\n" * 200,
    b'--b\r\nContent-Disposition: form-data; name="\xff"\r\n\r\n\xff\r\n--b--\r\n', b"--b\r\nContent-Disposition: x\r\n\r\nx\r\n--b--",
    b'--b\r\nContent-Disposition: form-data; name="toml"\r\nContent-Type: text/plain; charset=x\r\n\r\nx\r\n--b--\r\n',
)  # fmt: skip
TYPES = (FORM, JSON, TOML, b"", b"x", b"multipart/form-data", b"multipart/form-data; boundary=b", FORM + b"; charset=x", b"\xff",
         b"multipart/form-data; boundary=" + b"b" * 500, b"application/json; charset=utf-16")  # fmt: skip


GOOD_FORMS: dict[str, dict[str, str]] = {
    "/accounts": {
        "username": "somebody",
        "display_name": "示例",
        "role": "nurse",
        "schools": SCHOOL,
        "classes": "3-2",
    },
    f"/accounts/{VICTIM}/change": {"display_name": "示例", "role": "nurse", "schools": SCHOOL, "classes": ""},
    f"/accounts/{VICTIM}/link": {"subject": "20260901"},
    "/account/tokens": {"name": "示例", "scope": "series.read", "days": "30"},
    "/account/password": {"old": "no password of mine", "new": BETTER, "again": BETTER},
    "/account/second-factor/remove": {"password": "no password of mine"},
    "/fleet/invite": {"school": SCHOOL, "gateway": "gw-new", "replace": "yes"},
    f"/fleet/{SCHOOL}/{GATEWAY}/configuration": {
        "toml": "[batch]\ninterval_s = 5\n",
        "note": "示例",
        "expected": "",
    },
    "/sign-in": {"username": VICTIM, "password": "no password of mine", "next": "/fleet"},
    "/sign-in/code": {"code": "123456", "next": "/"},
    "/sign-in/password": {"old": GOOD, "new": BETTER, "again": BETTER, "next": "/"},
    "/sign-in/second-factor": {"code": "123456", "next": "/"},
    "/alerts/1/acknowledge": {"by": "示例"},
    "/api/v1/alerts/1/acknowledge": {"by": "示例"},
}
_DAY = {"start": "2026-09-01T00:00:00Z", "end": "2026-09-02T00:00:00Z"}
GOOD_QUERIES: dict[str, dict[str, str]] = {
    "/api/v1/series": {"device": DEVICE, "limit": "5"},
    "/api/v1/series/query": {"id": "1", "step": "5m", "aggregate": "mean", **_DAY},
    "/api/v1/exports/series.csv": {"id": "1", "step": "5m", "aggregate": "mean", **_DAY},
    "/api/v1/exports/series.parquet": {"id": "1", "step": "5m", **_DAY},
    "/api/v1/exports/series.senml": {"id": "1", "step": "none", "cursor": "1-1", "limit": "5", **_DAY},
    "/api/v1/exports/rooms.ngsi-ld": {"device": DEVICE, "cursor": "", "limit": "5"},
    "/api/v1/exports/observations.fhir": {"kind": "temperature", "limit": "5", **_DAY},
    "/api/v1/alerts": {"state": "open", "limit": "5"},
    f"/fleet/{SCHOOL}/{GATEWAY}/difference": {"before": "1", "after": "1"},
    "/fleet": {"filter": "all", "rows": "20", "lang": "en"},
    "/audit": {"before": "5"},
    "/": {"filter": "all", "rooms": "20", "lang": "zh"},
}
"""Right, so that what is spoilt in one place is looked at."""


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


def spoilt(chance: random.Random, good: dict[str, str]) -> bytes:
    """A form of these fields with one of them wrong, missing or sent twice."""
    pairs = [(name, value.encode()) for name, value in good.items()]
    at = chance.randrange(len(pairs))
    name = pairs[at][0]
    fate = chance.random()
    if fate < 0.1:
        del pairs[at]
    elif fate < 0.2:
        pairs += [(name, chance.choice(TEXTS)[:100])] * chance.choice((1, 100))
    else:
        pairs[at] = (name, chance.choice(TEXTS))
    return b"&".join(f"{name}={quote_from_bytes(value, safe='')}".encode() for name, value in pairs)


def rubbish_target(chance: random.Random, route: Route) -> str:
    def value() -> str:
        return quote_from_bytes(chance.choice(TEXTS)[:3_000], safe="") or "%00"

    spoilt = {name: value() for name in ("school", "gateway", "version", "before", "after", "alert_id", "username", "token_id")
              if chance.random() < 0.4}  # fmt: skip
    pairs = [f"{quote(chance.choice(QUERY))}={value()}" for _ in range(chance.randrange(4))]
    return route.of(**spoilt) + ("?" + "&".join(pairs) if pairs else "")


def rubbish_body(chance: random.Random) -> tuple[bytes, bytes]:
    """A content type and a body, which mostly belong together."""
    kind = chance.randrange(6)
    if kind <= 2:
        pairs = [
            (chance.choice(FIELDS).encode(), chance.choice(TEXTS)) for _ in range(chance.randrange(1, 9))
        ]
        raw = chance.random() < 0.3
        fields = (name + b"=" + (value if raw else quote(value).encode()) for name, value in pairs)
        return FORM, b"&".join(fields)
    if kind == 3:
        values: list[object] = [
            None,
            True,
            -1,
            10**30,
            1.5,
            "",
            "x" * 500,
            [],
            {},
            [[]],
            {"a": {"b": []}},
            "health",
            "\x00",
        ]
        made = {chance.choice(FIELDS): chance.choice(values) for _ in range(chance.randrange(4))}
        texts = (
            json.dumps(made).encode(),
            b"[" * 8_000,
            b'{"purpose":' * 1_500,
            b"null",
            b"1e999",
            b"\xff",
            b'{"a":"\xed"}',
        )
        return JSON, chance.choice(texts)
    if kind == 4:
        return b"multipart/form-data; boundary=b", chance.choice(MULTIPART)
    return chance.choice(TYPES), chance.choice((*TEXTS, *MULTIPART, b"a=b&" * 500, b"=" * 500, b"x" * 20_000))


def check_tells_nothing(answer: httpx.Response) -> None:
    """Nothing of anybody but what was in the question itself."""
    asked = str(answer.request.url) + answer.request.content.decode("utf-8", "replace")
    told = [word for word in HIDDEN if word in answer.text and word not in asked]
    assert told == [], (asked, told)
