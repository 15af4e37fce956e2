"""A console's page with names, the vault beside it, and all that the page sends to either."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote_plus

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.sync_api import Browser, BrowserContext, Page, Request, ViewportSize, expect

from collector.vault.settings import VaultSection
from collector.web.names import Names
from tests.collector.vault_double import Answer, VaultDouble
from tests.web.conftest import PSEUDONYM, SCHOOL, Running, now_ms

NAME, OTHER_NAME = "示例学生甲", "Example Pupil B"
OTHER = PSEUDONYM[::-1]
SHORT = "7K3M-9PXA…"
PHONE: ViewportSize = {"width": 360, "height": 740}


class Watched:
    """A page with alerts of two pupils, a vault beside it, and everything that was sent to the collector."""

    def __init__(self, running: Running, vault_url: str, context: BrowserContext) -> None:
        self.running, self._vault_url = running, vault_url
        self.page = context.new_page()
        self.sent: list[str] = []
        self.to_vault: list[Request] = []
        self.errors: list[str] = []
        self.page.on("request", self._note)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _note(self, request: Request) -> None:
        if request.url.startswith(self._vault_url):
            self.to_vault.append(request)
            return
        body = request.post_data_buffer or b""
        self.sent.append(
            f"{unquote_plus(request.url)} {request.all_headers()} {body.decode('utf-8', 'replace')}"
        )

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.running.url + path)
        expect(self.page.locator("#state")).to_have_text(re.compile("实时|live"))
        return self.page

    def alert(self, **changes: Any) -> None:
        self.running.call(self.running.school.add_alert(at_ms=now_ms(), **changes))
        self.running.publish("alerts")

    def check(self) -> None:
        """Nothing has gone wrong, and no name went to the collector."""
        assert self.errors == []
        for name in (NAME, OTHER_NAME):
            assert not [sent for sent in self.sent if name in sent]

    @property
    def note(self) -> Any:
        return self.page.locator("#names-note")

    def who(self, pseudonym: str = PSEUDONYM) -> Any:
        return self.page.locator(f"[data-pseudonym='{pseudonym}']").first


class Console(Watched):
    """With the double of a vault."""

    def __init__(self, running: Running, vault: VaultDouble, context: BrowserContext) -> None:
        super().__init__(running, vault.url, context)
        self.vault = vault


@contextmanager
def watched(browser: Browser, size: ViewportSize) -> Iterator[BrowserContext]:
    """A browser of its own: nothing is kept from one test to the next."""
    context = browser.new_context(viewport=size, locale="zh-CN")
    context.set_default_timeout(15_000)
    yield context
    context.close()


def open_vault() -> VaultDouble:
    """One that knows two pupils; its `close` is the test's."""
    key = Ed25519PrivateKey.generate()
    vault = VaultDouble(key.public_key())
    vault.people = {
        PSEUDONYM: {"name": NAME, "class_id": "3-2"},
        OTHER: {"name": OTHER_NAME, "class_id": "3-2"},
    }
    vault.key = key  # type: ignore[attr-defined]  # handed to the collector below
    return vault


def configure(running: Running, vault: VaultDouble, **changes: Any) -> None:
    section = VaultSection(school=SCHOOL, url=vault.url, public_key=vault.public_key, **changes)
    vault.origin = running.url
    key: Ed25519PrivateKey = vault.key  # type: ignore[attr-defined]
    running.restart_with(names=Names(section, key, now_ms))


def always(answer: Answer) -> Callable[[Answer], Answer]:
    """Instead of whatever the vault says, except that a page may ask (the preflight)."""
    return lambda given: given if given[0] == 204 else answer
