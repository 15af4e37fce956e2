"""Runs an open vault: listens, answers, notices what commands change beside it, stops."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Final

import structlog
import uvicorn

from foundation.commands import UsageError
from foundation.keyfiles import parse_public
from foundation.logs import FirstOnly
from foundation.webserver import BoundedHttp, PartServer, listen
from identity_vault.database.engine import VaultUnavailableError
from identity_vault.exchange.desk import ExchangeDesk
from identity_vault.names import NamesDesk
from identity_vault.rights.housekeeping import tidy
from identity_vault.roster import map_version
from identity_vault.vault import Vault
from identity_vault.web.app import create_app
from identity_vault.web.parts import WebParts

GRACEFUL_STOP_S: Final = 5
CONNECTIONS_MAX: Final = 200
"""At once; a school has some dozens of gateways, and browsers come and go."""
LOOK_S: Final = 2.0
TIDY_S: Final = 3_600.0

log = structlog.get_logger()


class Service:
    """One running vault. `run` works until `stop` is called."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._stop = asyncio.Event()
        self.running = asyncio.Event()
        """Set once requests are answered."""
        self.url = ""

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        """Raises UsageError for a port or a certificate that cannot be used."""
        web, collector = self._vault.config.web, self._vault.config.collector
        with contextlib.ExitStack() as stack:
            listening = stack.enter_context(listen(web.host, web.port))
            desk = stack.enter_context(contextlib.closing(ExchangeDesk(self._vault)))
            names = NamesDesk(self._vault, parse_public(collector.public_key) if collector else None)
            parts = WebParts(self._vault, desk, names)
            server = PartServer(self._config(parts))
            host, port = listening.getsockname()[:2]
            scheme = "http" if web.cert_file is None else "https"
            self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
            async with asyncio.TaskGroup() as group:
                watching = group.create_task(self._watch(parts), name="watch")
                tidying = group.create_task(self._tidy(), name="tidy")
                serving = group.create_task(server.serve([listening]), name="web")
                await server.answering.wait()
                log.info("vault running", school=self._vault.school, url=self.url, origins=list(web.origins))
                self.running.set()
                await self._stop.wait()
                server.should_exit = True
                await serving
                watching.cancel()
                tidying.cancel()
        log.info("vault stopped")

    def _config(self, parts: WebParts) -> uvicorn.Config:
        web = self._vault.config.web
        config = uvicorn.Config(
            create_app(parts),
            http=BoundedHttp,
            ws="none",
            log_config=None,
            # Who sends what is no HTTP would fill the log with warnings.
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            limit_concurrency=CONNECTIONS_MAX,
            timeout_graceful_shutdown=GRACEFUL_STOP_S,
            ssl_certfile=web.cert_file,
            ssl_keyfile=web.key_file,
        )
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            raise UsageError(
                f"[web] cert_file and key_file cannot be used: {error.strerror or error}; both in PEM, the "
                "key without a passphrase"
            ) from error
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        return config

    async def _watch(self, parts: WebParts) -> None:
        """Says in the log and in the metrics when a command has changed what gateways must learn."""
        known: int | None = None
        troubles = FirstOnly()
        while True:
            try:
                version = await asyncio.to_thread(self._look, parts.names, known)
            except VaultUnavailableError as error:
                if troubles.first("database"):
                    log.warning("vault.unavailable", cause=str(error))
            else:
                if troubles.forget("database"):
                    log.info("vault.available")
                if known is not None and version != known:
                    log.info("vault.changed", map_version=version)
                known = version
                parts.metrics.map_version.set(version)
            await asyncio.sleep(LOOK_S)

    async def _tidy(self) -> None:
        """Takes away what guardians were given for some days only."""
        while True:
            try:
                await self._vault.run(lambda connection: tidy(self._vault, connection))
            except VaultUnavailableError as error:
                log.warning("vault.not_tidied", cause=str(error))
            await asyncio.sleep(TIDY_S)

    def _look(self, names: NamesDesk, known: int | None) -> int:
        with self._vault.read() as connection:
            version = map_version(connection)
            if version != known:
                names.prepare(connection)
            return version
