"""A school of 800 pupils lives through a week, and what it leaves behind is collected."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx

from edge_agent.identity.map_file import MapFile
from foundation.keyfiles import load_signing_key
from simulators.ble.host import BUS_VARIABLE
from simulators.ble.world import BleWorld
from simulators.drive import Drive
from simulators.roster import Entry, roster
from simulators.running import hosted
from simulators.timetable import Timeline
from telemetry.batch import Body, decode_body, decode_payload
from telemetry.credential_map import CredentialMap
from telemetry.envelope import Kind, open_envelope
from telemetry.records import Record
from tests.privacy.unpacking import Source, duckdb_rows, sealed_values, sqlite_rows
from tests.privacy.week_feed import Feed, bands_of, radio_of
from tests.privacy.week_site import SCHOOL_DAYS, WeekSite, calls_of

WAIT_S_MAX: Final = 60.0
ANSWER_S_MAX: Final = 2.0
ROTATED_BEFORE_DAY: Final = 3
"""Then a new epoch begins."""
Sources = list[Source]


class Week(NamedTuple):
    """What a week left behind. bodies: of the batches, decoded. rotated_ms: the new epoch
    began after the first and before the second, in the school's time; free_ms: the day without school. maps: of each gateway, before and after.
    stored: rows of the collector's tables. dropped: by the gates, by reason. calls: of each process, the
    addresses that it asked for: ``socket.connect<TAB>127.0.0.1``.
    """

    entries: tuple[Entry, ...]
    left_gateways: Sources
    at_collector: Sources
    logs: Sources
    metrics: Sources
    pages: Sources
    on_disks: Sources
    bodies: list[Body]
    rotated_ms: tuple[int, int]
    free_ms: int
    maps: dict[str, tuple[CredentialMap, CredentialMap]]
    stored: Counter[str]
    dropped: Counter[str]
    calls: dict[str, set[str]]

    @property
    def records(self) -> list[Record]:
        return [record for body in self.bodies for record in body.records]

    @property
    def epochs(self) -> tuple[list[Record], list[Record]]:
        """The records from before the new epoch and from after its beginning; a few are of neither."""
        last_ms, first_ms = self.rotated_ms
        old = [record for record in self.records if record.time_ms < last_ms]
        return old, [record for record in self.records if record.time_ms >= first_ms]


async def live_a_week(site: WeekSite) -> Week:
    entries = roster(site.school)
    ports = site.folder / "ports"
    ports.mkdir()
    drive = Drive(site.school, Timeline(), site.time.now_ms, pupil_every_s=3.0)
    async with (
        BleWorld(bands_of(site.school), adapters=("hci1",)) as air,
        hosted(drive, ("modbus", "serial", "osdp", "http"), ports) as running,
        site.running([radio_of(site.school), *running.served], {BUS_VARIABLE: air.address}),
    ):
        async with Feed(site, running, entries) as feed:
            await site.gateways.until(
                lambda told: all(one["map_version"] for one in told.values()), WAIT_S_MAX
            )
            for day in range(SCHOOL_DAYS):
                if day == ROTATED_BEFORE_DAY:
                    rotated_ms, before = site.time.now_ms(), await _rotate(site)
                await feed.school_day(day)
            await feed.free_day()
            told = await site.gateways.until(_is_stored, WAIT_S_MAX)
        metrics, pages = await _asked(site)
        assert await site.gateways.stop() == 0
        assert await site.stop_collector() == 0
    after = _maps(site)
    maps = {gateway: (before[gateway], after[gateway]) for gateway in after}
    return _collected(site, entries, told, metrics, pages, maps, rotated_ms)


def _is_stored(told: dict[str, Any]) -> bool:
    """Whether the collector has every record."""
    return all(one["records_buffered"] == one["records_stored"] for one in told.values())


async def _rotate(site: WeekSite) -> dict[str, CredentialMap]:
    """A new epoch, begun with the command; the gateways' maps before it. Returns when each has a new one."""
    told = await site.gateways.until(_is_stored, WAIT_S_MAX)
    maps = _maps(site)
    home = site.folder / "vault"
    options = ["--epoch", "next", "--passphrase-file", str(home / "passphrase")]
    rotating = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "campus", "vault", "rotate", str(home / "vault.toml"), *options),
        stdout=asyncio.subprocess.DEVNULL,
    )
    assert await rotating.wait() == 0
    versions = {gateway: one["map_version"] for gateway, one in told.items()}
    await site.gateways.until(
        lambda told: all(one["map_version"] > versions[gateway] for gateway, one in told.items()), WAIT_S_MAX
    )
    return maps


def _maps(site: WeekSite) -> dict[str, CredentialMap]:
    """As they lie on the gateways' disks, opened with the gateways' own keys."""
    found = {}
    for one in site.school.plan.gateways:
        home = site.folder / one.id
        on_disk = MapFile(
            home / "data", load_signing_key(home / "gateway.key"), site.school.id, one.id
        ).read()
        assert on_disk is not None
        found[one.id] = on_disk
    return found


async def _asked(site: WeekSite) -> tuple[Sources, Sources]:
    """Metrics of gateways and collector; pages and answers of its API, as browsers and programs get them."""
    metrics: Sources = []
    pages: Sources = []
    async with httpx.AsyncClient(timeout=30) as client:
        for gateway, port in site.metrics_ports.items():
            answer = await client.get(f"http://127.0.0.1:{port}/metrics")
            metrics.append(Source(f"metrics of {gateway}", answer.content))
        for whose, url in (("collector", site.url), ("vault", f"http://127.0.0.1:{site.vault_port}")):
            metrics.append(Source(f"metrics of the {whose}", (await client.get(f"{url}/metrics")).content))
        described = (await client.get(f"{site.url}/api/v1/openapi.json")).json()
        paths = [path for path, how in described["paths"].items() if "get" in how and "{" not in path]
        for path in ("/", "/parts/alerts", "/parts/rooms", "/parts/gateways", *paths):
            # The stream of events never ends.
            body = b""
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S_MAX), client.stream("GET", f"{site.url}{path}") as answer:
                    async for chunk in answer.aiter_bytes():
                        body += chunk
            pages.append(Source(path, body))
    return metrics, pages


def _collected(
    site: WeekSite,
    entries: tuple[Entry, ...],
    told: dict[str, Any],
    metrics: Sources,
    pages: Sources,
    maps: dict[str, tuple[CredentialMap, CredentialMap]],
    rotated_ms: int,
) -> Week:
    messages = [*site.heard_uplink.messages, *site.heard_devices.messages]
    left = [Source("topics", "\n".join(topic for topic, _ in messages).encode())]
    left += [Source(topic, payload) for topic, payload in messages]
    left += [Source("wire to the vault", bytes(stream), like_chance=True) for stream in site.wire.streams]
    data = site.folder / "collector" / "data"
    rows = list(sqlite_rows(data / "records.db"))
    sealed = list(sealed_values(data / "records.db", data.parent / "collector.key"))
    assert any(one.data for one in sealed), "there is something to search"
    at_collector = [*_files(data), *rows, *sealed, *duckdb_rows(data / "series.duckdb")]
    stored = Counter(
        {one.name: one.data.count(b"\n") + bool(one.data) for one in rows if not one.like_chance}
    )
    logs = [
        Source(file.name, file.read_bytes())
        for file in (site.gateway_log, site.collector_log, site.vault_log)
    ]
    logs.append(Source("log of the uplink's broker", site.uplink.log().encode()))
    homes = (*(one.id for one in site.school.plan.gateways), "vault")
    dropped: Counter[str] = Counter()
    for one in told.values():
        dropped.update(one["dropped"])
    return Week(
        entries=entries,
        left_gateways=left,
        at_collector=at_collector,
        logs=logs,
        metrics=metrics,
        pages=pages,
        on_disks=[file for home in homes for file in _files(site.folder / home / "data")],
        bodies=list(_bodies(site)),
        rotated_ms=(rotated_ms, site.moment(site.days[ROTATED_BEFORE_DAY], 0)),
        free_ms=site.moment(site.free_day, 0),
        maps=maps,
        stored=stored,
        dropped=dropped,
        calls={
            log.stem: set(calls_of(log).read_text("utf-8").splitlines())
            for log in (site.gateway_log, site.collector_log, site.vault_log)
        },
    )


def _files(folder: Path) -> Iterator[Source]:
    """Databases and maps: compressed, encrypted or full of numbers."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield Source(file.name, file.read_bytes(), like_chance=True)


def _bodies(site: WeekSite) -> Iterator[Body]:
    for topic, payload in site.heard_uplink.messages:
        if topic.endswith(("/batch", "/urgent")):
            envelope = open_envelope(payload)
            assert envelope.kind is Kind.BATCH
            header, body = decode_payload(envelope.payload)
            yield decode_body(header, body)
