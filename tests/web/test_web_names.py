"""Names in a real browser: they come from the vault, are painted, and go nowhere else."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.collector.vault_double import Answer, VaultDouble
from tests.web.conftest import PSEUDONYM, SCHOOL, Running
from tests.web.names_parts import (
    NAME,
    OTHER,
    OTHER_NAME,
    PHONE,
    SHORT,
    Console,
    always,
    configure,
    open_vault,
    watched,
)


@pytest.fixture
def vault() -> Iterator[VaultDouble]:
    vault = open_vault()
    yield vault
    vault.close()


@pytest.fixture
def console(running: Running, vault: VaultDouble, browser: Browser) -> Iterator[Console]:
    configure(running, vault)
    with watched(browser, {"width": 1280, "height": 900}) as context:
        console = Console(running, vault, context)
        console.alert()
        yield console
    console.check()


def test_names_are_painted_and_survive_every_refresh(console: Console) -> None:
    page = console.open()
    expect(console.who()).to_have_text(NAME)
    expect(console.note).to_be_hidden()
    for number in range(3):
        console.alert(value=38.5 + number)
        expect(page.locator("li.alert")).to_have_count(number + 2)
        expect(page.locator(f"[data-pseudonym='{PSEUDONYM}']")).to_have_text([NAME] * (number + 2))
    assert len(console.to_vault) <= 2, "the preflight and one question: the rest comes from memory"
    console.alert(pseudonym=OTHER)
    expect(console.who(OTHER)).to_have_text(OTHER_NAME)
    asked = [json.loads(one.post_data or "{}") for one in console.to_vault if one.method == "POST"]
    assert [one["pseudonyms"] for one in asked] == [[PSEUDONYM], [OTHER]]
    assert {(one.role, one.purpose, one.school) for one in console.vault.claims} == {
        ("nurse", "health", SCHOOL)
    }


def test_the_name_goes_nowhere_but_onto_the_screen(console: Console) -> None:
    page = console.open()
    expect(console.who()).to_have_text(NAME)
    page.locator("#filter").evaluate(
        "(box) => { box.value = '301'; box.dispatchEvent(new Event('input', { bubbles: true })) }"
    )
    page.get_by_role("button", name="确认收到").click()
    seen = page.locator("#seen-alerts")
    seen.locator("summary").click()
    expect(seen).to_contain_text(NAME)
    page.locator("#language").click()
    expect(console.who()).to_have_text(NAME)
    kept = page.evaluate(
        "() => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href,"
        " document.title, history.state, [...document.querySelectorAll('input')].map((one) => one.value)])"
    )
    assert NAME not in kept
    assert (
        page.evaluate("async () => (await indexedDB.databases()).length + (await caches.keys()).length") == 0
    )
    assert any("acknowledge" in sent for sent in console.sent)
    urls = [one.url for one in console.to_vault]
    assert set(urls) == {f"{console.vault.url}/v1/resolve"}
    assert not any("cookie" in one.all_headers() for one in console.to_vault)
    assert not any("referer" in one.all_headers() for one in console.to_vault)


def test_a_call_for_help_from_somebody_who_carries_a_button(console: Console) -> None:
    console.alert(
        kind="panic", device=None, site=None, value=1.0, unit="bool", limit=None, pseudonym=OTHER,
        record_type="safety_event", place="sports/field",
    )  # fmt: skip
    page = console.open()
    card = page.locator("li.alert.safety")
    expect(card).to_contain_text(OTHER_NAME)
    for text in ("紧急求助", "3-2", "sports/field", "请立即前往"):
        expect(card).to_contain_text(text)
    expect(card).not_to_contain_text("设备")
    assert {one.purpose for one in console.vault.claims} == {"health", "safety"}


def _people(text: str) -> Answer:
    return 200, "application/json", f'{{"people": {{"{PSEUDONYM}": {text}}}}}'.encode()


PROBLEM = "application/problem+json"
NO_NAMES: tuple[tuple[Answer | None, str, str], ...] = (
    ((503, PROBLEM, b"{}"), "连不上身份库", "cannot be reached"),
    ((403, PROBLEM, b"{}"), "没有同意", "did not agree"),
    ((401, PROBLEM, b"{}"), "没有同意", "did not agree"),
    ((429, PROBLEM, b"{}"), "查询次数太多", "too often"),
    ((200, "application/json", b"rubbish"), "看不懂", "makes no sense"),
    ((200, "application/json", b"[]"), "看不懂", "makes no sense"),
    (_people('{"name": 5}'), "看不懂", "makes no sense"),
    (_people('{"name": ""}'), "看不懂", "makes no sense"),
    (_people("[]"), "看不懂", "makes no sense"),
    (None, "连不上身份库", "cannot be reached"),
)


def test_without_names_the_pseudonym_stays_and_a_note_says_why(console: Console) -> None:
    for number, (answer, zh, en) in enumerate(NO_NAMES):
        if answer is None:
            console.vault.close()
        else:
            console.vault.spoil = always(answer)
        console.page.goto(f"{console.running.url}/?lang={'en' if number % 2 else 'zh'}")
        expect(console.note).to_contain_text(en if number % 2 else zh)
        expect(console.who()).to_have_text(SHORT)


def test_markup_in_a_name_is_text_and_strangers_in_an_answer_are_ignored(console: Console) -> None:
    markup = "<img src=x onerror='document.title=1'>"
    people = {PSEUDONYM: {"name": markup}, "toString": {"name": "x"}, OTHER: {"name": OTHER_NAME}}
    body = json.dumps({"people": people}).encode()
    console.vault.spoil = always((200, "application/json", body))
    console.open()
    expect(console.who()).to_have_text(markup)
    console.vault.spoil = lambda given: given
    console.vault.people = {}
    console.alert(pseudonym=OTHER)
    expect(console.who(OTHER)).to_have_text(f"{OTHER[:4]}-{OTHER[4:8]}…")
    expect(console.note).to_be_hidden()


def test_names_go_with_their_token_and_come_again_under_a_new_one(console: Console) -> None:
    console.page.clock.install()
    console.open()
    expect(console.who()).to_have_text(NAME)
    console.vault.close()
    console.page.clock.fast_forward(299_000)
    expect(console.who()).to_have_text(NAME)
    console.page.clock.fast_forward(2_000)
    expect(console.who()).to_have_text(SHORT)
    expect(console.note).to_contain_text("连不上身份库")
    console.vault.open()
    console.page.clock.fast_forward(31_000)
    expect(console.who()).to_have_text(NAME)
    expect(console.note).to_be_hidden()
    assert len({one.session for one in console.vault.claims}) == 1
    assert len({one.issued_ms for one in console.vault.claims}) == 2


def test_a_page_that_nobody_looks_at_forgets_the_names(console: Console) -> None:
    console.page.clock.install()
    page = console.open()
    expect(console.who()).to_have_text(NAME)
    look = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(look, True)
    page.clock.fast_forward(299_500)
    asked = len(console.vault.claims)
    page.clock.fast_forward(1_000)
    expect(console.who()).to_have_text(SHORT)
    page.clock.fast_forward(60_000)
    expect(console.who()).to_have_text(SHORT)
    assert len(console.vault.claims) == asked, "nobody looks, so nobody is asked"
    page.evaluate(look, False)
    expect(console.who()).to_have_text(NAME)


def test_without_a_role_for_it_or_without_a_vault_the_page_says_so(
    running: Running, vault: VaultDouble, console: Console
) -> None:
    configure(running, vault, role="pe_teacher")
    console.open()
    expect(console.note).to_contain_text("没有同意")
    expect(console.who()).to_have_text(SHORT)
    running.restart_with(names=None)
    page = console.open("/?lang=en")
    expect(console.note).to_have_text("No vault is configured: pseudonyms instead of names.")
    expect(console.who()).to_have_text(SHORT)
    expect(page.locator("#gateways")).not_to_contain_text("Class lists")
    assert console.to_vault == []


def test_a_phone_has_room_for_names(console: Console) -> None:
    console.vault.people[OTHER] = {"name": "A" * 60, "class_id": "3-2"}
    console.alert(pseudonym=OTHER)
    console.page.set_viewport_size(PHONE)
    for language, lists in (("zh", r"班级名单为 \d\d:\d\d 的版本"), ("en", r"Class lists as of \d\d:\d\d")):
        page = console.open(f"/?lang={language}")
        expect(console.who(OTHER)).to_have_text("A" * 60)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        expect(page.locator("#gateways")).to_contain_text(re.compile(lists))
