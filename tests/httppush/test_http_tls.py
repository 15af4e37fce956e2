"""The listener behind TLS, and `check`."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from simulators.http_push import Access, Poster, Terminal
from tests.httppush.http_rig import PASSWORD, TOKEN, USERNAME, Rig, running


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, Path]:
    """A certificate for 127.0.0.1 that nobody but this test trusts."""
    files = {"certificate_file": tmp_path / "tls.crt", "key_file": tmp_path / "tls.key"}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-subj", "/CN=gateway", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
         "-out", files["certificate_file"], "-keyout", files["key_file"]],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


async def test_posts_come_through_tls(tmp_path: Path, certificate: dict[str, Path]) -> None:
    trust = ssl.create_default_context(cafile=str(certificate["certificate_file"]))
    async with running(tmp_path, tls=certificate) as rig:
        assert rig.url.startswith("https://")
        async with Poster(f"{rig.url}/gate-1", Access(USERNAME, PASSWORD), trust) as poster:
            for _ in range(3):
                assert await poster.post(Terminal().event(1_790_000_000_000, card="04A2B31C")) == 200
        assert len(rig.taps) == 1
        # Who speaks without TLS disturbs nobody.
        await rig.raw(b"POST /gate-1 HTTP/1.1\r\nHost: a\r\n\r\n")
        async with httpx.AsyncClient(verify=trust) as client:
            answer = await client.post(f"{rig.url}/sensors/air-1/{TOKEN}", content=b'{"co2": 812}')
        assert answer.status_code == 200


async def test_a_certificate_that_is_not_there_is_a_state_and_no_end(tmp_path: Path) -> None:
    missing = {"certificate_file": tmp_path / "no.crt", "key_file": tmp_path / "no.key"}
    rig = Rig(tmp_path, tls=missing)
    task = asyncio.create_task(rig.driver.run(rig), name="driver")
    done, _ = await asyncio.wait({task}, timeout=0.05)
    assert not done
    task.cancel()
    await asyncio.wait({task})


async def test_check_reports_each_device_and_takes_nothing_from_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    reports = {}

    async def post() -> list[int]:
        async with httpx.AsyncClient() as client:
            while True:
                try:
                    answer = await client.post(f"{rig.url}/sensors/air-1/{TOKEN}", content=b'{"co2": 812}')
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.01)
            rubbish = await client.post(f"{rig.url}/thermometer-1/{TOKEN}", content=b"?")
            unsigned = await client.post(f"{rig.url}/gate-1", content=b"{}")
            return [answer.status_code, rubbish.status_code, unsigned.status_code]

    posting = asyncio.create_task(post(), name="device")
    async for report in rig.driver.check(3.0):
        reports[report.device] = (report.ok, report.text)
    assert await posting == [503, 503, 401]
    assert reports["air-1"] == (True, "co2 812")
    assert reports["thermometer-1"] == (False, "it posts, but to no avail (not_json)")
    assert reports["gate-1"] == (False, "it posts, but to no avail (no_credential)")
    assert not rig.chunks


async def test_check_says_that_the_port_is_taken(tmp_path: Path) -> None:
    async with running(tmp_path) as first:
        second = Rig(tmp_path, port=first.port)
        texts = [report.text async for report in second.driver.check(5.0)]
        assert len(texts) == 3
        assert all("does the gateway run already?" in text for text in texts)
