"""Notices: written with the alert, told at least once, and nothing in them about a person."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from collector.alerts.numbers import AlertNumbers
from collector.hub import Hub
from collector.notifiers import delivery as delivering
from collector.notifiers.contract import Notice, NotifyLaterError, NotifyNeverError
from collector.notifiers.delivery import AGE_MS_MAX, LEASE_MS, TRIES_MAX, Delivery
from collector.notifiers.plugin import NotifierPlugin
from collector.notifiers.settings import BUNDLED, NotifierSection, NotifierTable
from collector.notifiers.webhook import Webhook, WebhookSettings
from collector.records import Records
from collector.records import alerts as alert_rows
from collector.records import notices as notice_rows
from collector.scenarios.kinds import AlertKinds
from collector.text import Text
from collector.web.labels import Labels
from foundation.plugins import PluginError
from tests.collector.conftest import (
    NOW_MS,
    PSEUDONYM,
    SCHOOL,
    SMOKE,
    MakeLab,
    Sender,
    check,
    column,
    eventually,
)
from tests.collector.record_databases import RecordsDatabase, on_both

KINDS = AlertKinds()
NUMBERS = AlertNumbers(bytes(32))
LABELS = Labels({"main": Text("教学楼", "Main building"), "main/301": Text("301 教室", "Room 301")})
FEVER: dict[str, object] = {
    "kind": "fever", "place": "gate/east", "device": "station-gate", "pseudonym": PSEUDONYM,
    "class_id": "3-2", "site": "forehead", "value": 38.2, "unit": "Cel", "limit": 37.3,
    "record_type": "morning_check", "doubtful": True,
}  # fmt: skip


def section(name: str, **settings: Any) -> NotifierSection:
    return NotifierSection(name=name, kind="webhook", **settings)


class Told:
    """A notifier that keeps what it was told, or does what it is told to."""

    def __init__(self, *does: Exception | None, hangs: bool = False) -> None:
        self.notices: list[Notice] = []
        self.begun = asyncio.Event()
        self._does = list(does)
        self._hangs = hangs

    async def notify(self, notice: Notice) -> None:
        self.begun.set()
        if self._hangs:
            await asyncio.Event().wait()
        error = self._does.pop(0) if self._does else None
        if error is not None:
            raise error
        self.notices.append(notice)


class Desk:
    """A records database with alerts, and deliveries by a clock of its own."""

    def __init__(self, records: Records) -> None:
        self.records, self.hub = records, Hub()
        self.now_ms = NOW_MS
        self.registry = CollectorRegistry()
        self._alerts = 0

    def delivery(
        self, *notifiers: tuple[NotifierSection, Any], registry: CollectorRegistry | None = None
    ) -> Delivery:
        return Delivery(
            notifiers,
            records=self.records,
            hub=self.hub,
            kinds=KINDS,
            labels=LABELS,
            collector="c0ffee",
            numbers=NUMBERS,
            registry=registry or self.registry,
            now_ms=lambda: self.now_ms,
        )

    async def raise_alert(self, outbox: Callable[[str, str], Sequence[str]], **changes: object) -> None:
        self._alerts += 1
        row: dict[str, Any] = {
            "cause": f"cause-{self._alerts}", "kind": "smoke", "state": "open", "school": SCHOOL,
            "gateway": "gw-1", "device": "smoke-301", "place": "main/301", "at_ms": self.now_ms,
            "opened_ms": self.now_ms, "pseudonym": None, "class_id": None, "site": None, "value": 1.0,
            "unit": "bool", "limit": None, "doubtful": False, "record_type": None,
        } | changes  # fmt: skip
        await self.records.run(
            lambda connection: notice_rows.add(
                connection, alert_rows.add_fresh(connection, [row]), outbox, self.now_ms
            )
        )
        self.hub.publish("alerts")

    def pass_s(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1_000)
        self.hub.publish("alerts")

    def count(self, name: str, notifier: str) -> float:
        return self.registry.get_sample_value(f"campus_{name}", {"notifier": notifier}) or 0.0


@pytest.fixture
async def desk(database: RecordsDatabase) -> AsyncIterator[Desk]:
    records = database.open()
    yield Desk(records)
    await records.close()


@contextlib.asynccontextmanager
async def running(*deliveries: Delivery) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(one.run(), name="delivery-under-test") for one in deliveries]
    await asyncio.sleep(0)
    yield
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


@on_both
async def test_a_notice_is_written_with_its_alert_once(make_lab: MakeLab, database: RecordsDatabase) -> None:
    sender = Sender()
    sections = [
        section("siren"),
        section("nurse", health=True, kinds=("fever",)),
        section("elsewhere", schools=("x",)),
    ]

    def outbox(kind: str, school: str) -> list[str]:
        return [one.name for one in sections if one.wants(kind, school, KINDS)]

    lab = await make_lab(sender, outbox=outbox)
    urgent = sender.batch(1, column(SMOKE, [1.0]), stream="urgent", records=[check()])
    await lab.send(urgent)
    await eventually(lambda: 1 in lab.received())
    await lab.send(urgent)
    await lab.send(sender.batch(2, column(SMOKE, [0.0]), stream="urgent"))
    await eventually(lambda: 2 in lab.received())
    rows = database.rows(
        "select alerts.kind, notices.notifier, notices.state, notices.tries from notices "
        "join alerts on alerts.id = notices.alert order by alerts.kind"
    )
    assert rows == [("fever", "nurse", "waiting", 0), ("smoke", "siren", "waiting", 0)]


async def test_without_its_notice_no_alert_is_committed(
    make_lab: MakeLab, database: RecordsDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender = Sender()
    lab = await make_lab(sender, outbox=lambda kind, school: ["siren"])

    def broken(*_: object) -> None:
        raise RuntimeError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(notice_rows, "add", broken)
        await lab.send(sender.batch(1, column(SMOKE, [1.0]), stream="urgent"))
        await eventually(lambda: lab.count("campus_intake_given_back_total", reason="line"))
    assert database.rows("select * from alerts") == []
    assert lab.received() == set(), "the gateway keeps it"
    await asyncio.sleep(1.1)  # the line's pause after trouble
    await lab.send(sender.batch(1, column(SMOKE, [1.0]), stream="urgent"))
    await eventually(lambda: 1 in lab.received())
    assert database.rows("select kind from alerts") == [("smoke",)]
    assert len(database.rows("select * from notices")) == 1


async def test_what_is_told_is_nothing_about_a_person(desk: Desk) -> None:
    told = Told()
    delivery = desk.delivery((section("nurse", health=True), told))
    await desk.raise_alert(delivery.outbox, **FEVER)
    await desk.raise_alert(delivery.outbox)
    async with running(delivery):
        await eventually(lambda: len(told.notices) == 2)
    fever, smoke = told.notices
    assert fever == Notice(
        id=f"c0ffee-{NUMBERS.outside(1)}", alert=NUMBERS.outside(1), kind="fever", title=Text("发热", "Fever"), school=SCHOOL, place="gate/east",
        place_label=Text("gate/east", "gate/east"), time_ms=NOW_MS, severity="warning", doubtful=True,
    )  # fmt: skip
    assert (smoke.title.zh, smoke.place_label, smoke.severity) == (
        "烟雾报警", Text("教学楼 · 301 教室", "Main building · Room 301"), "danger",
    )  # fmt: skip
    assert not {"pseudonym", "class_id", "value", "limit", "site", "device"} & set(Notice._fields)


@pytest.mark.parametrize(
    ("settings", "kind", "wanted"),
    [
        ({}, "smoke", True), ({}, "panic", True), ({}, "fever", False), ({}, "unknown.kind", False),
        ({"health": True}, "fever", True), ({"health": True}, "smoke", True),
        ({"kinds": ("panic",)}, "smoke", False), ({"kinds": ("fever",)}, "fever", False),
        ({"kinds": ("fever",), "health": True}, "fever", True),
        ({"schools": ("other",)}, "smoke", False), ({"schools": (SCHOOL,)}, "smoke", True),
    ],
)  # fmt: skip
def test_who_is_told_of_what(settings: dict[str, Any], kind: str, wanted: bool) -> None:  # noqa: FBT001  # a column
    assert section("one", **settings).wants(kind, SCHOOL, KINDS) == wanted


async def test_later_is_later_and_the_same_notice(desk: Desk) -> None:
    told = Told(NotifyLaterError("busy", retry_after_s=120), RuntimeError("secret of the other side"), None)
    delivery = desk.delivery((section("siren"), told))
    await desk.raise_alert(delivery.outbox)
    async with running(delivery):
        await eventually(lambda: desk.count("notice_failures_total", "siren") == 1)
        await eventually(lambda: delivery.health()["notifier siren"] == "1 waiting: busy")
        desk.pass_s(119)
        await asyncio.sleep(0.1)
        assert desk.count("notice_failures_total", "siren") == 1
        desk.pass_s(2)
        await eventually(lambda: desk.count("notice_failures_total", "siren") == 2)
        await eventually(lambda: delivery.health()["notifier siren"] == "1 waiting: it failed: RuntimeError")
        desk.pass_s(900)
        await eventually(lambda: delivery.health()["notifier siren"] == "ok")
    assert [notice.id for notice in told.notices] == [f"c0ffee-{NUMBERS.outside(1)}"]
    assert desk.count("notices_sent_total", "siren") == 1
    assert desk.count("notices_given_up_total", "siren") == 0


async def test_what_is_given_up_is_counted_and_shown(desk: Desk) -> None:
    told = Told(NotifyNeverError("answered 400"))
    delivery = desk.delivery((section("siren"), told))
    await desk.raise_alert(delivery.outbox)
    async with running(delivery):
        await eventually(lambda: delivery.health()["notifier siren"] == "1 given up within a day")
        assert desk.count("notices_given_up_total", "siren") == 1
        assert await desk.records.look(lambda c: notice_rows.count(c, "siren", 0)) == (0, 1)
        desk.pass_s(24 * 3_600 + 1)
        await eventually(lambda: delivery.health()["notifier siren"] == "ok")


@pytest.mark.parametrize("bound", ["age", "tries"])
async def test_tries_and_age_are_bounded(desk: Desk, database: RecordsDatabase, bound: str) -> None:
    told = Told()
    delivery = desk.delivery((section("siren"), told))
    await desk.raise_alert(delivery.outbox)
    if bound == "age":
        desk.now_ms += AGE_MS_MAX + 1
    else:
        database.change(f"update notices set tries = {TRIES_MAX}")
    async with running(delivery):
        await eventually(lambda: desk.count("notices_given_up_total", "siren") == 1)
    assert told.notices == []


async def test_a_dead_one_delays_nobody(desk: Desk) -> None:
    dead, broken, told = Told(hangs=True), Told(*[RuntimeError("x")] * 50), Told()
    delivery = desk.delivery((section("dead"), dead), (section("broken"), broken), (section("siren"), told))
    async with running(delivery):
        for number in range(3):
            await desk.raise_alert(delivery.outbox)
            await eventually(lambda: len(told.notices) == number + 1)  # noqa: B023  # awaited at once
    assert dead.begun.is_set()
    assert [NUMBERS.inside(notice.alert) for notice in told.notices] == [1, 2, 3]


async def test_one_that_does_not_end_is_ended(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivering, "TRY_S", 0.05)
    delivery = desk.delivery((section("dead"), Told(hangs=True)))
    await desk.raise_alert(delivery.outbox)
    async with running(delivery):
        await eventually(lambda: delivery.health()["notifier dead"] == "1 waiting: not done within 0.05 s")


async def test_killed_in_the_middle_of_a_try_it_is_told_again(desk: Desk, database: RecordsDatabase) -> None:
    hanging = Told(hangs=True)
    delivery = desk.delivery((section("siren"), hanging))
    await desk.raise_alert(delivery.outbox)
    async with running(delivery):
        await hanging.begun.wait()
    assert database.rows("select state, tries from notices") == [("waiting", 1)]
    told = Told()
    second = desk.delivery((section("siren"), told), registry=CollectorRegistry())
    async with running(second):
        await asyncio.sleep(0.1)
        assert told.notices == [], "it may still be on its way"
        desk.pass_s(LEASE_MS / 1_000 + 1)
        await eventually(lambda: database.rows("select state, tries from notices") == [("sent", 2)])
    assert len(told.notices) == 1


@on_both
async def test_of_two_collectors_at_one_database_one_tells(desk: Desk, database: RecordsDatabase) -> None:
    first, second = Told(), Told()
    one = desk.delivery((section("siren"), first))
    records = database.open()
    other = Desk(records)
    two = other.delivery((section("siren"), second))
    for _ in range(30):
        await desk.raise_alert(one.outbox)
    async with running(one, two):
        await eventually(lambda: len(first.notices) + len(second.notices) >= 30)
        await asyncio.sleep(0.1)
    await records.close()
    assert sorted(NUMBERS.inside(notice.alert) for notice in (*first.notices, *second.notices)) == list(
        range(1, 31)
    )


async def test_what_waits_for_nobody_is_given_up(desk: Desk, database: RecordsDatabase) -> None:
    await desk.raise_alert(lambda kind, school: ["gone"])
    async with running(desk.delivery()):
        await eventually(lambda: database.rows("select state from notices") == [("given_up",)])
    desk.now_ms += notice_rows.KEPT_MS + 1
    async with running(desk.delivery(registry=CollectorRegistry())):
        await eventually(lambda: database.rows("select state from notices") == [])


class Receiver:
    """A webhook's other side: real HTTP, answers from a list."""

    def __init__(self, *answers: str) -> None:
        self.heads: list[str] = []
        self.bodies: list[bytes] = []
        self._answers = list(answers)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
        length = int(head.lower().partition("content-length: ")[2].split("\r\n")[0])
        self.bodies.append(await reader.readexactly(length))
        self.heads.append(head)
        answer = self._answers.pop(0) if self._answers else "204 No Content"
        writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"

    def header(self, name: str, at: int = -1) -> str:
        return self.heads[at].partition(f"\r\n{name}: ")[2].split("\r\n")[0]


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    file = tmp_path / "webhook.secret"
    file.write_text("0123456789abcdef-and-more\n", "ascii")
    return file


async def test_a_webhook_is_posted_and_signed(desk: Desk, secret_file: Path) -> None:
    receiver = Receiver("503 Later\r\nRetry-After: 30")
    async with receiver.listening() as url:
        webhook = Webhook(WebhookSettings(url=url, secret_file=secret_file), now_s=lambda: 1_788_220_862.9)
        delivery = desk.delivery((section("duty", health=True), webhook))
        await desk.raise_alert(delivery.outbox, **FEVER)
        async with running(delivery):
            await eventually(lambda: desk.count("notice_failures_total", "duty") == 1)
            desk.pass_s(29)
            await asyncio.sleep(0.1)
            assert len(receiver.bodies) == 1
            desk.pass_s(2)
            await eventually(lambda: desk.count("notices_sent_total", "duty") == 1)
    assert receiver.heads[0].startswith("POST /hook HTTP/1.1\r\n")
    assert {receiver.header("Idempotency-Key", at) for at in (0, 1)} == {f"c0ffee-{NUMBERS.outside(1)}"}
    body = receiver.bodies[-1]
    expected = hmac.digest(b"0123456789abcdef-and-more", b"1788220862." + body, "sha256").hex()
    assert receiver.header("Campus-Signature") == f"t=1788220862,v1={expected}"
    assert json.loads(body) == {
        "id": f"c0ffee-{NUMBERS.outside(1)}", "alert": NUMBERS.outside(1), "kind": "fever", "title": {"zh": "发热", "en": "Fever"},
        "school": SCHOOL, "place": "gate/east", "place_label": {"zh": "gate/east", "en": "gate/east"},
        "time_ms": NOW_MS, "severity": "warning", "doubtful": True, "time": "2026-09-01T00:01:02.500Z",
    }  # fmt: skip
    sent = b"".join(receiver.bodies).decode() + "".join(receiver.heads)
    assert not [
        word
        for word in (PSEUDONYM, "3-2", "38.2", "37.3", "station-gate", "0123456789abcdef")
        if word in sent
    ]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("200 OK", None), ("202 Accepted", None), ("204 No Content", None),
        ("500 Broken", NotifyLaterError), ("429 Slow", NotifyLaterError), ("404 Gone", NotifyLaterError),
        ("400 Bad", NotifyNeverError), ("413 Big", NotifyNeverError), ("302 Found\r\nLocation: http://x/", NotifyNeverError),
    ],
)  # fmt: skip
async def test_what_the_other_side_answers(desk: Desk, answer: str, error: type[Exception] | None) -> None:
    notice = delivering.describe_alert(await one_alert(desk), KINDS, LABELS, "c0ffee", NUMBERS)
    async with Receiver(answer).listening() as url:
        webhook = Webhook(WebhookSettings(url=url))
        if error is None:
            await webhook.notify(notice)
        else:
            with pytest.raises(error, match=answer.split(maxsplit=1)[0]):
                await webhook.notify(notice)
    with pytest.raises(NotifyLaterError, match="no connection"):
        await webhook.notify(notice)


async def one_alert(desk: Desk) -> Any:
    await desk.raise_alert(lambda kind, school: [])
    (alert,) = await desk.records.find_alerts()
    return alert


def test_where_a_webhook_may_go(tmp_path: Path, secret_file: Path) -> None:
    with pytest.raises(ValueError, match="must begin with https://"):
        WebhookSettings(url="http://alarms.example/hook")

    def make(file: Path) -> None:
        settings = WebhookSettings(url="https://alarms.example/hook", secret_file=file)
        NotifierTable(section("duty"), BUNDLED["webhook"], settings).make()

    make(secret_file)
    with pytest.raises(
        PluginError,
        match=r"\[\[notifier\]\] duty \(kind webhook\) cannot be made: .* cannot be used: No such file",
    ):
        make(tmp_path / "missing")
    (tmp_path / "short").write_text("hunter2", "ascii")
    with pytest.raises(PluginError, match="at least 16 bytes; make one with") as caught:
        make(tmp_path / "short")
    assert "hunter2" not in str(caught.value)


def test_a_notifier_that_cannot_be_made_is_an_error_in_words() -> None:
    def fails(settings: object) -> Any:
        raise RuntimeError("not today")

    def number(settings: object) -> Any:
        return 7

    for make, words in (
        (fails, "cannot be made: RuntimeError$"),
        (number, "a int is no notifier"),
    ):
        table = NotifierTable(section("duty"), NotifierPlugin(1, WebhookSettings, make), None)
        with pytest.raises(PluginError, match=words):
            table.make()
