"""7. Withdrawal stops collection within 5 min and queues deletion; a manual route always remains.

A real vault behind its own web server, and a gateway's puller, gate and buffer. That the collector
deletes, and that guardians have a page and the office a command, is tested where these are.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError
from sqlalchemy import select

from device_profiles.observations import CheckObservation
from edge_agent.buffer import SqliteBuffer
from edge_agent.config import PersonalSection
from edge_agent.counters import Counters
from edge_agent.identity.credentials import Credentials
from edge_agent.identity.map_file import MapFile
from edge_agent.identity.puller import FAILURE_S_MAX, SETTLE_S, Puller
from edge_agent.identity.vault_link import VaultLink
from foundation.httppost import HttpPost, Times, parse_target
from identity_vault.database import tables
from identity_vault.exchange.registry import add_gateway, find_gateway
from identity_vault.rights import consents, erasure
from identity_vault.roster import add_credential, bump
from identity_vault.service import Service
from identity_vault.vault import Vault
from telemetry.batch import Header, decode_body
from telemetry.batch_builder import BatchBuilder
from telemetry.credential_map import Person
from telemetry.envelope import Signer
from telemetry.exchange import ANSWER_BYTES_MAX
from telemetry.purposes import PURPOSE_NAMES
from telemetry.readings import SeriesTable
from telemetry.records import MorningCheck, Record
from tests.conftest import free_port
from tests.edge.edge_parts import BYTES_MAX, HandClock, item
from tests.edge.gate_parts import Door
from tests.vault.vault_parts import NOW_MS, SCHOOL, add_somebody, make_config, make_vault

CARD, GATEWAY = "04A2B31C55D681", "gw-1"
FIVE_MINUTES_S = 300
OFFICE = "office"


class Site:
    """A gateway that has asked its vault once, and the pupil whom both know."""

    def __init__(self, vault: Vault, url: str, folder: Path, buffer: SqliteBuffer) -> None:
        self.vault = vault
        self.buffer = buffer
        self.counters = Counters()
        self.pupil = add_somebody(vault, 1, born="2018-02-03")
        self._hands = HandClock(NOW_MS)
        key = Ed25519PrivateKey.generate()
        with vault.begin() as connection:
            add_credential(vault, connection, self.pupil, "card", CARD, NOW_MS - 1_000)
            add_gateway(connection, GATEWAY, key.public_key(), PURPOSE_NAMES, NOW_MS)
            bump(connection)
        self.credentials = Credentials()
        post = HttpPost(parse_target(url), answer_bytes_max=ANSWER_BYTES_MAX, times=Times(20, 20))
        link = VaultLink(
            post, school=SCHOOL, gateway=GATEWAY, signer=Signer(key), vault_key=vault.signer.public_key
        )
        self.puller = Puller(
            link,
            MapFile(folder, key, SCHOOL, GATEWAY),
            self.credentials,
            buffer,
            self._hands.clock(),
            self.counters,
            refresh_s=60.0,
            settle_s=0.0,
        )

    def pseudonym(self) -> str:
        person = self.credentials.find(CARD, NOW_MS)
        assert isinstance(person, Person)
        return person.permits["health"].pseudonym

    def check(self) -> tuple[int, dict[str, int]]:
        """The pupil at the station: records that pass the gate, and drops by reason."""
        door = Door(self.credentials.map)
        door.hands.wall_ms = NOW_MS
        door.clock.refresh()
        door.gate.check(CheckObservation(NOW_MS, "station-1", "main/gate", CARD, "ear", 36.5))
        return len(door.behind.all_records), dict(door.counters.dropped)

    async def wait_in_buffer(self, *pseudonyms: str) -> None:
        """A batch with a morning check of each."""
        builder = BatchBuilder(SeriesTable())
        for one in pseudonyms:
            builder.add_record(MorningCheck(NOW_MS, "station-1", "main/gate", "ear", 36.5, pseudonym=one))
        body = builder.close(NOW_MS)
        await self.buffer.append([item("urgent")._replace(body=body, readings=0, records=len(pseudonyms))])

    async def in_buffer(self) -> list[Record]:
        records: list[Record] = []
        for one in await self.buffer.lease(100):
            found = one.item
            header = Header(
                1, SCHOOL, GATEWAY, "urgent", "-", 1, found.time_base_ms, found.clock, "", "",
                found.readings, found.records,
            )  # fmt: skip
            records += decode_body(header, found.body).records
        await self.buffer.keep()
        return records

    def confirmed(self) -> int:
        with self.vault.read() as connection:
            found = find_gateway(connection, GATEWAY)
        assert found is not None
        return found.confirmed_version or 0

    def open_orders(self) -> int:
        with self.vault.read() as connection:
            return len(
                connection.execute(
                    select(tables.orders.c.id).where(tables.orders.c.closed_ms.is_(None))
                ).all()
            )


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[Site]:
    config = make_config(folder, web={"port": free_port()})
    with make_vault(folder, config=config) as vault:
        service = Service(vault)
        async with (
            asyncio.TaskGroup() as group,
            await SqliteBuffer.open(folder / "buffer.db", bytes_max=BYTES_MAX) as buffer,
        ):
            group.create_task(service.run(), name="vault")
            await service.running.wait()
            one = Site(vault, service.url, folder, buffer)
            await one.puller.refresh()
            yield one
            service.stop()


async def test_07_the_next_refresh_stops_collection_and_clears_the_buffer(tmp_path: Path) -> None:
    async with site(tmp_path) as one:
        assert one.check() == (1, {})
        pseudonym, other = one.pseudonym(), "0" * 26
        await one.wait_in_buffer(pseudonym, other, pseudonym)
        with one.vault.begin() as connection:
            consents.withdraw(one.vault, connection, OFFICE, one.pupil, "health")
        assert one.open_orders() == 1, "deletion is queued with the withdrawal"
        await one.puller.refresh()
        assert one.check() == (0, {"no_consent": 1})
        assert [record.pseudonym for record in await one.in_buffer()] == [other]
        assert one.counters.records_erased == 2
        assert one.credentials.map is not None
        assert one.confirmed() < one.credentials.map.version, "said only by the next question"
        await one.puller.refresh()
        assert one.confirmed() == one.credentials.map.version


async def test_07_who_is_erased_is_unknown_with_the_next_refresh(tmp_path: Path) -> None:
    async with site(tmp_path) as one:
        await one.wait_in_buffer(one.pseudonym())
        with one.vault.begin() as connection:
            erasure.erase(one.vault, connection, OFFICE, one.pupil)
        await one.puller.refresh()
        assert one.check() == (0, {"unknown_card": 1})
        assert await one.in_buffer() == []


def test_07_a_gateway_that_can_be_reached_asks_often_enough() -> None:
    section = {
        "vault": "https://vault.example",
        "vault_public_key": "G3c3uUo8wJpQkqVqYl0M0xU1n7y0p2m7hJ8q1rJm9T8=",
    }
    with pytest.raises(ValidationError, match="refresh_s"):
        PersonalSection.model_validate(section | {"refresh_s": FIVE_MINUTES_S})
    slowest = PersonalSection.model_validate(section | {"refresh_s": 240})
    # A question may take its whole time, and the records under way may have to be waited for.
    assert slowest.refresh_s + Times().total_s + SETTLE_S <= FIVE_MINUTES_S
    assert FAILURE_S_MAX + Times().total_s + SETTLE_S <= FIVE_MINUTES_S
    assert PersonalSection.model_validate(section).refresh_s == 60
