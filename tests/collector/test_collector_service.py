"""The collector as a whole: starting, saying how it is, and being told to stop."""

from __future__ import annotations

import asyncio
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector import service as service_module
from collector.accounts.settings import AccountsSection
from collector.config import CollectorConfig, CollectorSection, WebSection
from collector.service import Service
from foundation.broker import BrokerSettings, connect
from foundation.commands import UsageError
from foundation.keyfiles import create_signing_key
from telemetry.topics import topic
from tests.collector.conftest import SCHOOL, Sender, check, column, eventually
from tests.conftest import Mosquitto
from tests.line.running_site import Site, campus
from tests.line.running_site import eventually as eventually_now


def configuration(folder: Path, mosquitto: Mosquitto, port: int = 0) -> CollectorConfig:
    key_file = folder / "collector.key"
    if not key_file.exists():
        create_signing_key(key_file)
    return CollectorConfig(
        collector=CollectorSection(key_file=key_file, data_dir=folder / "data"),
        mqtt=BrokerSettings(host=mosquitto.host, port=mosquitto.port),
        web=WebSection(port=port),
        accounts=AccountsSection(required=False),
    )


@pytest.fixture
async def service(tmp_path: Path, mosquitto: Mosquitto) -> AsyncIterator[Service]:
    service = Service(configuration(tmp_path, mosquitto))
    running = asyncio.create_task(service.run(), name="service-under-test")
    await eventually(lambda: service.running.is_set() or running.done())
    yield service
    service.stop()
    service.stop()
    await asyncio.wait_for(running, 30)


async def health(service: Service) -> tuple[int, dict[str, str]]:
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{service.url}healthz")
    components: dict[str, str] = answer.json()["components"]
    return answer.status_code, components


async def until_health(service: Service, **expected: str) -> int:
    """The status code once the parts say what is expected."""
    async with asyncio.timeout(30):
        while True:
            code, parts = await health(service)
            if all(parts[name].startswith(words) for name, words in expected.items()):
                return code
            await asyncio.sleep(0.02)


async def send(mosquitto: Mosquitto, sender: Sender, *messages: Any) -> None:
    async with connect(BrokerSettings(host=mosquitto.host, port=mosquitto.port), "gateway") as link:
        for message in messages:
            await link.publish(topic(sender.school, sender.gateway, message.address.leaf), message.data)


async def test_health_tells_of_broker_disk_and_stores(
    service: Service, mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await until_health(service, broker="ok", disk="ok", line="ok", series="ok", records="ok") == 200
    mosquitto.kill()
    assert await until_health(service, broker="not connected") == 503
    mosquitto.start()
    assert await until_health(service, broker="ok") == 200
    monkeypatch.setattr(service_module, "DISK_FREE_BYTES_MIN", 2**62)
    assert await until_health(service, disk="only") == 503


async def test_a_locked_records_database_is_told_and_mended_by_itself(
    service: Service, mosquitto: Mosquitto
) -> None:
    assert service.records
    sender = Sender()
    await asyncio.to_thread(service.records.add_gateway, sender.row)
    for _ in range(4):  # the pool has two connections by now and takes them in turns
        await service.records.run(lambda connection: connection.exec_driver_sql("PRAGMA busy_timeout = 20"))
    await until_health(service, broker="ok")
    urgent = sender.batch(1, stream="urgent", records=[check()])
    await until_known(service, mosquitto, sender)
    other = sqlite3.connect(service.config.records_file, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    await send(mosquitto, sender, urgent)
    assert await until_health(service, records="database is locked", series="ok") == 503
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{service.url}api/v1/alerts")).json()["items"] == [], "still serving"
    other.rollback()
    other.close()
    await send(mosquitto, sender, urgent)
    assert await until_health(service, records="ok") == 200
    assert len(await service.records.find_alerts()) == 1


async def until_known(service: Service, mosquitto: Mosquitto, sender: Sender) -> None:
    """Sends until the running collector has noticed that the gateway was added."""
    async with asyncio.timeout(20):
        sequence = 100
        while not service.overview.of(sender.school, sender.gateway).last_data_ms:
            await send(mosquitto, sender, sender.batch(sequence, column()))
            sequence += 1
            await asyncio.sleep(0.1)


async def test_what_another_holds_is_said_at_the_start(
    service: Service, tmp_path: Path, mosquitto: Mosquitto
) -> None:
    port = int(service.url.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(UsageError, match="choose another port"):
        await Service(configuration(tmp_path, mosquitto, port)).run()


def test_a_second_collector_on_the_same_data_is_refused_and_the_first_stops_in_time(site: Site) -> None:
    """With a page that listens, gateways added meanwhile, and more than one signal."""
    busy = Sender("gw-busy")
    site.register(busy.gateway, busy.row.public_key, busy.signer.key_id)
    process = site.start_collector()
    second = site.folder / "second.toml"
    second.write_text(
        site.collector_file.read_text("utf-8").replace(f"port = {site.web_port}\n", "port = 0\n"), "utf-8"
    )
    refused = campus("collector", "run", second)
    assert refused.returncode == 2, refused.stderr
    assert "is in use by process" in refused.stderr
    assert "Traceback" not in refused.stderr
    sender = Sender()
    arguments = ["--school", SCHOOL, "--id", "gw-1", "--public-key", sender.row.public_key]
    assert campus("collector", "gateway", "add", site.collector_file, *arguments).returncode == 0
    backlog = [busy.batch(n, column(values=[600.0] * 5_000)) for n in range(1, 150)]
    with httpx.Client(timeout=10) as client, client.stream("GET", f"{site.url}/api/v1/events") as events:
        assert next(events.iter_lines())
        asyncio.run(send(site.broker, busy, *backlog))
        started = time.monotonic()
        process._process.send_signal(signal.SIGINT)
        process._process.send_signal(signal.SIGTERM)
        while process.running:
            process._process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
            assert time.monotonic() - started < 30, "does not stop"
    assert process.stop() == 0, process.log()[-2000:]
    log = process.log()
    assert "collector stopped" in log
    assert "Traceback" not in log
    eventually_now(lambda: site.start_collector().running, "it starts again on the same data")
