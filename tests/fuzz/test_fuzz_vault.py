"""Rubbish at the guardians' pages of the vault, from nobody and from a guardian who has opened their link."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, quote_from_bytes

import httpx
import pytest

from collector.web.access import declared
from identity_vault.exchange.desk import ExchangeDesk
from identity_vault.vault import Vault
from tests.fuzz.conftest import rounds
from tests.fuzz.rubbish import flipped, truncated
from tests.fuzz.web_rubbish import TEXTS, TYPES
from tests.vault.guardian_parts import Browser, Family, add_family, make_app, make_link
from tests.vault.vault_parts import make_vault

BEGIN_MS = 1_788_220_862_500
STEP_MS = 61_000
"""Between two requests: what is bounded in a minute is in nobody's way."""
REOPENED_EVERY = 8
FORM = "application/x-www-form-urlencoded"
FIELDS = ("token", "secret", "act", "agree", "field", "value", "number", "lang", "step", "purpose", "x")
GOOD = {
    "/g/consent/health": ("act", "agree"), "/g/export": (), "/g/correct": ("field", "value"), "/g/erase": ("number",), "/g/open": ("secret",),
    "/g/leave": (),
}  # fmt: skip
VALUES = (*TEXTS, b"give", b"withdraw", b"refuse", b"yes", b"name", b"phone", b"health", b"2")


class Doorstep:
    """Two families, the guardian of the first in front of the pages."""

    def __init__(self, folder: Path) -> None:
        self.now_ms = BEGIN_MS
        self.vault: Vault = make_vault(folder, now_ms=lambda: self.now_ms)
        self.mine, self.theirs = add_family(self.vault, 1), add_family(self.vault, 2)
        self.app = make_app(self.vault, ExchangeDesk(self.vault))
        self.browser = Browser(self.app)
        self.paths = sorted({one.path for one in declared(self.app) if one.path.startswith("/g/")})

    async def open(self) -> None:
        self.browser.http.cookies.clear()
        home = await self.browser.open(make_link(self.vault, self.mine))
        assert home.status_code == 200
        assert self.mine.name in home.text

    async def ask(self, method: str, target: str, body: bytes, headers: dict[str, bytes]) -> httpx.Response:
        self.now_ms += STEP_MS
        url = httpx.URL("http://localhost").copy_with(raw_path=target.encode("ascii"))
        sent = [(name.encode(), value) for name, value in headers.items()]
        return await self.browser.http.request(method, url, content=body, headers=sent)


@pytest.fixture
def doorstep(tmp_path: Path) -> Iterator[Doorstep]:
    made = Doorstep(tmp_path)
    with made.vault:
        yield made


def words_of(family: Family) -> tuple[str, ...]:
    return family.name, family.number, family.guardian.details.name, family.guardian.details.phone


def check(answer: httpx.Response, sent: bytes, *families: Family) -> None:
    assert answer.status_code < 500, answer.text
    asked = str(answer.request.url) + sent.decode("utf-8", "replace")
    told = [
        word for family in families for word in words_of(family) if word in answer.text and word not in asked
    ]
    assert told == [], answer.request.url


async def test_a_guardian_breaks_nothing_and_reads_of_nobody_else(
    doorstep: Doorstep, chance: random.Random
) -> None:
    for number in range(rounds(160)):
        if number % REOPENED_EVERY == 0:
            await doorstep.open()
        token = doorstep.browser.token if chance.random() < 0.8 else chance.choice(("", "x", "é", "0" * 64))
        path = chance.choice(sorted(GOOD)) if number % 2 else rubbish_path(chance, doorstep)
        if path == "/g/leave" and number % REOPENED_EVERY < REOPENED_EVERY - 1:
            continue
        body = rubbish_form(chance, token, GOOD.get(path, FIELDS))
        type_ = FORM.encode() if chance.random() < 0.9 else chance.choice(TYPES)
        method = (
            "POST"
            if path in GOOD and chance.random() < 0.8
            else chance.choice(("GET", "POST", "HEAD", "PUT"))
        )
        answer = await doorstep.ask(method, path, body, {"content-type": type_})
        check(answer, body, doorstep.theirs)
    await doorstep.open()


async def test_nobody_reads_anything(doorstep: Doorstep, chance: random.Random) -> None:
    """Also with the cookie of the guardian, spoilt."""
    await doorstep.open()
    (cookie,) = doorstep.browser.http.cookies.jar
    for _ in range(rounds(60)):
        doorstep.browser.http.cookies.clear()
        value = chance.choice((flipped, truncated))(chance, (cookie.value or "").encode())
        spoilt = cookie.name.encode() + b"=" + value.translate(None, b"\r\n")
        body = rubbish_form(chance, doorstep.browser.token, FIELDS)
        headers = {"content-type": FORM.encode()}
        if value != (cookie.value or "").encode():
            headers["cookie"] = spoilt
        path = chance.choice(
            (*sorted(GOOD), "/g/export/file", "/g/export/view", rubbish_path(chance, doorstep))
        )
        answer = await doorstep.ask(chance.choice(("GET", "POST")), path, body, headers)
        check(answer, body, doorstep.mine, doorstep.theirs)


def rubbish_path(chance: random.Random, doorstep: Doorstep) -> str:
    path = chance.choice(doorstep.paths)
    names = ("secret", "purpose", "code", "rest:path")
    for name in names:
        path = path.replace(f"{{{name}}}", quote_from_bytes(chance.choice(VALUES)[:2_000], safe=""))
    query = (
        f"?{chance.choice(FIELDS)}={quote(chance.choice(VALUES)[:2_000])}" if chance.random() < 0.5 else ""
    )
    return (path or "/") + query


def rubbish_form(chance: random.Random, token: str, fields: tuple[str, ...]) -> bytes:
    pairs = [("token", token.encode())]
    pairs += [(chance.choice(fields or FIELDS), chance.choice(VALUES)) for _ in range(chance.randrange(4))]
    if chance.random() < 0.1:
        pairs *= 50
    return b"&".join(f"{name}={quote_from_bytes(value, safe='')}".encode() for name, value in pairs)
