"""The vault's web application for tests, without a socket and with one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import httpx

from foundation.keyfiles import public_text
from identity_vault.config import VaultConfig
from identity_vault.exchange.desk import ExchangeDesk
from identity_vault.names import NamesDesk
from identity_vault.service import Service
from identity_vault.vault import Vault
from identity_vault.web.app import create_app
from identity_vault.web.parts import WebParts
from telemetry import exchange
from telemetry.names import BREAK_GLASS_PATH, RESOLVE_PATH
from telemetry.purposes import Purpose
from telemetry.resolve_token import FORMAT, Claims, mint
from tests.vault.names_parts import COLLECTOR, pseudonym
from tests.vault.vault_parts import SCHOOL, add_somebody, make_config, make_vault

PAGE: Final = "https://pulse.example.edu.cn"
PATHS: Final = (
    exchange.PATH,
    RESOLVE_PATH,
    BREAK_GLASS_PATH,
    "/healthz",
    "/metrics",
    "/g/",
    "/nothing",
    "/openapi.json",
)
_PUBLIC = public_text(COLLECTOR.public_key())


def config_of(folder: Path, **web: object) -> VaultConfig:
    given_web = {"port": 0, "origins": [PAGE], "host_names": ["vault.example.edu.cn"]} | web
    return make_config(folder, web=given_web, collector={"public_key": _PUBLIC})


class Site:
    """The application of a vault with one pupil, without a socket."""

    def __init__(self, folder: Path) -> None:
        self.vault = make_vault(folder, config=config_of(folder))
        self.pupil = add_somebody(self.vault, 1)
        self.pseudonym = pseudonym(self.vault, "health", self.pupil)
        self.exchange = ExchangeDesk(self.vault)
        parts = WebParts(self.vault, self.exchange, NamesDesk(self.vault, COLLECTOR.public_key()))
        self.app = create_app(parts)

    def client(self, host: str = "localhost") -> httpx.AsyncClient:
        # What the application raises reaches the test: a fault answered as 500 would be one of ours.
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=f"http://{host}")

    def bearer(self, role: str = "nurse") -> dict[str, str]:
        now_ms = self.vault.now_ms()
        purpose: Purpose = "safety" if role == "facilities" else "health"
        claims = Claims(FORMAT, SCHOOL, role, purpose, f"{role}-1", now_ms, now_ms + 300_000)
        return {"Authorization": f"Bearer {mint(claims, COLLECTOR)}"}

    @property
    def question(self) -> dict[str, object]:
        return {"pseudonyms": [self.pseudonym]}


class Running:
    """A vault that listens, stopped at the end of the block."""

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        self.service = Service(vault)

    async def __aenter__(self) -> Service:
        self._task = asyncio.create_task(self.service.run(), name="vault")
        waiting = asyncio.create_task(self.service.running.wait(), name="waiting")
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._task.done():
            await self._task
        return self.service

    async def __aexit__(self, *_: object) -> None:
        self.service.stop()
        await self._task
