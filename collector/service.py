"""Wires the collector together, starts it and stops it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import shutil
import socket
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog
from prometheus_client import CollectorRegistry

from collector import plugins
from collector.accounts.keeping import AuditKeeper
from collector.accounts.opening import open_accounts
from collector.accounts.trail import derive
from collector.alerts.numbers import AlertNumbers
from collector.clock import ClockWatch
from collector.config import CollectorConfig, Name
from collector.enrolment.desk import EnrolmentDesk
from collector.enrolment.keeper import Keeper
from collector.enrolment.opening import open_registrar
from collector.enrolment.registrar import Registrar
from collector.hub import Hub
from collector.intake.contract import Intake
from collector.intake.http import HttpIntake
from collector.intake.http_settings import IntakeHttpSection
from collector.intake.line import BatchLine, wall_ms
from collector.intake.metrics import LineMetrics
from collector.intake.mqtt import MqttIntake
from collector.notifiers.delivery import Delivery
from collector.overview import Overview
from collector.records import Records, RecordsUnavailableError
from collector.retention import Sweeper
from collector.series.contract import SeriesStore, StoreUnavailableError
from collector.series.opening import open_rolled_store
from collector.series.rollups.store import RolledStore
from collector.text import Text
from collector.vault import VaultLink, VaultMetrics, open_link
from collector.web.app import create_app
from collector.web.labels import Labels
from collector.web.names import Names
from collector.web.parts import WebParts
from collector.web.proxies import Proxies
from collector.web.server import WebServer, server_config
from device_profiles.labels import ModelTexts
from foundation.commands import UsageError
from foundation.keyfiles import load_signing_key
from foundation.servercertificate import server_context
from foundation.webserver import listen
from telemetry.envelope import Signer

DISK_FREE_BYTES_MIN: Final = 100 * 1024**2
"""With less, a busy day no longer fits."""

log = structlog.get_logger()


class Service:
    """One collector. `run` works until `stop` is called."""

    def __init__(self, config: CollectorConfig) -> None:
        self.config = config
        self._key = load_signing_key(config.collector.key_file)
        self._added = plugins.make(config.plugin.values(), config.notifier)
        self.signer = Signer(self._key)
        self.overview = Overview()
        self.running = asyncio.Event()
        """Set once the page answers."""
        self.url = ""
        self.store: SeriesStore | None = None
        self.records: Records | None = None
        """Set while running, for those who compose a collector with other things."""
        self.registrar: Registrar | None = None
        """Set while running, with [enrolment]."""
        self.vault: VaultLink | None = None
        """Set while running, if there is a vault."""
        self._metrics = CollectorRegistry()
        # Equal client ids put each other out: two collectors must not, and no gateway may guess ours.
        client_id = f"campus-collector-{self.signer.key_id.hex()}-{secrets.token_hex(8)}"
        self._mqtt = MqttIntake(config.mqtt, client_id, self._metrics) if config.mqtt else None
        self.intake_url = ""
        """Where gateways post to; set once it is listened there, empty without [intake_http]."""
        self._shown_ends_ms: int | None = None
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
        async with contextlib.AsyncExitStack() as stack:
            certificate = config.web.certificate
            tls = server_context(certificate, "web") if certificate else None
            listening = stack.enter_context(listen(config.web.host, config.web.port))
            intakes: list[Intake] = [self._mqtt] if self._mqtt else []
            posts = config.intake_http
            for_posts = stack.enter_context(listen(posts.host, posts.port, "intake_http")) if posts else None
            records = Records.open(config.records_place, self._key, config.records.upgrade)
            stack.push_async_callback(records.close)
            store = await open_rolled_store(
                config.store, config.retention, config.collector.data_dir, self._metrics, wall_ms
            )
            stack.push_async_callback(store.close)
            self.records, self.store = records, store
            if config.enrolment:
                self.registrar = open_registrar(config, self._key, records, wall_ms)
            if posts and for_posts:
                intakes.append(self._take_posts(posts, for_posts, records))
            await self._work(records, store, listening, tls, intakes)

    def _take_posts(
        self, section: IntakeHttpSection, listening: socket.socket, records: Records
    ) -> HttpIntake:
        authority_file = questions = None
        if self.config.enrolment and self.registrar:
            authority_file = self.registrar.authority.certificate_file
            proxy_cert_file = self.config.enrolment.proxy_cert_file
            questions = EnrolmentDesk(self.registrar, records, proxy_cert_file, self._metrics, wall_ms)
        intake = HttpIntake(
            section,
            listening,
            self._metrics,
            self.overview.refused,
            authority_file=authority_file,
            questions=questions,
        )
        self.intake_url, self._shown_ends_ms = intake.url, intake.certificate_ends_ms
        return intake

    async def _work(
        self,
        records: Records,
        store: RolledStore,
        listening: socket.socket,
        tls: ssl.SSLContext | None,
        intakes: Sequence[Intake],
    ) -> None:
        config, hub, registry, added = self.config, Hub(), self._metrics, self._added
        link = self._link_to_vault(records, hub)
        labels = Labels(
            _texts(config.places),
            _texts(config.classes),
            link.class_names if link else {},
            config.vault.school if config.vault else "",
            ModelTexts(config.profile_dirs).state,
        )
        numbers = AlertNumbers(derive(self._key, "alert-numbers"))
        delivery = Delivery(
            added.notifiers,
            records=records,
            hub=hub,
            kinds=added.kinds,
            labels=labels,
            collector=self.signer.key_id.hex(),
            numbers=numbers,
            registry=registry,
            now_ms=wall_ms,
        )
        clock = ClockWatch(self.overview, wall_ms)
        store.may_delete = lambda: clock.is_believed
        line = BatchLine(
            records=records,
            store=store,
            rules=added.rules.events,
            reading_rules=added.rules.readings,
            outbox=delivery.outbox,
            signer=self.signer,
            hub=hub,
            overview=self.overview,
            metrics=LineMetrics(registry),
            now_ms=wall_ms,
            judges=lambda: clock.is_believed,
        )
        try:
            await line.load()
            clock.start()
            accounts, oidc = await open_accounts(
                config.accounts, records, self._key, wall_ms, labels.vault_school
            )
        except (RecordsUnavailableError, StoreUnavailableError) as error:
            raise UsageError(f"{config.collector.data_dir} cannot be read: {error}; start again") from error
        audit = AuditKeeper(accounts.trail, config.accounts.audit_days) if accounts else None
        sweeper = Sweeper(
            records, registry, wall_ms, lambda: clock.is_believed, audit.sweep if audit else None
        )
        parts = WebParts(
            title=config.collector.title,
            store=store,
            records=records,
            hub=hub,
            overview=self.overview,
            registry=registry,
            health=lambda: {
                **self._health(line, clock),
                **delivery.health(),
                "rollups": store.health,
            },
            now_ms=wall_ms,
            proxies=Proxies(config.web.proxies, registry) if config.web.behind_proxy else None,
            host_names=frozenset(config.web.host_names),
            labels=labels,
            accounts=accounts,
            oidc=oidc,
            kinds=added.kinds,
            alert_numbers=numbers,
            registrar=self.registrar,
            names=Names(config.vault, self._key, lambda: link.lists_of_ms) if config.vault and link else None,
        )
        server = WebServer(server_config(create_app(parts)), parts, tls)
        host, port = listening.getsockname()[:2]
        self.url = f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}/"
        async with asyncio.TaskGroup() as group:
            behind = [
                group.create_task(line.run(), name="line"),
                group.create_task(sweeper.run(), name="retention"),
                group.create_task(store.run(), name="rollups"),
                group.create_task(delivery.run(), name="notifiers"),
                *(group.create_task(one.run(line), name=f"intake {one.name}") for one in intakes),
            ]
            if self.registrar is not None:
                keeper = Keeper(
                    self.registrar,
                    records,
                    shown_ends_ms=self._shown_ends_ms,
                    proved=line.registry.proved,
                    held=lambda: line.registry.certificates,
                    metrics=registry,
                    now_ms=wall_ms,
                )
                behind.append(group.create_task(keeper.run(), name="enrolment"))
            if link is not None:
                behind.append(group.create_task(link.run(), name="vault"))
            serving = group.create_task(server.serve([listening]), name="web")
            await server.answering.wait()
            log.info("collector running", page=self.url)
            self.running.set()
            await self._stop.wait()
            server.should_exit = True
            await serving
            for task in behind:
                task.cancel()
        log.info("collector stopped")

    def _link_to_vault(self, records: Records, hub: Hub) -> VaultLink | None:
        section = self.config.vault
        if section is None:
            return None
        if section.ca_file is not None and not section.ca_file.is_file():
            raise UsageError(f"[vault] ca_file: there is no {section.ca_file}; leave it out or copy it there")
        self.vault = open_link(
            section,
            signer=self.signer,
            records=records,
            hub=hub,
            metrics=VaultMetrics(self._metrics),
            now_ms=wall_ms,
        )
        return self.vault

    def _health(self, line: BatchLine, clock: ClockWatch) -> Mapping[str, str]:
        """What /healthz says: cheap, from the last outcome of each part."""
        found = dict(line.health())
        if self._mqtt:
            found["broker"] = "ok" if self._mqtt.connected else "not connected"
        found["disk"] = _disk(self.config.collector.data_dir)
        found["clock"] = clock.words()
        return found


def _disk(folder: Path) -> str:
    try:
        free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        return f"data_dir cannot be read: {error.strerror}"
    return "ok" if free_bytes >= DISK_FREE_BYTES_MIN else f"only {free_bytes // 1024**2} MiB free"


def _texts(names: Mapping[str, Name]) -> dict[str, Text]:
    return {code: Text(name.zh, name.en) for code, name in names.items()}
