"""A line to a vault over a real file and a real socket, and a pupil of whom much is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, Table, select

from collector.hub import Hub
from collector.intake.line import wall_ms
from collector.records import DeadLetter
from collector.records import alerts as alert_rows
from collector.vault import VaultLink, VaultMetrics, open_link
from collector.vault.settings import VaultSection
from telemetry.envelope import Signer
from telemetry.exchange import ClassList
from telemetry.records import AccessEvent
from tests.collector.conftest import PSEUDONYM, SCHOOL, Sender, check
from tests.collector.kept_records import RECORDS, keep
from tests.collector.record_databases import RecordsDatabase
from tests.collector.vault_double import VaultDouble, empty_directory

OTHER = PSEUDONYM[::-1]
CLASS_LISTS = [
    ClassList("3-1", "三（1）班", "Class 3-1", 40, []),
    ClassList("3-2", "三（2）班", "Class 3-2", 42, [PSEUDONYM, OTHER]),
]


class Bench:
    """A link over a real file and a real socket."""

    def __init__(self, folder: Path, database: RecordsDatabase) -> None:
        self.folder = folder
        self.database = database
        self.signer = Signer(Ed25519PrivateKey.generate())
        self.vault = VaultDouble(self.signer.public_key)
        self.records = database.open()
        self.registry = CollectorRegistry()
        self.hub = Hub()
        self.link = self.make_link()

    def make_link(self, public_key: str = "") -> VaultLink:
        section = VaultSection(
            school=SCHOOL, url=self.vault.url, public_key=public_key or self.vault.public_key
        )
        return open_link(
            section,
            signer=self.signer,
            records=self.records,
            hub=self.hub,
            metrics=VaultMetrics(CollectorRegistry()) if public_key else VaultMetrics(self.registry),
            now_ms=wall_ms,
        )

    async def rows(self, table: Table) -> list[dict[str, Any]]:
        def work(connection: Connection) -> list[dict[str, Any]]:
            return [dict(row) for row in connection.execute(select(table)).mappings()]

        return await self.records.run(work)

    def count(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0

    def files(self) -> bytes:
        return b"".join(file.read_bytes() for file in self.folder.iterdir())


async def fill(bench: Bench) -> None:
    """Records of every type of one pupil, one of another, alerts, a class list, dead letters."""
    now_ms = wall_ms()
    some = [msgspec.structs.replace(one, time_ms=now_ms - 1_000) for one in RECORDS]
    other = AccessEvent(now_ms - 500, "gate-1", "gate/east", pseudonym=OTHER, class_id="3-2")
    await keep(bench.records, [*some, other], now_ms)
    alert = {
        "cause": "c", "kind": "fever", "state": "open", "school": SCHOOL, "gateway": "gw-1",
        "device": "station-gate", "place": "gate/east", "at_ms": now_ms, "opened_ms": now_ms,
        "pseudonym": PSEUDONYM, "class_id": "3-2", "site": "forehead", "value": 38.2, "unit": "Cel",
        "limit": 37.3, "doubtful": False, "record_type": "morning_check",
    }  # fmt: skip
    others = alert | {"cause": "d", "pseudonym": OTHER, "value": 37.9}
    await bench.records.run(lambda connection: alert_rows.add(connection, [alert, others]))
    sender = Sender()
    letters = {
        "his": sender.batch(1, stream="urgent", records=[check()]).data,
        "another's": sender.batch(2, stream="urgent", records=[check(pseudonym=OTHER)]).data,
        "nobody's": sender.batch(3).data,
        "unreadable": b"rubbish",
    }
    await bench.records.add_dead_letters(
        [DeadLetter(now_ms, SCHOOL, "gw-1", reason, "", data) for reason, data in letters.items()]
    )
    bench.vault.directory = empty_directory(2, classes=CLASS_LISTS)
    await bench.link.refresh()
