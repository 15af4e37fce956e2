"""Wires the collector together, starts it and stops it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Mapping

import structlog
import uvicorn
from prometheus_client import CollectorRegistry

from collector.config import CollectorConfig
from collector.hub import Hub
from collector.intake.line import BatchLine, LineMetrics, wall_ms
from collector.intake.mqtt import MqttIntake
from collector.overview import Overview
from collector.records import Records
from collector.scenarios import event_rules
from collector.series.contract import SeriesStore
from collector.series.duckdb_store import DuckDbStore
from collector.web.app import create_app
from collector.web.parts import WebParts
from collector.web.server import GRACEFUL_STOP_S, WebServer
from foundation.commands import UsageError
from foundation.keyfiles import load_signing_key
from telemetry.envelope import Signer
from telemetry.limits import default_limits

log = structlog.get_logger()


class Service:
    """One collector. `run` works until `stop` is called."""

    def __init__(self, config: CollectorConfig) -> None:
        self.config = config
        self.signer = Signer(load_signing_key(config.collector.key_file))
        self.overview = Overview()
        self.running = asyncio.Event()
        """Set once the page answers."""
        self.url = ""
        self.store: SeriesStore | None = None
        self.records: Records | None = None
        """Set while running, for those who compose a collector with other things."""
        self._intake = MqttIntake(config.mqtt, "campus-collector")
        self._stop = asyncio.Event()

    @property
    def alerts_raised(self) -> int:
        """Since the start."""
        return self.overview.alerts_raised

    def stop(self) -> None:
        self._stop.set()

    async def run(self) -> None:
        """Raises StoreFileError, RecordsFileError or UsageError for files and ports that cannot be
        used, otherwise only for a fault of the program.
        """
        config = self.config
        config.collector.data_dir.mkdir(parents=True, exist_ok=True)
        async with contextlib.AsyncExitStack() as stack:
            listening = stack.enter_context(_listen(config.web.host, config.web.port))
            records = Records.open(config.records_file)
            stack.push_async_callback(records.close)
            store = await DuckDbStore.open(
                config.series_file,
                memory_limit=f"{config.store.memory_limit_mb}MB",
                threads=config.store.threads,
            )
            stack.push_async_callback(store.close)
            self.records, self.store = records, store
            await self._work(records, store, listening)

    async def _work(self, records: Records, store: SeriesStore, listening: socket.socket) -> None:
        config, hub, registry = self.config, Hub(), CollectorRegistry()
        line = BatchLine(
            records=records,
            store=store,
            rules=event_rules(default_limits()),
            signer=self.signer,
            hub=hub,
            overview=self.overview,
            metrics=LineMetrics(registry),
            now_ms=wall_ms,
        )
        parts = WebParts(
            title=config.collector.title,
            store=store,
            records=records,
            hub=hub,
            overview=self.overview,
            registry=registry,
            health=self._health,
            now_ms=wall_ms,
            behind_proxy=config.web.behind_proxy,
            host_names=frozenset(config.web.host_names),
        )
        server = WebServer(
            uvicorn.Config(
                create_app(parts),
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=GRACEFUL_STOP_S,
            ),
            parts,
        )
        host, port = listening.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        async with asyncio.TaskGroup() as group:
            behind = [
                group.create_task(line.run(), name="line"),
                group.create_task(self._intake.run(line), name="intake"),
            ]
            # Not `serve`: it would take the signals over, which are the caller's business.
            serving = group.create_task(server._serve([listening]), name="web")  # noqa: SLF001
            while not server.started:  # noqa: ASYNC110  # uvicorn offers no event
                await asyncio.sleep(0.01)
            log.info("collector running", page=self.url)
            self.running.set()
            await self._stop.wait()
            server.should_exit = True
            await serving
            for task in behind:
                task.cancel()
        log.info("collector stopped")

    def _health(self) -> Mapping[str, str]:
        return {
            "broker": "ok" if self._intake.connected else "not connected",
            "records": "ok",
            "series": "ok",
        }


def _listen(host: str, port: int) -> socket.socket:
    """Takes the port before anything else is opened. Raises UsageError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise UsageError(
            f"[web] {host}:{port} cannot be listened on: {error.strerror}; choose another port"
        ) from error
    return listening
