"""The page over TLS: the collector as it is started, with a certificate made for the test."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector.accounts.settings import AccountsSection
from collector.config import CollectorConfig, CollectorSection, WebSection
from collector.intake.http_settings import IntakeHttpSection
from collector.service import Service
from collector.web.boundary import BODY_BYTES_MAX
from foundation.commands import UsageError
from foundation.keyfiles import create_signing_key
from foundation.servercertificate import server_context
from tests.foundation.test_broker_tls import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "school-ca")


def service(folder: Path, **web: Any) -> Service:
    key_file = folder / "collector.key"
    create_signing_key(key_file)
    return Service(
        CollectorConfig(
            collector=CollectorSection(key_file=key_file, data_dir=folder / "data"),
            intake_http=IntakeHttpSection(host="127.0.0.1", port=0),
            web=WebSection(port=0, **web),
            accounts=AccountsSection(required=False),
        )
    )


@asynccontextmanager
async def running(one: Service) -> AsyncIterator[None]:
    task = asyncio.create_task(one.run(), name="service-under-test")
    await asyncio.wait_for(one.running.wait(), 30)
    yield
    one.stop()
    await asyncio.wait_for(task, 30)


async def test_the_page_is_served_over_tls_and_says_so_for_next_time(
    tmp_path: Path, authority: Authority
) -> None:
    cert_file, key_file = authority.issue("pulse")
    one = service(tmp_path, cert_file=cert_file, key_file=key_file)
    trust = ssl.create_default_context(cafile=str(authority.file))
    async with running(one):
        assert one.url.startswith("https://127.0.0.1:")
        async with httpx.AsyncClient(verify=trust, base_url=one.url) as client:
            answer = await client.get("healthz")
            assert answer.headers["strict-transport-security"] == "max-age=31536000"
            assert "server" not in answer.headers
            assert "strict-transport-security" in (await client.get("nowhere")).headers
            # what is bounded in clear is bounded here
            assert (await client.post("healthz", content=b"x" * (BODY_BYTES_MAX + 1))).status_code == 413
        async with httpx.AsyncClient() as stranger:
            with pytest.raises(httpx.TransportError):
                await stranger.get(one.url + "healthz")
            with pytest.raises(httpx.TransportError):
                await stranger.get(one.url.replace("https:", "http:") + "healthz")


def test_nothing_older_than_tls_1_2_is_spoken(authority: Authority) -> None:
    assert server_context(authority.issue("pulse"), "web").minimum_version is ssl.TLSVersion.TLSv1_2


async def test_over_http_nothing_is_said_of_tls(tmp_path: Path) -> None:
    one = service(tmp_path)
    async with running(one), httpx.AsyncClient() as client:
        assert "strict-transport-security" not in (await client.get(f"{one.url}healthz")).headers


async def test_a_certificate_that_cannot_be_used_is_told_at_the_start(tmp_path: Path) -> None:
    missing = service(tmp_path, cert_file=tmp_path / "no.pem", key_file=tmp_path / "no.key")
    with pytest.raises(UsageError, match=r"\[web\] cert_file .*no\.pem.*without a passphrase"):
        await missing.run()


def test_certificate_and_key_belong_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="belong together"):
        WebSection(cert_file=tmp_path / "a.pem")
    section = WebSection(cert_file=Path("a.pem"), key_file=Path("a.key")).relative_to(tmp_path)
    assert section.certificate == (tmp_path / "a.pem", tmp_path / "a.key")
