"""The guardians' pages asked without a browser: sessions, forms with rubbish, limits, headers."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from identity_vault import audit, roster
from identity_vault.exchange.desk import ExchangeDesk
from identity_vault.rights import export, links, orders, receipts
from identity_vault.rights.pages import entrance, sessions
from identity_vault.vault import Vault
from telemetry.exchange import OrderReport
from telemetry.purposes import PURPOSE_NAMES
from tests.vault.guardian_parts import Browser, Family, add_family, make_app, make_link
from tests.vault.vault_parts import NOW_MS, make_config, make_vault

PAGES = (
    "/g/",
    "/g/consent/health",
    "/g/export",
    "/g/export/view",
    "/g/export/file",
    "/g/correct",
    "/g/erase",
)
FORMS = ("/g/consent/health", "/g/export", "/g/correct", "/g/erase", "/g/leave")
POLICY = {
    "default-src 'none'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"
}  # fmt: skip


class Clock:
    now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def served(tmp_path: Path, clock: Clock) -> Iterator[Vault]:
    with make_vault(tmp_path, now_ms=clock) as vault:
        yield vault


@pytest.fixture
async def app(served: Vault) -> AsyncIterator[FastAPI]:
    desk = ExchangeDesk(served)
    yield make_app(served, desk)
    desk.close()


@pytest.fixture
def family(served: Vault) -> Family:
    return add_family(served, 1)


@pytest.fixture
async def browser(app: FastAPI, served: Vault, family: Family) -> AsyncIterator[Browser]:
    """With an open session."""
    browser = Browser(app)
    assert (await browser.open(make_link(served, family))).status_code == 200
    yield browser
    await browser.http.aclose()


async def test_a_link_is_opened_by_its_button_only_and_once(
    app: FastAPI, served: Vault, family: Family
) -> None:
    secret, browser = make_link(served, family), Browser(app)
    for _ in range(3):  # messengers look at a link before people do
        shown = await browser.get(f"/g/open/{secret}")
        assert shown.status_code == 200
        assert "set-cookie" not in shown.headers
        assert family.name not in shown.text
    opened = await browser.http.post("/g/open", data={"secret": secret})
    assert (opened.status_code, opened.headers["location"]) == (303, "/g/")
    cookie = opened.headers["set-cookie"]
    assert all(one in cookie for one in ("HttpOnly", "SameSite=strict", "Path=/g", "Max-Age=1800"))
    assert secret not in cookie
    again = await Browser(app).open(secret)
    assert again.status_code == 410
    assert "已经用过" in again.text


async def test_an_expired_and_an_unknown_link_open_nothing(
    app: FastAPI, served: Vault, family: Family, clock: Clock
) -> None:
    secret = make_link(served, family)
    clock.now_ms += links.LINK_LIFE_MS
    expired = await Browser(app).open(secret)
    assert expired.status_code == 410
    assert "已过期" in expired.text
    for rubbish in ("", "0" * 32, "x" * 5_000, "'; DROP TABLE links; --", "\u0660" * 32):
        assert (await Browser(app).open(rubbish)).status_code in {400, 404}
    assert (await Browser(app).get("/g/open/" + "%00" * 4)).status_code == 404


async def test_a_session_ends_after_half_an_hour_and_when_one_leaves(browser: Browser, clock: Clock) -> None:
    assert (await browser.get("/g/")).status_code == 200
    clock.now_ms += links.SESSION_LIFE_MS - 1
    assert (await browser.get("/g/")).status_code == 200
    cookies = dict(browser.http.cookies)
    assert (await browser.post("/g/leave")).status_code == 200
    browser.http.cookies.update(cookies)  # a stolen copy is of no use any more
    assert (await browser.get("/g/")).status_code == 401


async def test_half_an_hour_is_over(browser: Browser, clock: Clock) -> None:
    clock.now_ms += links.SESSION_LIFE_MS
    assert (await browser.get("/g/")).status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "0" * 32, "0" * 5_000, "%00", "é"])
async def test_without_a_session_there_is_nothing_to_see(app: FastAPI, family: Family, cookie: str) -> None:
    browser = Browser(app)
    headers = {b"cookie": f"{sessions.COOKIE}={cookie}".encode()}
    for path in (*PAGES, "/g/receipt/R-7K3M-9PXA-4C20"):
        response = await browser.http.get(path, headers=headers)
        assert response.status_code == 401
        assert family.name not in response.text
    for path in FORMS:
        response = await browser.http.post(path, headers=headers, data={"token": "x"})
        assert response.status_code == 401


async def test_the_session_of_another_guardian_sees_nothing_of_this_one(
    app: FastAPI, served: Vault, browser: Browser, family: Family
) -> None:
    code = (await browser.post("/g/consent/health", act="withdraw")).url.path.rpartition("/")[2]
    await browser.post("/g/export")
    other = Browser(app)
    await other.open(make_link(served, add_family(served, 2)))
    assert (await browser.get(f"/g/receipt/{code}")).status_code == 200
    assert (await other.get(f"/g/receipt/{code}")).status_code == 404
    assert (await other.get("/g/export/file")).status_code == 404
    for path in PAGES:
        text = (await other.get(path)).text
        assert not any(one in text for one in (family.name, family.number, family.guardian.details.phone))
    # Nor may it use the other's forms: a token is of one session.
    other.token = browser.token
    assert (await other.http.post("/g/erase", data={"token": browser.token})).status_code == 400


async def test_every_page_is_safe_to_show_and_says_the_same_in_both_languages(browser: Browser) -> None:
    for path in (*PAGES, "/g/nothing", "/g/static/guardian.css"):
        for language in ("zh-CN", "en"):
            response = await browser.get(path, **{"accept-language": language})
            policy = response.headers["content-security-policy"]
            assert {one.strip() for one in policy.split(";")} == POLICY
            assert "style=" not in response.text
            assert "<script" not in response.text
            if path.endswith(".css"):
                continue
            assert response.headers["cache-control"] == "no-store"
    assert "Who has looked" in (await browser.get("/g/?lang=en")).text
    assert "Who has looked" in (await browser.get("/g/")).text  # remembered


async def test_the_page_tells_what_is_collected_for_what(browser: Browser, family: Family) -> None:
    text = (await browser.get("/g/")).text
    for words in (
        "晨检与健康",
        "体育课心率",
        "进出校门",
        "用餐与营养",
        "紧急求助",
        "7 天",
        "人工晨检",
        "已同意",
        "未同意",
    ):
        assert words in text
    assert family.name in text
    assert "花生" in text
    assert "04A1B2C3" not in text


async def test_consent_is_given_with_a_tick_and_withdrawn_with_one_press(
    browser: Browser, served: Vault, family: Family
) -> None:
    def permitted() -> set[str]:
        with served.read() as connection:
            pupil = roster.get_pupil(served, connection, family.pupil)
            assert pupil is not None
            consents = roster.consents_of(connection, [pupil.id])
            return set(roster.effective([pupil], consents, NOW_MS, served.config.zone)[pupil.id])

    refused = await browser.post("/g/consent/sport", act="give")
    assert refused.status_code == 400
    assert permitted() == {"health", "safety"}
    given = await browser.post("/g/consent/sport", act="give", agree="yes")
    assert given.url.path.startswith("/g/receipt/R-")
    assert permitted() == {"health", "sport", "safety"}
    withdrawn = await browser.post("/g/consent/health", act="withdraw")
    assert "已停止" in withdrawn.text
    assert permitted() == {"sport", "safety"}
    again = await browser.post("/g/consent/health", act="withdraw")
    assert again.status_code == 400
    with served.read() as connection:
        actions = [row.action for row in audit.find(connection, actor=f"guardian:{family.guardian.id}")]
    assert actions == ["guardian_open", "consent_give", "consent_withdraw"]


@pytest.mark.parametrize(
    "path", ["/g/consent/safety", "/g/consent/%00", "/g/consent/x", "/g/receipt/x", "/g/x/y"]
)
async def test_what_is_not_there_is_told_so(browser: Browser, path: str) -> None:
    response = await browser.get(path)
    assert response.status_code == 404
    assert "这里没有内容" in response.text


FIELDS = ("token", "secret", "act", "agree", "field", "value", "number")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from((*FORMS, "/g/open")),
    fields=st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=60), max_size=7),
    with_token=st.booleans(),
    raw=st.none() | st.binary(max_size=200),
)
async def test_rubbish_in_every_form_is_refused(
    browser: Browser, served: Vault, family: Family, clock: Clock, *,
    path: str, fields: dict[str, str], with_token: bool, raw: bytes | None,
) -> None:  # fmt: skip
    if path in {"/g/leave", "/g/export"}:
        with_token = False  # with the right token these need nothing more
    clock.now_ms += 3_600_000  # not the limits are tried here
    browser.http.cookies.clear()
    await browser.open(make_link(served, family))
    if with_token:
        fields = fields | {"token": browser.token}
    if raw is None:
        response = await browser.http.post(path, data=fields)
    else:
        headers = {"content-type": "application/x-www-form-urlencoded"}
        response = await browser.http.post(path, content=raw, headers=headers)
    assert response.status_code in {303, 400, 404}
    if response.status_code == 303:  # a name may be any text; it waits for the school
        assert (path, fields["field"]) in {("/g/correct", "name"), ("/g/correct", "allergens")}
    with served.read() as connection:
        assert roster.get_pupil(served, connection, family.pupil) is not None


@pytest.mark.parametrize(
    ("content", "type_"),
    [
        (b"x" * 9_000, "application/x-www-form-urlencoded"),
        (b"a=1&" * 500, "application/x-www-form-urlencoded"),
        (b"a=%ff", "application/x-www-form-urlencoded"),
        (b"\xff\xfe", "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
        (b"--x\r\n\r\n", "multipart/form-data; boundary=x"),
        (b"", ""),
    ],
)
async def test_a_body_that_is_no_form_is_refused(browser: Browser, content: bytes, type_: str) -> None:
    response = await browser.http.post("/g/erase", content=content, headers={"content-type": type_})
    assert response.status_code == 400


async def test_a_form_of_another_site_is_refused(browser: Browser, served: Vault, family: Family) -> None:
    fields = {"token": browser.token, "number": family.number[-4:]}
    for headers in ({"origin": "https://elsewhere.example"}, {"sec-fetch-site": "cross-site"}):
        response = await browser.http.post("/g/erase", data=fields, headers=headers)
        assert response.status_code == 403
    with served.read() as connection:
        assert roster.get_pupil(served, connection, family.pupil) is not None


async def test_a_copy_has_everything_and_the_records_once_they_come(
    browser: Browser, served: Vault, family: Family
) -> None:
    waiting = await browser.post("/g/export")
    assert 'http-equiv="refresh"' in waiting.text
    assert "还没有回答" in (await browser.get("/g/export/view")).text
    with served.begin() as connection:
        (order,) = orders.open_orders(served, connection)
        row = {"time_ms": NOW_MS, "place": "gate/<east>", "temperature_c": 37.9, "symptoms": "cough,fever",
               "pseudonym": order.pseudonyms[0]}  # fmt: skip
        records = msgspec.msgpack.encode({"morning_check": [row], "meal_record": [], "secrets": [row]})
        orders.finish(served, connection, OrderReport(order.id, {}, records))
    ready = await browser.get("/g/export")
    assert 'http-equiv="refresh"' not in ready.text
    view = (await browser.get("/g/export/view")).text
    assert "gate/&lt;east&gt;" in view
    assert "咳嗽、发热" in view
    response = await browser.get("/g/export/file")
    assert response.headers["content-disposition"].endswith('.zip"')
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        assert set(archive.namelist()) == {export.JSON_NAME, export.PAGE_NAME}
        data, page = json.loads(archive.read(export.JSON_NAME)), archive.read(export.PAGE_NAME).decode()
    assert data["pupil"]["name"] == family.name
    assert data["records"] == {
        "meal_record": [],
        "morning_check": [{key: value for key, value in row.items() if key != "pseudonym"}],
    }
    assert [one["masked"] for one in data["credentials"]] == ["***0001"]
    assert data["guardians"][0]["phone"] == family.guardian.details.phone
    assert {one["purpose"] for one in data["consents"]} == {"health"}
    assert {"guardian_open", "export"} <= {one["action"] for one in data["looks"]}
    assert "咳嗽" in page
    assert "<link" not in page
    for text in (json.dumps(data), page):
        assert order.pseudonyms[0] not in text


async def test_everything_is_deleted_in_two_steps(browser: Browser, served: Vault, family: Family) -> None:
    assert 'name="number"' not in (await browser.get("/g/erase")).text
    assert 'name="number"' in (await browser.get("/g/erase?step=2")).text
    assert (await browser.post("/g/erase", number="9999")).status_code == 400
    with served.read() as connection:
        assert roster.get_pupil(served, connection, family.pupil) is not None
    done = await browser.post("/g/erase", number=family.number[-4:])
    assert done.status_code == 200
    assert "R-" in done.text
    assert family.name not in done.text
    assert (await browser.get("/g/")).status_code == 401
    with served.read() as connection:
        assert roster.get_pupil(served, connection, family.pupil) is None
        assert receipts.of_pupil(connection, family.pupil) == []
        (order,) = orders.open_orders(served, connection)
        epochs = roster.open_epochs(connection)
    assert len(order.pseudonyms) == len(PURPOSE_NAMES) * len(epochs)


async def test_who_asks_too_often_has_to_wait(
    browser: Browser, app: FastAPI, clock: Clock, served: Vault
) -> None:
    answers = [
        (await browser.http.post("/g/consent/health", data={"token": browser.token, "act": "x"})).status_code
        for _ in range(sessions.CHANGES_PER_HOUR + 1)
    ]
    assert answers == [400] * sessions.CHANGES_PER_HOUR + [429]
    clock.now_ms += 60_000
    stranger = Browser(app)
    opened: list[httpx.Response] = [
        await stranger.http.post("/g/open", data={"secret": "0" * 32})
        for _ in range(entrance.OPENINGS_PER_MINUTE + 1)
    ]
    assert [one.status_code for one in opened] == [404] * entrance.OPENINGS_PER_MINUTE + [429]
    assert opened[-1].headers["retry-after"] == "60"


async def test_whoever_has_no_session_cannot_use_up_what_a_guardian_may_ask(
    browser: Browser, app: FastAPI
) -> None:
    stranger = Browser(app)
    answers = [(await stranger.get("/g/")).status_code for _ in range(sessions.REQUESTS_PER_MINUTE + 1)]
    assert answers == [401] * sessions.REQUESTS_PER_MINUTE + [429]
    assert (await browser.get("/g/")).status_code == 200


async def test_a_child_who_has_left_is_told_so(browser: Browser, served: Vault, family: Family) -> None:
    with served.begin() as connection:
        roster.change_pupil(served, connection, family.pupil, state="left")
    text = (await browser.get("/g/")).text
    assert "已经离校" in text
    assert "查看并决定" not in text
    assert "撤回同意" in text


async def test_the_cookie_is_secure_where_the_vault_has_tls(tmp_path: Path) -> None:
    config = make_config(tmp_path, web={"public_url": "https://vault.example.edu.cn"})
    with make_vault(tmp_path, config=config) as vault:
        family = add_family(vault, 1)
        assert links.address(vault, "S" * 32) == f"https://vault.example.edu.cn/g/open/{'S' * 32}"
        desk = ExchangeDesk(vault)
        browser = Browser(make_app(vault, desk))
        response = await browser.http.post("/g/open", data={"secret": make_link(vault, family)})
        desk.close()
    assert "Secure" in response.headers["set-cookie"]
