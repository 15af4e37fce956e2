"""Servers that are away, full, overloaded, closed to us, or something else altogether."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import subprocess
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from collector.series.contract import (
    BatchKey,
    SeriesBatch,
    StoreAwayError,
    StoreFullError,
)
from collector.series.opening import open_store
from collector.series.server_store import ServerStore
from collector.series.server_wire import Access, ServerWire
from collector.series.settings import StoreSection
from collector.series.victoria import Victoria
from foundation.commands import UsageError
from telemetry.batch import Body
from telemetry.readings import SeriesKey
from tests.conftest import free_port
from tests.series.server_double import Asked, Reply, ServerDouble
from tests.series.servers import VictoriaServer

T0 = 1_577_836_800_000
SECRET = "campus:geheim-4711"
METRICS = b"""flag{name="dedup.minScrapeInterval", value="1ms", is_set="true"} 1
flag{name="search.latencyOffset", value="0s", is_set="true"} 1
flag{name="retentionPeriod", value="100y", is_set="true"} 1
process_start_time_seconds 1788000000
vm_rows_inserted_total{type="influx"} 0
"""
KEY = SeriesKey("co2", "air-1", "main/101")


def make_batch(sequence: int, time_ms: int = T0, key: SeriesKey = KEY) -> SeriesBatch:
    body = Body([key], [1], [time_ms + sequence], [float(sequence)], [0], [])
    return SeriesBatch(BatchKey("example", "gw-1", "bulk", "a", sequence), 0, body)


def healthy(asked: Asked) -> Reply:
    """As an empty VictoriaMetrics."""
    if asked.path == "/metrics":
        return Reply(200, METRICS)
    if asked.path == "/api/v2/write":
        return Reply(204)
    return Reply(200, b'{"status":"success","data":[]}')


def victoria_store(access: Access, timeout_s: float = 5, held_bytes_max: int = 10**6) -> ServerStore:
    return ServerStore(
        Victoria(ServerWire(access, timeout_s=timeout_s)), hold_s=0.02, held_bytes_max=held_bytes_max
    )


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (Reply(500, b"oops"), StoreAwayError, "answers 500"),
        (Reply(502), StoreAwayError, "answers 502"),
        (Reply(429, b"slow down"), StoreAwayError, "send less"),
        (Reply(503, b"the storage is in read-only mode; check -storage.minFreeDiskSpaceBytes"), StoreFullError, "no room"),
        (Reply(500, b'{"error":"write /data: no space left on device"}'), StoreFullError, "no room"),
        (Reply(507), StoreFullError, "no room"),
        (Reply(400, b'{"error":"partial write: max-values-per-tag limit exceeded (100001/100000)"}'), StoreAwayError, "limits"),
        (Reply(401, SECRET.encode()), StoreAwayError, "token_file"),
        (Reply(403), StoreAwayError, "token_file"),
        (Reply(404, b"page not found"), StoreAwayError, "answers 404"),
        (Reply(200, b"<html>Welcome to nginx!</html>"), StoreAwayError, "no such server"),
        (Reply(500, b"\xff\xfe garbage"), StoreAwayError, "text"),
    ],
)  # fmt: skip
async def test_what_a_server_says_to_lines(reply: Reply, error: type[Exception], words: str) -> None:
    double = ServerDouble(lambda asked: reply if asked.path == "/api/v2/write" else healthy(asked))
    with double.running():
        store = victoria_store(Access(double.url, SECRET))
        with pytest.raises(error, match=words) as raised:
            await store.append([make_batch(1)])
        assert type(raised.value) is error
        assert "geheim" not in repr(raised.value)
        double.answer = healthy
        await (await store.append([make_batch(1)]))
        assert [info.latest.value for info in await store.series()] == [1.0]
        await store.close()


@pytest.mark.parametrize("kind", ["victoriametrics", "influxdb"])
@pytest.mark.parametrize(
    "body", [b"", b"null", b"<html>", b'{"data":7}', b'{"results":[{"series":[{"name":"x"}]}]}', b"\x00\xff" * 500]
)  # fmt: skip
async def test_an_answer_that_is_garbage_is_an_absent_store(kind: str, body: bytes) -> None:
    def answer(asked: Asked) -> Reply:
        return Reply(200, METRICS if asked.path == "/metrics" else body)

    double = ServerDouble(answer)
    with double.running():
        section = StoreSection(kind=kind, url=double.url, database="campus")  # type: ignore[arg-type]  # one of two
        store = await open_store(section, Path("unused"), CollectorRegistry())
        with pytest.raises(StoreAwayError):
            await store.series()
        with pytest.raises(StoreAwayError):
            await store.append([make_batch(1)])
        await store.close()


async def test_another_server_than_configured_is_named() -> None:
    double = ServerDouble(lambda asked: Reply(200, b"# HELP node_cpu_seconds_total\n"))
    with double.running():
        store = victoria_store(Access(double.url))
        with pytest.raises(StoreAwayError, match="no VictoriaMetrics"):
            await store.append([make_batch(1)])
        await store.close()


@pytest.mark.parametrize(
    ("flag", "value"), [("dedup.minScrapeInterval", "0s"), ("search.latencyOffset", "30s")]
)
async def test_a_server_that_would_answer_wrongly_is_not_used(flag: str, value: str) -> None:
    lines = [
        f'flag{{name="{flag}", value="{value}", is_set="false"}} 1'.encode()
        if flag.encode() in line
        else line
        for line in METRICS.splitlines()
    ]
    double = ServerDouble(
        lambda asked: Reply(200, b"\n".join(lines) + b"\n") if asked.path == "/metrics" else healthy(asked)
    )
    with double.running():
        store = victoria_store(Access(double.url))
        with pytest.raises(StoreAwayError, match=f"start it with -{flag}="):
            await store.append([make_batch(1)])
        await store.close()


async def test_away_at_the_start_and_for_long() -> None:
    port = free_port()
    store = victoria_store(Access(f"http://127.0.0.1:{port}"))
    away = f"127.0.0.1:{port} cannot be reached"
    for _ in range(3):
        with pytest.raises(StoreAwayError, match=away):
            await store.append([make_batch(1)])
        with pytest.raises(StoreAwayError, match=away):
            await store.series()
        with pytest.raises(StoreAwayError, match=away):
            await store.query([1], 0, 1)
    server = VictoriaServer()
    server.port = port
    try:
        server.start()
        durable = await store.append([make_batch(1)])
        await durable
        server.kill()
        with pytest.raises(StoreAwayError):
            await store.append([make_batch(2)])
        assert [info.latest.value for info in await store.series()] == [1.0]
        server.start()
        await (await store.append([make_batch(2)]))
        assert [info.latest.value for info in await store.series()] == [2.0]
    finally:
        await store.close()
        server.remove()


async def test_a_full_disk_takes_nothing_and_gives_what_it_has() -> None:
    server = VictoriaServer()
    try:
        server.start()
        store = victoria_store(Access(server.url))
        await (await store.append([make_batch(1)]))
        server.stop()
        server.options = ("-storage.minFreeDiskSpaceBytes=900000GB",)
        server.start()
        for _ in range(2):
            with pytest.raises(StoreFullError, match="no room"):
                await store.append([make_batch(2)])
        [info] = await store.series()
        [answer] = await store.query([info.id], 0, 10**20)
        assert answer.value == [1.0]
        server.stop()
        server.options = ()
        server.start()
        await (await store.append([make_batch(2)]))
        server.flush()
        assert await store.point_count() == 2
        await store.close()
    finally:
        server.remove()


async def test_a_silent_server_does_not_hold_anybody_for_ever() -> None:
    done = asyncio.Event()
    loop = asyncio.get_running_loop()

    def answer(asked: Asked) -> Reply:
        if asked.path == "/api/v2/write":
            asyncio.run_coroutine_threadsafe(done.wait(), loop).result()
        return healthy(asked)

    double = ServerDouble(answer)
    with double.running():
        store = victoria_store(Access(double.url), timeout_s=0.2)
        with pytest.raises(StoreAwayError, match="in time"):
            await store.append([make_batch(1)])
        done.set()
        await store.close()


@pytest.mark.parametrize("content", [None, b"", b"two\nlines", b"\xff\xfe", "密码".encode()])
async def test_a_token_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    token = tmp_path / "store.token"
    if content is not None:
        token.write_bytes(content)
    section = StoreSection(kind="victoriametrics", url="http://127.0.0.1:9", token_file=token)
    with pytest.raises(UsageError, match=r"\[store\] token_file: .*store\.token"):
        await open_store(section, Path("unused"), CollectorRegistry())


async def test_a_certificate_is_trusted_by_ca_file_and_not_else(tmp_path: Path) -> None:
    key, certificate = tmp_path / "tls.key", tmp_path / "tls.crt"
    subprocess.run(  # noqa: ASYNC221  # nothing else runs yet
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-days", "2", "-subj", "/CN=campus test", "-addext", "subjectAltName=IP:127.0.0.1",
            "-keyout", key, "-out", certificate,
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with ServerDouble(healthy, tls).running() as double:
        section = StoreSection(kind="victoriametrics", url=double.url)
        store = await open_store(section, Path("unused"), CollectorRegistry())
        with pytest.raises(StoreAwayError, match="ca_file"):
            await store.append([make_batch(1)])
        await store.close()
        wire = ServerWire(Access(double.url))
        with pytest.raises(StoreAwayError, match="ca_file"):
            await asyncio.to_thread(wire.write, "/api/v2/write", (), b"x")
        wire.close()
        store = victoria_store(Access(double.url, ca_file=certificate))
        await (await store.append([make_batch(1)]))
        await store.close()
    with pytest.raises(UsageError, match="ca_file"):
        await open_store(
            section.model_copy(update={"ca_file": tmp_path / "none"}), Path("unused"), CollectorRegistry()
        )


async def test_lines_are_packed_once_on_their_way() -> None:
    double = ServerDouble(healthy)
    with double.running():
        store = victoria_store(Access(double.url, gzip=True, token="abc", scheme="Bearer"))
        await (await store.append([make_batch(1)]))
        [written] = [one for one in double.asked if one.path == "/api/v2/write"]
        assert written.headers["Content-Encoding"] == "gzip"
        assert written.headers["Authorization"] == "Bearer abc"
        assert gzip.decompress(written.body) == (
            b"environment_co2,school=example,gateway=gw-1,building=main,room=101,device=air-1 ppm=1.0 1577836800001\n"
        )
        await store.close()
