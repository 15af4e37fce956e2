"""The listener, with real sockets: httpx and bare bytes."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from simulators.http_push import Access, Poster, Terminal, Thermometer
from simulators.http_push.devices import PICTURE, Post, Record
from tests.driver_rig import until
from tests.httppush.http_rig import PASSWORD, TOKEN, USERNAME, Rig, running

CARD = "04A2B31C"
AIR = "/sensors/air-1"
DIGEST = httpx.DigestAuth(USERNAME, PASSWORD)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def air(body: bytes = b'{"co2": 812}', *head: str, method: str = "POST") -> bytes:
    """A good post as bytes; the connection ends after it."""
    lines = [
        f"{method} {AIR} HTTP/1.1",
        "Host: gateway",
        f"Authorization: Bearer {TOKEN}",
        f"Content-Length: {len(body)}",
        *(head or ("Connection: close",)),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def still_good(rig: Rig) -> None:
    """Whatever came before: the next good post passes."""
    before = len(rig.given)
    assert (await rig.raw(air())).startswith(b"HTTP/1.1 200 ")
    assert len(rig.given) == before + 1


async def test_a_terminal_posts_an_event_with_a_picture(tmp_path: Path) -> None:
    async with running(tmp_path) as rig, Poster(f"{rig.url}/gate-1", Access(USERNAME, PASSWORD)) as poster:
        post = Terminal().event(now_ms(), card=CARD, temperature_c=36.4, pictures=2)
        assert await poster.post(post) == 200
        assert [(one.credential, one.temperature_c, one.site) for one in rig.checks] == [
            (CARD, 36.4, "forehead")
        ]
        assert [(one.credential, one.door) for one in rig.taps] == [(CARD, 1)]
        assert rig.counters.dropped["pictures_discarded"] == 2
        assert rig.reasons == {}
        assert rig.counters.devices["gate-1"].last_seen_ms is not None


async def test_a_thermometer_uploads_many_people_in_one_call(tmp_path: Path) -> None:
    records = [Record(f"wo-{number}", 36.0 + number / 100, now_ms()) for number in range(100)]
    async with running(tmp_path) as rig, httpx.AsyncClient() as client:
        post = Thermometer().report(records)
        answer = await client.post(
            f"{rig.url}/thermometer-1", params={"device_access_token": TOKEN}, content=post.body
        )
        assert (answer.status_code, answer.json()) == (200, {"errcode": 0, "errmsg": "ok", "fail_list": []})
        assert len(rig.checks) == 100
        assert rig.checks[7].credential == "wecom:wo-7"


async def test_a_sensor_gives_readings(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        assert (await rig.raw(air(b'{"co2": 812, "temperature": 21.5}'))).startswith(b"HTTP/1.1 200 ")
        assert {one.series.quantity: one.value for one in rig.given} == {"co2": 812.0, "temperature": 21.5}
        assert {one.series.place for one in rig.given} == {"main/301"}


@pytest.mark.parametrize(
    "auth",
    [httpx.DigestAuth(USERNAME, PASSWORD), httpx.BasicAuth(USERNAME, PASSWORD)],
    ids=["digest", "basic"],
)
async def test_a_password_is_taken_by_digest_and_basic(tmp_path: Path, auth: httpx.Auth) -> None:
    async with running(tmp_path) as rig, httpx.AsyncClient(auth=auth) as client:
        for number in range(3):
            post = Terminal(first_serial=number + 1).event(now_ms() + number * 1_000, card=CARD)
            answer = await client.post(
                f"{rig.url}/gate-1", content=post.body, headers={"Content-Type": post.content_type}
            )
            assert answer.status_code == 200
        assert len(rig.taps) == 3


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (f"/thermometer-1/{TOKEN}", {}),
        (f"/thermometer-1/?access_token={TOKEN}", {}),
        ("/thermometer-1", {"Authorization": f"Bearer {TOKEN}"}),
    ],
    ids=["path", "query", "header"],
)
async def test_a_token_is_taken_in_path_query_and_header(
    tmp_path: Path, path: str, headers: dict[str, str]
) -> None:
    async with running(tmp_path) as rig, httpx.AsyncClient() as client:
        post = Thermometer().report([Record("wo-1", 36.6, now_ms())])
        answer = await client.post(f"{rig.url}{path}", content=post.body, headers=headers)
        assert answer.status_code == 200
        assert len(rig.checks) == 1


@pytest.mark.parametrize(
    ("path", "auth", "device", "reason", "status"),
    [
        ("/gate-1", f"{USERNAME}:wrong", "gate-1", "wrong_credential", 401),
        ("/gate-1", "", "", "", 401),
        ("/gate-1/extra", f"{USERNAME}:{PASSWORD}", "gate-1", "wrong_credential", 401),
        ("/thermometer-1", f"{USERNAME}:{PASSWORD}", "thermometer-1", "wrong_credential", 401),
        ("/thermometer-1", "", "", "", 401),
        ("/thermometer-1/short", "", "thermometer-1", "wrong_credential", 401),
        ("/nobody", f"{USERNAME}:{PASSWORD}", "unknown", "no_device_for_path", 404),
        ("/", "", "unknown", "no_device_for_path", 404),
    ],
)
async def test_who_shows_nothing_or_the_wrong_thing_is_denied(
    tmp_path: Path, path: str, auth: str, device: str, reason: str, status: int
) -> None:
    headers = {"Authorization": "Basic " + base64.b64encode(auth.encode()).decode()} if auth else {}
    async with running(tmp_path) as rig, httpx.AsyncClient() as client:
        answer = await client.post(f"{rig.url}{path}", content=b'{"co2": 812}', headers=headers)
        assert answer.status_code == status
        assert answer.json()["error"]
        assert ("www-authenticate" in answer.headers) == (status == 401)
        assert rig.reasons == ({(device, reason): 1} if reason else {})
        assert (rig.checks, rig.taps, rig.chunks) == ([], [], [])
        await still_good(rig)


async def test_a_device_that_never_shows_a_credential_is_told_of(tmp_path: Path) -> None:
    async with running(tmp_path) as rig, httpx.AsyncClient() as client:
        for _ in range(4):
            await client.post(f"{rig.url}/gate-1", content=b"{}")
        assert rig.reasons == {("gate-1", "no_credential"): 2}


async def test_a_credential_is_in_no_log_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    secret = "a-wrong-password-indeed"
    async with running(tmp_path) as rig, httpx.AsyncClient(auth=(USERNAME, secret)) as client:
        await client.post(f"{rig.url}/gate-1", content=b'{"cardNo": "78820124"}')
        await client.post(f"{rig.url}/gate-1/{secret}", content=b"")
    shown = "".join(capfd.readouterr())
    assert "a post was denied" in shown
    for word in (secret, PASSWORD, TOKEN, "78820124", base64.b64encode(secret.encode()).decode()):
        assert word not in shown


async def test_a_replayed_digest_is_given_a_new_nonce(tmp_path: Path) -> None:
    async with running(tmp_path) as rig, httpx.AsyncClient() as client:
        post = Terminal().event(now_ms(), card=CARD)
        headers = {"Content-Type": post.content_type}
        good = await client.post(f"{rig.url}/gate-1", content=post.body, headers=headers, auth=DIGEST)
        again = await client.post(
            f"{rig.url}/gate-1",
            content=post.body,
            headers=headers | {"Authorization": good.request.headers["Authorization"]},
        )
        assert (good.status_code, again.status_code) == (200, 401)
        assert "stale=true" in again.headers["www-authenticate"]
        assert len(rig.taps) == 1


async def test_an_unreadable_credential_denies_everything(tmp_path: Path) -> None:
    (tmp_path / "open.token").write_text(TOKEN)
    (tmp_path / "open.token").chmod(0o644)
    devices = [
        {
            "id": "air-1",
            "profile": "json/environment-http",
            "place": "main/301",
            "token_file": tmp_path / "open.token",
        }
    ]
    async with running(tmp_path, devices=devices) as rig, httpx.AsyncClient() as client:
        answer = await client.post(f"{rig.url}/air-1/{TOKEN}", content=b'{"co2": 812}')
        assert answer.status_code == 401
        assert not rig.chunks


@pytest.mark.parametrize(
    ("data", "status", "reason"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n", 400, "not_http"),
        (b"POST /\r\n\r\n", 400, "not_http"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", 400, "not_http"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400, "not_http"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 40_000, 431, "not_http"),
        (b"GET /sensors/air-1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 405, "wrong_method"),
        (air(b"{}", "Content-Encoding: gzip", "Connection: close"), 415, "encoded"),
        (air(b"not json"), 400, "not_json"),
        (air(b""), 400, "empty"),
        (air(b"[" * 60_000), 400, "too_deep"),
        (air(b" " * 70_000), 413, "too_large"),
        (air(b"<a><b></a>"), 400, "not_xml"),
        (air(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'), 400, "document_type"),
        (air(b"x", "Content-Type: multipart/form-data; boundary=b", "Connection: close"), 400, "bad_multipart"),
        (b"POST /sensors/air-1?" + b"a=1&" * 50 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 404, "no_device_for_path"),
        (b"POST http://[bad/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404, "no_device_for_path"),
    ],
)  # fmt: skip
async def test_rubbish_is_answered_and_stops_nothing(
    tmp_path: Path, data: bytes, status: int, reason: str
) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.raw(data, half_close=True)
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())
        assert [word for _, word in rig.reasons] == [reason]
        await still_good(rig)


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(tmp_path: Path) -> None:
    async with running(tmp_path, body_bytes_max=100_000) as rig:
        head = air().partition(b"\r\n\r\n")[0].replace(b"Content-Length: 12", b"Content-Length: 900000000")
        assert (await rig.raw(head + b"\r\n\r\n" + b"x" * 50_000)).startswith(b"HTTP/1.1 413 ")
        assert rig.reasons == {("air-1", "too_large"): 1}
        await still_good(rig)


async def test_a_body_without_a_length_is_cut_where_it_is_too_large(tmp_path: Path) -> None:
    async with running(tmp_path, body_bytes_max=100_000) as rig, httpx.AsyncClient() as client:

        async def unmeasured() -> AsyncIterator[bytes]:
            for _ in range(30):
                yield b"x" * 10_000

        answer = await client.post(
            f"{rig.url}{AIR}",
            content=unmeasured(),
            headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "image/jpeg"},
        )
        assert answer.status_code == 413
        await still_good(rig)


async def test_a_large_picture_passes_within_the_bound_and_is_not_kept(tmp_path: Path) -> None:
    async with running(tmp_path) as rig, httpx.AsyncClient(auth=DIGEST) as client:
        event = {"eventType": "AccessControllerEvent", "dateTime": "", "AccessControllerEvent": {
            "majorEventType": 5, "subEventType": 1, "cardNo": "78820124", "serialNo": 1}}  # fmt: skip
        files = {
            "a": ("a.jpg", PICTURE * 100, "image/jpeg"),
            "event_log": ("", json.dumps(event).encode(), "application/json"),
            "b": ("b.jpg", PICTURE * 50, "image/jpeg"),
        }
        answer = await client.post(f"{rig.url}/gate-1", files=files)
        assert answer.status_code == 200
        assert len(rig.taps) == 1
        assert rig.counters.dropped["pictures_discarded"] == 2


async def test_an_event_counts_although_the_form_is_cut_off_after_it(tmp_path: Path) -> None:
    post = Terminal().event(now_ms(), card=CARD, pictures=1)
    body = post.body[: post.body.index(b"JFIF")]
    async with running(tmp_path) as rig, httpx.AsyncClient(auth=DIGEST) as client:
        answer = await client.post(
            f"{rig.url}/gate-1", content=body, headers={"Content-Type": post.content_type}
        )
        assert answer.status_code == 200
        assert len(rig.taps) == 1
        assert rig.reasons == {("gate-1", "bad_multipart"): 1}


async def test_a_picture_alone_is_passed_over(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.raw(air(PICTURE, "Content-Type: image/jpeg", "Connection: close"))
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert rig.counters.dropped["pictures_discarded"] == 1
        assert rig.reasons == {}


async def test_what_is_sent_twice_counts_once_and_gaps_are_counted(tmp_path: Path) -> None:
    terminal, at_ms = Terminal(), now_ms()
    first = terminal.event(at_ms, card=CARD, temperature_c=38.6)
    terminal.skip(3)
    second = terminal.event(at_ms, card=CARD)
    async with running(tmp_path) as rig, Poster(f"{rig.url}/gate-1", Access(USERNAME, PASSWORD)) as poster:
        for post in (first, first, second):
            assert await poster.post(post) == 200
        assert (len(rig.checks), len(rig.taps)) == (1, 2)
        assert rig.reasons == {("gate-1", "duplicate_event"): 1, ("gate-1", "serial_gap"): 1}


async def test_history_keeps_its_own_time(tmp_path: Path) -> None:
    at_ms = (now_ms() - 86_400_000) // 1_000 * 1_000
    async with running(tmp_path) as rig, Poster(f"{rig.url}/gate-1", Access(USERNAME, PASSWORD)) as poster:
        await poster.post(Terminal().event(at_ms, number="4366", temperature_c=36.6, replayed=True))
        assert [(one.time_ms, one.credential) for one in rig.checks] == [(at_ms, "hikvision:4366")]
        assert await poster.post(Terminal().heartbeat(at_ms)) == 200
        assert rig.reasons == {}


async def test_a_thousand_posts_on_one_connection(tmp_path: Path) -> None:
    async with running(tmp_path) as rig, Poster(f"{rig.url}{AIR}", Access(token=TOKEN)) as poster:
        for number in range(1_000):
            assert await poster.post(Post("application/json", b'{"co2": %d}' % number)) == 200
        assert [one.value for one in rig.given] == [float(number) for number in range(1_000)]
        assert rig.counters.messages_in == 1_000


async def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        data = b"".join(air(b'{"co2": %d}' % number, "X: y") for number in range(20)) + air(b'{"co2": 20}')
        answer = await rig.raw(data)
        assert answer.count(b"HTTP/1.1 200 ") == 21
        assert [one.value for one in rig.given] == [float(number) for number in range(21)]


async def test_a_half_closed_connection_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        assert b" 200 " in await rig.raw(air(b'{"co2": 1}', "X: y"), half_close=True)
        await rig.raw(air(b'{"co2": 1}')[:-4], half_close=True)
        assert rig.reasons == {("air-1", "cut_off"): 1}
        await still_good(rig)


async def test_an_old_client_is_answered(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        answer = await rig.raw(air().replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert b" 200 " in answer


async def test_whoever_asks_before_sending_is_told_to_go_on(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        head, _, body = air(b'{"co2": 812}', "Expect: 100-continue", "Connection: close").partition(
            b"\r\n\r\n"
        )
        writer.write(head + b"\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(body)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
        wrong = head.replace(TOKEN.encode(), b"x" * 20) + b"\r\n\r\n"
        assert (await rig.raw(wrong)).startswith(b"HTTP/1.1 401 ")
        assert len(rig.given) == 1


@pytest.mark.parametrize(
    "said",
    [b"", b"P", b"POST /gate-1 HTTP/1.1\r\nHost: a\r\nX: y", air()[:-5]],
    ids=["nothing", "a byte", "half a header", "half a body"],
)
async def test_who_dawdles_is_let_go(tmp_path: Path, said: bytes) -> None:
    async with running(tmp_path, request_s_max=0.5, idle_s_max=0.5) as rig:
        answer = await rig.raw(said)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 408 ")
        assert bool(answer) == bool(said)
        device = "air-1" if b"\r\n\r\n" in said else "unknown"
        assert rig.reasons == ({(device, "too_slow"): 1} if said else {})
        await still_good(rig)


async def test_one_peer_cannot_hold_all_connections(tmp_path: Path) -> None:
    async with running(tmp_path, connections_per_peer_max=3) as rig:
        held = [await asyncio.open_connection("127.0.0.1", rig.port) for _ in range(3)]
        for _, writer in held:
            writer.write(b"POST ")
        assert (await rig.raw(b"")).startswith(b"HTTP/1.1 503 ")
        assert rig.counters.dropped["connections_refused"] == 1
        for _, writer in held:
            writer.close()
        await until(lambda: rig.reasons["unknown", "cut_off"] == 3, "the connections are given up")
        await still_good(rig)


async def test_stopping_ends_open_connections(tmp_path: Path) -> None:
    async with running(tmp_path) as rig:
        reader, writer = await asyncio.open_connection("127.0.0.1", rig.port)
        writer.write(b"POST /gate-1 HTTP/1.1\r\n")
        await still_good(rig)
    assert await reader.read() == b""
    writer.close()


async def test_a_taken_port_is_tried_again(tmp_path: Path) -> None:
    async with running(tmp_path) as first:
        second = Rig(tmp_path, port=first.port)
        task = asyncio.create_task(second.driver.run(second), name="second")
        await asyncio.sleep(0)
        assert not second.driver.listening.is_set()
        await still_good(first)
    try:
        async with asyncio.timeout(20):
            await second.driver.listening.wait()
        second.port = first.port
        await still_good(second)
    finally:
        task.cancel()
        await asyncio.wait({task})
