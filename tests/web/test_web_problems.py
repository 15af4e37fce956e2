"""Errors in the reader's language: documents for programs, pages for people, and a type that never changes."""

from __future__ import annotations

import re
from typing import Any

import httpx
from sqlalchemy import text

from collector.web.problem_words import KINDS, TYPE, wrong_words
from tests.web.conftest import GATEWAY, SCHOOL, School
from tests.web.signing_parts import browser, enter, with_accounts

CHINESE = re.compile(r"[\u4e00-\u9fff]")
WRONG = [
    ("GET", "/api/v1/nothing", 404, "not-found"),
    ("PUT", "/api/v1/alerts", 405, "method-not-allowed"),
    ("GET", "/api/v1/alerts?limit=0", 422, "invalid"),
    ("GET", "/api/v1/alerts?state=shut", 422, "invalid"),
    ("GET", "/api/v1/alerts?cursor=x", 422, "invalid"),
    ("GET", "/api/v1/alerts?stte=open", 422, "invalid"),
    ("GET", "/api/v1/series/query?id=x", 422, "invalid"),
    ("GET", "/api/v1/series/query?id=1&start=yesterday", 422, "invalid"),
    ("GET", "/api/v1/series/query?id=1&start=2026-09-01T08:00", 422, "invalid"),
    ("GET", "/api/v1/series/query?id=1&step=5", 422, "invalid"),
    ("GET", "/api/v1/series/query", 422, "invalid"),
    ("GET", f"/api/v1/series?place={'x' * 300}", 422, "invalid"),
    ("GET", "/api/v1/exports/series.senml?id=1&cursor=7", 422, "invalid"),
    ("GET", "/api/v1/exports/observations.fhir", 422, "invalid"),
    ("GET", "/api/v1/exports/observations.fhir?kind=temperature", 404, "no-vault"),
    ("POST", "/api/v1/alerts/77/acknowledge", 404, "not-found"),
    ("POST", "/api/v1/resolve-token", 422, "invalid"),
    ("GET", f"/api/v1/gateways/{SCHOOL}/{GATEWAY}/configuration", 404, "not-found"),
    ("GET", f"/api/v1/gateways/{SCHOOL}/{GATEWAY}/configurations/0", 422, "invalid"),
    ("PUT", f"/api/v1/gateways/{SCHOOL}/{GATEWAY}/configuration", 404, "not-found"),
    ("POST", f"/api/v1/gateways/{SCHOOL}/{GATEWAY}/invitations", 409, "enrolment-by-hand"),
    ("DELETE", f"/api/v1/gateways/{SCHOOL}/{GATEWAY}", 404, "not-found"),
    ("GET", "/sign-in", 404, "no-accounts"),
]


async def test_the_words_follow_the_reader_and_the_type_does_not(client: httpx.AsyncClient) -> None:
    for method, path, status, kind in WRONG:
        for language, content_language in (("zh-CN", "zh-CN"), ("en-GB", "en"), (None, "zh-CN")):
            headers = {"Accept-Language": language} if language else {}
            answer = await client.request(method, path, headers=headers)
            assert answer.status_code == status, f"{method} {path}: {answer.text}"
            assert answer.headers["content-language"] == content_language
            problem = answer.json()
            assert problem["type"] == TYPE + kind
            assert kind in KINDS
            told = [
                problem["title"],
                problem["detail"],
                *(one["message"] for one in problem.get("errors", [])),
            ]
            told += [problem["remedy"]] if "remedy" in problem else []
            in_chinese = [bool(CHINESE.search(one)) for one in told]
            assert in_chinese == [content_language == "zh-CN"] * len(told), f"{method} {path}: {told}"


async def test_a_page_and_its_scripts_are_told_in_the_language_of_the_page(client: httpx.AsyncClient) -> None:
    page = {"Accept": "text/html", "Accept-Language": "zh-CN"}
    answer = await client.get("/fleet/x/y?lang=en", headers=page)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "no gateway x/y is registered here" in answer.text
    client.cookies.set("lang", "en")
    answer = await client.post("/alerts/77/acknowledge", headers=page | {"HX-Request": "true"})
    assert "no such alert" in answer.json()["detail"]


PAGES: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", "/nothing", {}, 404, "没有 /nothing 这个地址"),
    ("GET", "/fleet?rows=0", {}, 422, "查询参数 rows：不能小于 1"),
    ("GET", f"/fleet/{SCHOOL}/{GATEWAY}", {}, 404, f"没有登记网关 {SCHOOL}/{GATEWAY}"),
    ("GET", "/fleet", {"headers": {"Host": "evil.example"}}, 421, "本服务不叫这个名称"),
    ("POST", "/fleet/invite", {"content": b"x" * 20_000}, 413, "超过 16384 字节"),
    ("POST", "/fleet/invite", {"content": b"x"}, 400, "不是表单"),
    ("POST", "/sign-out", {"headers": {"Sec-Fetch-Site": "cross-site"}}, 403, "自己的页面上修改"),
]


async def test_people_are_told_on_a_page(client: httpx.AsyncClient) -> None:
    client.headers["Accept"] = "text/html"
    for method, path, more, status, words in PAGES:
        answer = await client.request(method, path, **more)
        assert answer.status_code == status, path
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert words in answer.text
        assert 'href="/"' in answer.text


async def test_who_is_signed_in_stays_on_the_page_that_says_what_is_wrong(school: School) -> None:
    bench = with_accounts(school)
    async with browser(school) as client:
        await enter(bench, client, "facilities")
        answer = await client.get("/fleet/x/y")
        assert answer.status_code == 404
        assert "who-here" in answer.text


async def test_a_database_that_is_away_is_a_page_too(school: School) -> None:
    with_accounts(school)
    async with browser(school) as client:
        await school.records.run(lambda connection: connection.execute(text("DROP TABLE sessions")))
        client.cookies.set("session", "x" * 43)
        answer = await client.get("/account")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "数据库暂时没有回应" in answer.text


def test_what_pydantic_finds_and_nobody_has_words_for_is_said_in_general() -> None:
    assert wrong_words({"type": "url_scheme", "msg": "bad", "ctx": {}}) == ("不符合要求", "bad")
    assert wrong_words({"type": "less_than", "msg": "bad"}).zh == "不符合要求"
