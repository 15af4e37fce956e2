"""Statement 19: guardian export, correction and deletion work through the API, with receipts.

A guardian works with the pages over HTTP; a real collector database carries the vault's orders out and
reports by the exchange; a gateway confirms with its next question.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from collector.records import erasure
from collector.records.tables import RECORD_TABLES
from identity_vault import audit, roster
from identity_vault.database import tables
from identity_vault.exchange.desk import ExchangeDesk
from identity_vault.rights import corrections, receipts
from identity_vault.rights.codes import read_code
from identity_vault.rights.receipts import Receipt
from identity_vault.rights.wording import AGAIN_AFTER_DAYS
from identity_vault.vault import Vault
from telemetry.credential_map import Forgotten, blind_pseudonym
from telemetry.exchange import Directory
from telemetry.records import AccessEvent, MealRecord, MorningCheck, Record
from tests.collector.kept_records import counts, keep
from tests.collector.record_databases import open_records
from tests.vault.exchange_parts import Gateway, ask_directory, vault_with_collector
from tests.vault.guardian_parts import Browser, Family, add_family, make_app, make_link
from tests.vault.vault_parts import NOW_MS

CODE = re.compile(r"R-[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}")
HOUR_MS = 3_600_000


class Campus:
    """A vault, a collector's database and a gateway, each doing what the others' answers say."""

    def __init__(self, folder: Path) -> None:
        self.clock = [NOW_MS]
        self.vault: Vault = vault_with_collector(folder, self.clock)
        self.desk = ExchangeDesk(self.vault)
        self.records = open_records(folder / "records.sqlite")
        self.gateway = Gateway(self.vault)
        self.app = make_app(self.vault, self.desk)

    async def collector_turn(self) -> Directory:
        """As the collector does: asks, carries out, reports."""
        directory = await ask_directory(self.desk, self.vault)
        done = [
            await self.records.run(lambda connection, order=order: erasure.execute(connection, order, self.clock[-1]))  # type: ignore[misc]  # mypy does not infer the lambda
            for order in directory.orders
        ]  # fmt: skip
        return await ask_directory(self.desk, self.vault, directory.version, done)

    def records_of(self, family: Family) -> list[Record]:
        """One of each of three purposes."""
        with self.vault.read() as connection:
            epoch = roster.current_epoch(connection)
        health, access, nutrition = (
            self.vault.pseudonyms.make(one, epoch, family.pupil) for one in ("health", "access", "nutrition")
        )
        return [
            MorningCheck(NOW_MS - 1, "station-gate", "gate/east", "forehead", 36.6, pseudonym=health),
            AccessEvent(NOW_MS - 2, "gate-1", "gate/east", pseudonym=access),
            MealRecord(NOW_MS - 3, "counter-1", "canteen/1", "lunch", pseudonym=nutrition),
        ]

    def receipt(self, text: str) -> Receipt:
        """The receipt whose code a page shows."""
        found = CODE.search(text)
        assert found is not None
        with self.vault.read() as connection:
            receipt = receipts.find(connection, read_code(found[0]))
        assert receipt is not None
        return receipt


@pytest.fixture
async def campus(tmp_path: Path) -> AsyncIterator[Campus]:
    campus = Campus(tmp_path)
    yield campus
    campus.desk.close()
    await campus.records.close()
    campus.vault.close()


async def test_19_a_guardian_gets_a_copy_with_the_collectors_records(campus: Campus) -> None:
    family, other = (
        add_family(campus.vault, one, purposes=("health", "access", "nutrition")) for one in (1, 2)
    )
    await keep(campus.records, campus.records_of(family), NOW_MS)
    await keep(campus.records, campus.records_of(other), NOW_MS, sequence=2)
    browser = Browser(campus.app)
    await browser.open(make_link(campus.vault, family))
    receipt = campus.receipt((await browser.post("/g/export")).text)
    await campus.collector_turn()
    response = await browser.get("/g/export/file")
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        data = json.loads(archive.read("data.json"))
    assert data["pupil"]["student_number"] == family.number
    assert {name: len(rows) for name, rows in data["records"].items() if rows} == {
        "morning_check": 1, "access_event": 1, "meal_record": 1,
    }  # fmt: skip
    assert data["records"]["morning_check"][0]["temperature_c"] == 36.6
    assert data["receipt"] == receipt.code
    assert campus.receipt(receipt.code).detail.collector_ms == NOW_MS
    assert sum((await counts(campus.records)).values()) == 6  # a copy takes nothing away


async def test_19_a_correction_is_asked_for_decided_and_receipted(campus: Campus) -> None:
    family = add_family(campus.vault, 1)
    browser = Browser(campus.app)
    await browser.open(make_link(campus.vault, family))
    page = await browser.post("/g/correct", field="birth_date", value="2018-02-13")
    receipt = campus.receipt(page.text)
    assert receipt.detail.state == "asked"
    with campus.vault.begin() as connection:
        (waiting,) = corrections.waiting(campus.vault, connection)
        corrections.decide(campus.vault, connection, "staff", waiting.id, accept=True)
    assert "2018-02-13" in (await browser.get("/g/")).text
    assert "已更正" in (await browser.get(f"/g/receipt/{receipt.code}")).text


async def test_19_deletion_reaches_vault_collector_and_gateway_and_its_receipt_says_so(
    campus: Campus,
) -> None:
    family, other = (
        add_family(campus.vault, one, purposes=("health", "access", "nutrition")) for one in (1, 2)
    )
    mine = campus.records_of(family)
    await keep(campus.records, mine, NOW_MS)
    await keep(campus.records, campus.records_of(other), NOW_MS, sequence=2)
    await campus.gateway.ask(campus.desk)
    browser = Browser(campus.app)
    await browser.open(make_link(campus.vault, family))
    await browser.get("/g/erase?step=2")
    receipt = campus.receipt((await browser.post("/g/erase", number=family.number[-4:])).text)

    with campus.vault.read() as connection:
        assert roster.get_pupil(campus.vault, connection, family.pupil) is None
        for table in (tables.credentials, tables.guardians, tables.consents, tables.corrections):
            rows = connection.execute(select(table).where(table.c.pupil == family.pupil)).all()
            assert rows == []
        assert (
            connection.execute(select(tables.receipts).where(tables.receipts.c.pupil.is_not(None))).all()
            == []
        )

    await campus.collector_turn()
    assert await counts(campus.records) == {
        name: 1 if name in {"morning_check", "access_event", "meal_record"} else 0 for name in RECORD_TABLES
    }
    late = [MorningCheck(NOW_MS, "station-gate", "gate/east", "forehead", 39.9, pseudonym=mine[0].pseudonym)]
    await keep(campus.records, late, NOW_MS, sequence=3)
    assert (await counts(campus.records))["morning_check"] == 1

    assert campus.receipt(receipt.code).detail.completed_ms is None
    update = await campus.gateway.ask(campus.desk)
    forgotten = Forgotten(update.blinding_key, update.erased)
    assert all(one.pseudonym in forgotten for one in mine)
    campus.clock.append(NOW_MS + HOUR_MS)
    await campus.gateway.ask(campus.desk)  # asking with the new version confirms it
    detail = campus.receipt(receipt.code).detail
    assert detail.completed_ms == NOW_MS + HOUR_MS
    assert set(detail.gateways) == {"gw-1"}
    assert sum(detail.collector.values()) == 3
    assert (await campus.gateway.ask(campus.desk)).erased == []
    with campus.vault.read() as connection:
        assert connection.scalars(select(tables.orders.c.sealed)).all() == [b""]
        assert audit.verify(campus.vault, connection) == []


async def test_19_a_withdrawal_deletes_its_purpose_only_and_may_be_taken_back(campus: Campus) -> None:
    family = add_family(campus.vault, 1, purposes=("health", "access", "nutrition"))
    mine = campus.records_of(family)
    await keep(campus.records, mine, NOW_MS)
    await campus.gateway.ask(campus.desk)
    browser = Browser(campus.app)
    await browser.open(make_link(campus.vault, family))
    receipt = campus.receipt((await browser.post("/g/consent/health", act="withdraw")).text)
    update = await campus.gateway.ask(campus.desk)
    assert update.erased == [blind_pseudonym(update.blinding_key, mine[0].pseudonym or "")]
    await campus.collector_turn()
    await campus.gateway.ask(campus.desk)
    found = await counts(campus.records)
    assert (found["morning_check"], found["access_event"], found["meal_record"]) == (0, 1, 1)
    assert campus.receipt(receipt.code).detail.completed_ms is not None

    later_ms = NOW_MS + AGAIN_AFTER_DAYS * 24 * HOUR_MS + 1
    campus.clock.append(later_ms)
    await browser.open(make_link(campus.vault, family))
    await browser.post("/g/consent/health", act="give", agree="yes")
    assert (await campus.gateway.ask(campus.desk)).people[0].permits.keys() >= {"health"}
    again = MorningCheck(later_ms, "station-gate", "gate/east", "ear", 36.5, pseudonym=mine[0].pseudonym)
    await keep(campus.records, [again], later_ms, sequence=4)
    assert (await counts(campus.records))["morning_check"] == 1
