"""What people and programs might send to a page: fields, cookies, bodies and addresses that are not right."""

from __future__ import annotations

import json
import random
from urllib.parse import quote, quote_from_bytes

from tests.accounts.accounts_bench import BETTER, GOOD
from tests.fuzz.signed_school import DEVICE, FEVER, VICTIM, Route
from tests.web.conftest import GATEWAY, SCHOOL

FORM, JSON, TOML = b"application/x-www-form-urlencoded", b"application/json", b"application/toml"
PEOPLE = (b"accept", b"text/html")
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
    "/account/tokens": {"name": "示例", "scope": "series.read", "days": "30", "password": GOOD},
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
    "/sign-in/second-factor": {"code": "123456", "next": "/", "password": GOOD},
    f"/alerts/{FEVER}/acknowledge": {"by": "示例"},
    f"/api/v1/alerts/{FEVER}/acknowledge": {"by": "示例"},
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
