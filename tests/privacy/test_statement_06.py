"""6. A pupil under 14 without a current guardian consent for that purpose: the reading is dropped at the
edge before it touches disk, and only counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import pytest

from device_profiles.observations import CheckObservation, TapObservation
from edge_agent.batcher import Batcher
from edge_agent.buffer import SqliteBuffer
from edge_agent.counters import Counters
from edge_agent.gate import Gate, load_policy
from edge_agent.identity.carriers import Carriers
from edge_agent.identity.credentials import Credentials
from identity_vault.exchange.desk import ExchangeDesk
from identity_vault.roster import add_credential, bump, give_consent
from telemetry.batch import FORMAT, Header, decode_body
from telemetry.credential_map import CredentialMap, Lesson, normalise_band
from telemetry.limits import default_limits
from telemetry.purposes import PURPOSE_NAMES, PURPOSES, Purpose
from telemetry.readings import Chunk, SeriesKey, SeriesTable
from telemetry.records import RECORD_TYPES, Record, name_of
from tests.edge.edge_parts import HandClock
from tests.privacy.unpacking import Source, unpacked
from tests.vault.exchange_parts import Gateway
from tests.vault.vault_parts import NOW_MS, add_somebody, make_vault

CARD, ADDRESS = "04A2B31C55D681", "A4:C1:38:5A:5B:5C"
WITH_CONSENT = [purpose for purpose in PURPOSE_NAMES if PURPOSES[purpose].needs_consent]
SEEN = 5
"""What is observed of the pupil: a check, a fever, a tap, a meal, a heart rate."""


class Trace(NamedTuple):
    """What one pupil's morning left at a gateway."""

    files: list[tuple[str, bytes]]
    records: list[Record]
    dropped: dict[str, int]


async def map_of(folder: Path, consents: Iterable[Purpose], *, given_by: str, born: str) -> CredentialMap:
    """From a real vault; a PE lesson is on."""
    with make_vault(folder) as vault:
        pupil = add_somebody(vault, 1, born=born, purposes=())
        with vault.begin() as connection:
            for purpose in consents:
                give_consent(
                    vault, connection, pupil, purpose,
                    given_by=given_by, evidence="paper form", given_ms=NOW_MS - 1_000,  # type: ignore[arg-type]  # a word of two
                )  # fmt: skip
            add_credential(vault, connection, pupil, "card", CARD, NOW_MS - 1_000)
            add_credential(vault, connection, pupil, "band", normalise_band(ADDRESS), NOW_MS - 1_000)
            bump(connection)
        gateway = Gateway(vault)
        update = await gateway.ask(ExchangeDesk(vault))
    lessons = {"3-2": [Lesson(NOW_MS - 60_000, NOW_MS + 600_000, "pe", "field/1")]}
    return CredentialMap.whole(msgspec.structs.replace(update, lessons=lessons))


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    """The folder of the gateway's data."""
    folder = tmp_path / "gateway"
    folder.mkdir()
    return folder


async def morning(folder: Path, found: CredentialMap) -> Trace:
    """All that the gate can be told of the pupil, with a real buffer behind it; its files to the last byte."""
    table, counters, hands = SeriesTable(), Counters(), HandClock(NOW_MS)
    clock = hands.clock()
    records: list[Record] = []
    async with await SqliteBuffer.open(folder / "buffer.db", bytes_max=10**6) as buffer:
        policy = load_policy()
        batcher = Batcher(
            table, clock, buffer, counters,
            interval_s=60, readings_max=5_000, policy=policy.version,
            committed=lambda _: None, uncommitted=lambda _: None,
        )  # fmt: skip
        writing = asyncio.create_task(batcher.run(), name="batcher")
        gate = Gate(
            table, clock, Credentials(found), Carriers({"band-1": ADDRESS}), batcher, counters,
            default_limits(), policy=policy, meals=["counter-1"], zone=ZoneInfo("Asia/Shanghai"),
        )  # fmt: skip
        for temperature_c in (36.5, 38.9):
            gate.check(CheckObservation(NOW_MS, "station-1", "main/gate", CARD, "ear", temperature_c))
        gate.tap(TapObservation(NOW_MS, "door-1", "main/gate", CARD))
        gate.tap(TapObservation(NOW_MS, "counter-1", "canteen/1", CARD))
        chunk = Chunk()
        chunk.append(table.index(SeriesKey("heart_rate", "band-1", "field/1", "m")), NOW_MS, 151.0)
        gate.readings(chunk)
        gate.flush()
        batcher.stop()
        await writing
        files = files_of(folder)
        for _, item, _ in await buffer.lease(100):
            header = Header(
                FORMAT, "s", "g", item.stream, "1", 1, item.time_base_ms, item.clock, item.boot, item.policy,
                item.readings, item.records,
            )  # fmt: skip
            records += decode_body(header, item.body).records
    return Trace(files, records, dict(counters.dropped))


def files_of(folder: Path) -> list[tuple[str, bytes]]:
    return [(one.name, one.read_bytes()) for one in sorted(folder.iterdir()) if one.is_file()]


def words(found: CredentialMap) -> set[bytes]:
    """Everything by which the pupil could be known."""
    [person] = found.people.values()
    band = normalise_band(ADDRESS)
    texts = {CARD, ADDRESS, band, band.removeprefix("band:"), ADDRESS.lower(), "band-1", person.class_id}
    raw = {bytes.fromhex(CARD), bytes.fromhex(ADDRESS.replace(":", ""))}
    return {text.encode() for text in texts | {one.pseudonym for one in person.permits.values()}} | raw


def search(trace: Trace, wanted: set[bytes]) -> set[bytes]:
    pieces = [piece.data for name, data in trace.files for piece in unpacked(Source(name, data))]
    return {word for word in wanted for data in pieces if word in data}


async def test_06_without_consent_nothing_touches_the_disk(tmp_path: Path, gateway: Path) -> None:
    found = await map_of(tmp_path, (), given_by="guardian", born="2018-02-03")
    trace = await morning(gateway, found)
    assert trace.records == []
    assert trace.dropped == {"no_consent": SEEN}, "each is counted, and nothing else"
    assert any(name == "buffer.db" and data for name, data in trace.files)
    assert search(trace, words(found)) == set()


async def test_06_under_14_the_pupils_own_consent_is_none(tmp_path: Path, gateway: Path) -> None:
    found = await map_of(tmp_path, WITH_CONSENT, given_by="pupil", born="2012-09-11")
    trace = await morning(gateway, found)
    assert trace.records == []
    assert trace.dropped == {"no_consent": SEEN}


async def test_06_with_consent_all_of_it_is_there_and_the_search_finds_it(
    tmp_path: Path, gateway: Path
) -> None:
    found = await map_of(tmp_path, WITH_CONSENT, given_by="guardian", born="2018-02-03")
    trace = await morning(gateway, found)
    assert sorted(name_of(one) for one in trace.records) == [
        "access_event", "heart_rate_window", "meal_record", "morning_check", "morning_check",
    ]  # fmt: skip
    assert trace.dropped == {}
    [person] = found.people.values()
    pseudonyms = {person.permits[purpose].pseudonym.encode() for purpose in WITH_CONSENT}
    assert search(trace, words(found)) == pseudonyms | {person.class_id.encode()}, "no card, no band"


@pytest.mark.parametrize("purpose", WITH_CONSENT)
async def test_06_a_consent_is_for_its_purpose_alone(tmp_path: Path, gateway: Path, purpose: Purpose) -> None:
    found = await map_of(tmp_path, [purpose], given_by="guardian", born="2018-02-03")
    trace = await morning(gateway, found)
    assert {RECORD_TYPES[name_of(one)].purpose for one in trace.records} == {purpose}
    assert len(trace.records) + trace.dropped["no_consent"] == SEEN
