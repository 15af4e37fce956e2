"""Names in an emergency, in a real browser: asked for with a reason, shown for some minutes, ended early."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from collector.vault.settings import VaultSection
from collector.web.names import Names
from foundation.keyfiles import public_text
from identity_vault.names import unreviewed
from identity_vault.vault import Vault
from tests.collector.vault_double import Answer, VaultDouble
from tests.vault import web_parts
from tests.vault.names_parts import COLLECTOR, pseudonym
from tests.vault.vault_parts import add_somebody, make_vault
from tests.web.conftest import SCHOOL, Running, now_ms
from tests.web.names_parts import (
    NAME,
    OTHER,
    PHONE,
    SHORT,
    Console,
    Watched,
    always,
    configure,
    open_vault,
    watched,
)

REASON = "求助按钮报警，学生不在操场，需要尽快找到本人"
PANIC: dict[str, Any] = {
    "kind": "panic", "device": None, "site": None, "value": 1.0, "unit": "bool", "limit": None,
    "record_type": "safety_event", "place": "sports/field",
}  # fmt: skip
PROBLEM = "application/problem+json"


@pytest.fixture
def vault() -> Iterator[VaultDouble]:
    vault = open_vault()
    yield vault
    vault.close()


@pytest.fixture
def console(running: Running, vault: VaultDouble, browser: Browser) -> Iterator[Console]:
    configure(running, vault, role="facilities")
    with watched(browser, PHONE) as context:
        console = Console(running, vault, context)
        console.alert(**PANIC)
        yield console
    console.check()
    assert not [sent for sent in console.sent if REASON in sent]


def ask_for_names(page: Page, reason: str = REASON) -> None:
    """With the keyboard alone."""
    expect(page.locator("#glass-open")).to_be_visible()
    page.locator("#glass-open").press("Enter")
    expect(page.locator("#glass-reason")).to_be_focused()
    page.keyboard.insert_text(reason)
    page.keyboard.press("Tab")
    expect(page.locator("input[value='15']")).to_be_focused()
    page.keyboard.press("ArrowRight")
    for _ in range(2):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")


def kept(page: Page) -> str:
    """Whatever the page has kept or shows in an address or a field."""
    found = page.evaluate(
        "() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href,"
        " document.title, history.state, [...document.querySelectorAll('input, textarea')].map((o) => o.value)])"
    )
    return str(found)


def test_an_emergency_opens_names_for_some_minutes(console: Console) -> None:
    page = console.open()
    expect(console.note).to_contain_text("本岗位平时不能查看")
    expect(console.who()).to_have_text(SHORT)
    assert console.to_vault == [], "what the role never has is not asked for, and fills no audit"
    ask_for_names(page)
    expect(console.who()).to_have_text(NAME)
    until = page.locator("#names-until")
    expect(until).to_have_text(re.compile(r"紧急查看（紧急求助）：姓名显示到 \d\d:\d\d。"))
    expect(until).to_be_focused()
    expect(console.note).to_be_hidden()
    expect(page.locator("#glass-open")).to_be_hidden()
    (asked,) = [
        one for one in console.to_vault if one.url.endswith("/v1/break-glass") and one.method == "POST"
    ]
    assert json.loads(asked.post_data or "") == {"purpose": "safety", "reason": REASON, "minutes": 30}
    assert REASON not in kept(page)
    assert NAME not in kept(page)
    headers = asked.all_headers()
    assert "cookie" not in headers
    assert "referer" not in headers

    page.locator("#language").click()  # another page of the same tab knows of it
    expect(console.who()).to_have_text(NAME)
    expect(until).to_contain_text("Emergency (Calls for help): names are shown until")
    page.get_by_role("button", name="Stop showing them now").click()
    expect(console.who()).to_have_text(SHORT)
    expect(until).to_be_hidden()
    expect(page.locator("#glass-open")).to_be_focused()
    page.reload()
    expect(console.note).to_contain_text("does not usually see these names")
    expect(console.who()).to_have_text(SHORT)
    assert len(console.vault.reasons) == 1


def test_its_end_takes_the_names_away(console: Console) -> None:
    def shorten(given: Answer) -> Answer:
        if b"expires_ms" not in given[2]:
            return given
        return *given[:2], json.dumps({"purpose": "safety", "expires_ms": now_ms() + 1_500}).encode()

    console.vault.spoil = shorten
    page = console.open()
    ask_for_names(page)
    expect(console.who()).to_have_text(NAME)
    expect(console.who()).to_have_text(SHORT)
    expect(page.locator("#names-until")).to_be_hidden()
    expect(page.locator("#glass-open")).to_be_visible()


def test_the_reason_is_counted_and_forgotten_on_cancel(console: Console) -> None:
    page = console.open("/?lang=en")
    page.locator("#glass-open").click()
    dialog = page.get_by_role("dialog", name="Emergency: show names")
    expect(dialog).to_have_accessible_description(
        re.compile("Calls for help.*recorded and reviewed", re.DOTALL)
    )
    box, trouble = dialog.get_by_label("Reason"), page.locator("#glass-trouble")
    for text, count in (("  " + "急" * 9 + "  ", 9), ("🆘" * 501, 501)):
        box.fill(text)
        expect(page.locator("#glass-count")).to_have_text(f"{count} / 10–500")
        dialog.get_by_role("button", name="Show names").click()
        expect(trouble).to_have_text("Please give a reason of 10 to 500 characters.")
        expect(box).to_be_focused()
    box.fill("🆘" * 10)
    expect(box).not_to_have_attribute("aria-invalid", "true")
    expect(trouble).to_be_empty()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.locator("#glass-open")).to_be_focused()
    expect(page.locator("#glass-reason")).to_have_value("")
    assert "🆘" not in kept(page)
    page.locator("#glass-open").click()
    expect(box).to_have_value("")
    dialog.get_by_role("button", name="Cancel").click()
    assert console.to_vault == []


TROUBLES: tuple[tuple[Answer | None, str], ...] = (
    ((429, PROBLEM, b"{}"), "申请次数太多"),
    ((403, PROBLEM, b"{}"), "身份库没有同意"),
    ((422, PROBLEM, b"{}"), "写明理由"),
    ((503, PROBLEM, b"{}"), "连不上身份库"),
    ((200, "application/json", b"rubbish"), "看不懂"),
    ((200, "application/json", b'{"purpose": "health", "expires_ms": 9000000000000}'), "看不懂"),
    (None, "连不上身份库"),
)


def test_what_the_vault_refuses_is_said_in_words(console: Console) -> None:
    page = console.open()
    page.locator("#glass-open").click()
    page.locator("#glass-reason").fill(REASON)
    for answer, words in TROUBLES:
        if answer is None:
            console.vault.close()
        else:
            console.vault.spoil = always(answer)
        page.get_by_role("button", name="显示姓名", exact=True).click()
        expect(page.locator("#glass-trouble")).to_contain_text(words)
        expect(page.locator("#glass-reason")).to_have_value(REASON)
    expect(page.locator("#names-until")).to_be_hidden()
    expect(console.who()).to_have_text(SHORT)


def test_a_teacher_outside_the_lesson_and_a_reviewer_who_objects(
    running: Running, vault: VaultDouble, browser: Browser
) -> None:
    configure(running, vault, role="pe_teacher", classes=("3-2",))
    vault.in_lesson = False
    with watched(browser, PHONE) as context:
        console = Console(running, vault, context)
        console.alert(record_type="heart_rate_window")
        page = console.open()
        expect(console.note).to_contain_text("没有同意")
        ask_for_names(page)
        expect(console.who()).to_have_text(NAME)
        expect(page.locator("#names-until")).to_contain_text("体育课心率")
        page.get_by_role("button", name="现在停止显示").click()
        expect(console.who()).to_have_text(SHORT)
        expect(console.note).to_contain_text("没有同意")
        ask_for_names(page)
        expect(console.who()).to_have_text(NAME)
        vault.grants.clear()
        console.alert(record_type="heart_rate_window", pseudonym=OTHER)
        expect(page.locator("#names-until")).to_be_hidden()
        expect(page.locator("#glass-open")).to_be_visible()
        expect(console.who()).to_have_text(SHORT)
    console.check()


@pytest.fixture
def real_vault(running: Running, tmp_path: Path) -> Iterator[tuple[Vault, str]]:
    """A vault that listens for the page, and where."""
    config = web_parts.config_of(tmp_path / "vault", origins=[running.url])
    with make_vault(tmp_path / "vault", config=config, now_ms=now_ms) as vault:
        serving = web_parts.Running(vault)
        yield vault, running.call(serving.__aenter__()).url
        running.call(serving.__aexit__())


def test_the_real_vault_gives_names_and_has_the_grant_to_review(
    running: Running, browser: Browser, real_vault: tuple[Vault, str]
) -> None:
    vault, url = real_vault
    theirs = pseudonym(vault, "safety", add_somebody(vault, 1))
    public_key = public_text(vault.signer.public_key)
    section = VaultSection(school=SCHOOL, url=url, public_key=public_key, role="facilities")
    running.restart_with(names=Names(section, COLLECTOR, now_ms))
    with watched(browser, PHONE) as context:
        console = Watched(running, url, context)
        console.alert(**PANIC, pseudonym=theirs)
        page = console.open()
        expect(console.note).to_contain_text("本岗位平时不能查看")
        asked = context.request.post(f"{running.url}/api/v1/resolve-token", data={"purpose": "safety"})
        refused = context.request.post(
            f"{url}/v1/resolve",
            data={"pseudonyms": [theirs]},
            headers={"Authorization": f"Bearer {asked.json()['token']}"},
        )
        assert refused.status == 403
        ask_for_names(page)
        expect(console.who(theirs)).to_have_text("示例生1")
    with vault.read() as connection:
        (grant,) = unreviewed(vault, connection)
    assert (grant.role, grant.purpose, grant.reason, grant.names) == ("facilities", "safety", REASON, 1)
    assert grant.expires_ms - grant.granted_ms == 30 * 60_000
    assert console.errors == []
    assert not [sent for sent in console.sent if REASON in sent or "示例生1" in sent]
