"""A vault that listens: real sockets, TLS, a real process, and a database that goes away."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from foundation.commands import UsageError
from foundation.keyfiles import public_text
from identity_vault import service
from identity_vault.roster import bump
from identity_vault.service import Service
from identity_vault.vault import Vault
from telemetry import exchange
from telemetry.names import RESOLVE_PATH
from tests.vault.exchange_parts import COLLECTOR as COLLECTOR_SIGNER
from tests.vault.exchange_parts import Gateway, ask_directory
from tests.vault.vault_parts import SCHOOL, add_somebody, make_config, make_vault
from tests.vault.web_parts import PAGE, Running, Site, config_of


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, Path]:
    """For 127.0.0.1; nobody but this test trusts it."""
    files = {"cert_file": tmp_path / "tls.crt", "key_file": tmp_path / "tls.key"}
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
         "-subj", "/CN=vault", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2",
         "-out", files["cert_file"], "-keyout", files["key_file"]],
        check=True, capture_output=True,
    )  # fmt: skip
    return files


async def test_a_database_that_is_away_is_told_as_503(tmp_path: Path) -> None:
    site = Site(tmp_path)
    _damage(site)
    async with site.client() as client:
        for answer in (
            await client.post(RESOLVE_PATH, json=site.question, headers=site.bearer()),
            await client.post(exchange.PATH, content=_some_question(site)),
        ):
            assert answer.status_code == 503
            assert answer.headers["retry-after"] == "5"
        assert (await client.get("/healthz")).status_code == 503


def _damage(site: Site) -> None:
    site.vault.database.close()
    for file in site.vault.config.vault.data_dir.glob("vault.db*"):
        file.write_bytes(b"rubbish" * 4096)


def _some_question(site: Site) -> bytes:
    question = exchange.DirectoryQuestion(SCHOOL, exchange.new_nonce(), bytes(32))
    return exchange.wrap_question(question, COLLECTOR_SIGNER)


async def test_changes_that_commands_make_beside_it_are_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "LOOK_S", 0.01)
    with make_vault(tmp_path, config=config_of(tmp_path)) as vault:
        async with Running(vault) as running, httpx.AsyncClient(base_url=running.url) as client:
            with make_vault(tmp_path, config=config_of(tmp_path)) as command, command.begin() as connection:
                version = bump(connection)
            for _ in range(1_000):
                if f"campus_vault_map_version {version}.0" in (await client.get("/metrics")).text:
                    return
                await asyncio.sleep(0.01)
            pytest.fail("the change of another process was not noticed")


async def test_gateways_and_collector_over_tls(tmp_path: Path, certificate: dict[str, Path]) -> None:
    trust = ssl.create_default_context(cafile=str(certificate["cert_file"]))
    config = make_config(
        tmp_path,
        web={"port": 0, "origins": [PAGE], **certificate},
        collector={"public_key": public_text(COLLECTOR_SIGNER.public_key)},
    )
    with make_vault(tmp_path, config=config) as vault:
        add_somebody(vault, 1)
        gateway = Gateway(vault)
        async with Running(vault) as running, httpx.AsyncClient(base_url=running.url, verify=trust) as client:
            assert running.url.startswith("https://127.0.0.1:")
            desk = _OverHttp(client)
            assert len((await gateway.ask(desk)).people) == 1  # type: ignore[arg-type]
            directory = await ask_directory(desk, vault)  # type: ignore[arg-type]
            assert directory.classes is not None
            assert [one.class_id for one in directory.classes] == ["3-2"]
            with pytest.raises(httpx.ConnectError):
                await httpx.AsyncClient().get(f"{running.url}/healthz")


class _OverHttp:
    """Answers as an ExchangeDesk does, over a socket."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def answer(self, body: bytes) -> bytes:
        found = await self._client.post(
            exchange.PATH, content=body, headers={"Content-Type": exchange.CONTENT_TYPE}
        )
        assert found.status_code == 200, found.text
        assert found.headers["content-type"] == exchange.CONTENT_TYPE
        return found.content


async def test_a_port_or_certificate_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    with make_vault(tmp_path, config=config_of(tmp_path)) as vault:
        async with Running(vault) as running:
            port = int(running.url.rpartition(":")[2])
            again = Vault(config_of(tmp_path, port=port), vault.keys, vault.database)
            with pytest.raises(UsageError, match="choose another port"):
                await Service(again).run()
        (tmp_path / "bad.pem").write_text("rubbish")
        for files in (
            {"cert_file": tmp_path / "bad.pem", "key_file": tmp_path / "bad.pem"},
            {"cert_file": tmp_path / "no.pem", "key_file": tmp_path / "no.pem"},
        ):
            bad = Vault(config_of(tmp_path, **files), vault.keys, vault.database)
            with pytest.raises(UsageError, match="cert_file"):
                await Service(bad).run()
