"""Server-sent events through a real uvicorn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import update

from collector.accounts.principal import Principal
from collector.classes import SchoolClass
from collector.records.tables import alerts
from collector.web import events
from collector.web.api import live
from tests.web.conftest import SAFETY, SCHOOL, Running, now_ms, wait_until


@contextmanager
def listen(running: Running) -> Iterator[Iterator[str]]:
    """The lines of an open stream."""
    with (
        httpx.Client(base_url=running.url, timeout=20) as client,
        client.stream("GET", "/api/v1/events") as answer,
    ):
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-store"
        yield answer.iter_lines()


def next_events(lines: Iterator[str], count: int) -> list[str]:
    found: list[str] = []
    silence = 0
    while len(found) < count:
        line = next(lines)
        silence += line.startswith(":")
        assert silence < 3, "the signal does not come"
        if line.startswith("event: "):
            found.append(line.removeprefix("event: "))
            assert next(lines) == "data: changed"
    return found


def test_signals_arrive_and_say_nothing_more(running: Running) -> None:
    with listen(running) as lines:
        assert next_events(lines, 3) == ["alerts", "gateways", "series"]
        running.call(running.school.add_alert())
        running.publish("alerts")
        assert next_events(lines, 1) == ["alerts"]
        running.publish("alerts")
        running.publish("series")
        assert next_events(lines, 1) == ["series"]


NURSE = Principal.of_role("li", "nurse")
TEACHER = replace(Principal.of_role("wang", "class_teacher"), classes=(SchoolClass(SCHOOL, "3-2"),))
FEVER: dict[str, object] = {}
ELSEWHERE: dict[str, object] = {"school": "example-middle"}
SIGHTS: list[tuple[Principal, dict[str, object], dict[str, object]]] = [
    (Principal.of_role("he", "facilities"), SAFETY | {"kind": "smoke"}, FEVER),
    (replace(NURSE, schools=frozenset({SCHOOL})), FEVER, ELSEWHERE),
    (TEACHER, FEVER, ELSEWHERE),
    (TEACHER, FEVER, {"class_id": "4-1"}),
]
"""Who listens, an alert that they see and one that they do not."""


def test_nobody_is_told_of_an_alert_that_they_do_not_see(running: Running) -> None:
    asker = NURSE

    async def identify(_: object) -> Principal:
        return asker

    running.school.app.state.identify = identify
    inside = running.school.parts.alert_numbers.inside
    for asker, told, untold in SIGHTS:  # read by `identify`
        topics = [topic for topic, some in live.TOPICS.items() if any(map(asker.may, some))]
        with listen(running) as lines:
            next_events(lines, len(topics))
            running.call(running.school.add_alert(**untold))
            running.publish("alerts")
            running.publish("series")
            assert next_events(lines, 1) == ["series"]
            number = running.call(running.school.add_alert(**told))
            running.publish("alerts")
            assert next_events(lines, 1) == ["alerts"]
            running.call(running.school.records.acknowledge_alert(inside(number), "li", now_ms()))
            running.publish("alerts")
            assert next_events(lines, 1) == ["alerts"], "acknowledged"


def test_an_alert_that_says_less_than_before_is_told(running: Running) -> None:
    """When its record's time is over, or its pupil is erased."""
    running.call(running.school.add_alert())

    def forget(name: str) -> None:
        statement = update(alerts).values({name: None})
        running.call(running.school.records.run(lambda connection: connection.execute(statement)))

    with listen(running) as lines:
        next_events(lines, 3)
        for name in ("pseudonym", "value"):
            forget(name)
            running.publish("alerts")
            running.publish("series")
            assert sorted(next_events(lines, 2)) == ["alerts", "series"], name


def test_silence_is_kept_alive(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "KEEP_ALIVE_S", 0.05)
    with listen(running) as lines:
        next_events(lines, 3)
        comments = (line for line in lines if line.startswith(":"))
        assert [next(comments), next(comments)] == [": still here", ": still here"]


def test_a_listener_that_leaves_is_forgotten(running: Running) -> None:
    with listen(running) as lines:
        next_events(lines, 3)
        wait_until(lambda: running.school.hub.listeners == 1)
    wait_until(lambda: running.school.hub.listeners == 0)
    assert running.school.app.state.streams.open == 0


def test_listeners_are_bounded(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "LISTENERS_MAX", 3)
    with ExitStack() as stack:
        streams = [stack.enter_context(listen(running)) for _ in range(3)]
        for lines in streams:
            next_events(lines, 3)
        answer = httpx.get(f"{running.url}/api/v1/events")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
    wait_until(lambda: running.school.app.state.streams.open == 0)
    with listen(running) as lines:
        next_events(lines, 3)


def test_an_open_stream_does_not_keep_the_server_from_stopping(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uvicorn has no time-out of its own here: without the closing signal it would wait for ever."""
    monkeypatch.setattr(events, "KEEP_ALIVE_S", 600.0)
    with listen(running) as lines:
        next_events(lines, 3)
        running.end_serving()
        assert "event: alerts" not in list(lines)
    running.serve()
    with listen(running) as lines:
        next_events(lines, 3)
