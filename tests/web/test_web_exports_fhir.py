"""Measurements of pupils as FHIR R5: valid, only with consent, only for who may, and page by page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fhir.resources.bundle import Bundle
from sqlalchemy import Connection, insert

from collector.accounts.permissions import ROLES, Role
from collector.accounts.principal import Principal
from collector.classes import SchoolClass
from collector.records import personal
from collector.records.streams import StreamKey
from collector.records.tables import class_pseudonyms, lessons
from collector.vault.settings import VaultSection
from collector.web.names import Names
from telemetry.quality import ClockQuality
from telemetry.records import HeartRateWindow, MorningCheck, Record
from tests.web.conftest import GATEWAY, NOW_MS, PSEUDONYM, SCHOOL, School

PATH = "/api/v1/exports/observations.fhir"
OTHER = PSEUDONYM[::-1]
SPORT = "0123456789ABCDEFGHJKMNPQRS"
WITHOUT_CONSENT = "ZZZZZZZZZZZZZZZZZZZZZZZZZZ"
MINUTE_MS = 60_000


def check(pseudonym: str | None, temperature_c: float, class_id: str = "3-2", ago_ms: int = 5_000) -> Record:
    return MorningCheck(
        NOW_MS - ago_ms, "station-gate", "gate/east", "forehead", temperature_c, pseudonym=pseudonym,
        class_id=class_id,
    )  # fmt: skip


def beats(mean_bpm: float, class_id: str = "3-2", ago_ms: int = MINUTE_MS) -> Record:
    return HeartRateWindow(
        NOW_MS - ago_ms, "gym", mean_bpm, mean_bpm - 9, mean_bpm + 9, 15, pseudonym=SPORT, class_id=class_id
    )


@pytest.fixture
async def asked(school: School, client: httpx.AsyncClient) -> Asked:
    """A school whose vault has just confirmed its lists, and who asks for exports there."""
    asked = Asked(school, client)
    await asked.fill()
    return asked


class Asked:
    def __init__(self, school: School, client: httpx.AsyncClient) -> None:
        self.school, self._client = school, client
        self.confirmed_ms: int | None = NOW_MS - 15_000
        self.asker = Principal.of_role("nurse-tester", "nurse")
        section = VaultSection(school=SCHOOL, url="https://vault.example", public_key="A" * 43 + "=")
        school.change(names=Names(section, Ed25519PrivateKey.generate(), lambda: self.confirmed_ms))
        school.app.state.identify = self._identify
        client._transport = httpx.ASGITransport(app=school.app)
        self._sequence = 0

    async def _identify(self, _: object) -> Principal:
        return self.asker

    async def fill(self) -> None:
        def listed(connection: Connection) -> None:
            rows = [{"pseudonym": one, "class_id": "3-2"} for one in (PSEUDONYM, OTHER)]
            connection.execute(insert(class_pseudonyms), rows)

        await self.school.records.run(listed)
        await self.keep(
            check(PSEUDONYM, 36.5), check(WITHOUT_CONSENT, 36.6), check(None, 36.7), check(OTHER, 38.2)
        )

    async def keep(self, *records: Record) -> None:
        self._sequence += 1
        key = StreamKey(SCHOOL, GATEWAY, "urgent", "g")
        rows = personal.rows_of(key, self._sequence, ClockQuality.SYNCED, records)
        await self.school.records.run(lambda connection: personal.add(connection, [rows], NOW_MS))

    async def lesson(self, class_id: str, start_ms: int, end_ms: int, subject: str = "pe") -> None:
        row = {
            "class_id": class_id,
            "start_ms": start_ms,
            "end_ms": end_ms,
            "subject": subject,
            "place": "gym",
        }
        await self.school.records.run(lambda connection: connection.execute(insert(lessons), [row]))

    async def get(self, kind: str = "temperature", **more: str | int) -> httpx.Response:
        return await self._client.get(PATH, params={"kind": kind, **more})

    async def values(self, kind: str = "temperature", **more: str | int) -> list[float]:
        answer = await self.get(kind, **more)
        assert answer.status_code == 200, answer.text
        return [
            one["resource"]["valueQuantity"]["value"]
            for one in answer.json()["entry"]
            if one["resource"]["resourceType"] == "Observation"
        ]

    async def next(self, answer: httpx.Response) -> httpx.Response:
        return await self._client.get(answer.links["next"]["url"])


async def test_a_bundle_is_valid_and_says_what_it_should(asked: Asked) -> None:
    answer = await asked.get()
    assert answer.headers["content-type"] == "application/fhir+json; fhirVersion=5.0"
    assert answer.headers["cache-control"] == "no-store"
    document = answer.json()
    Bundle.model_validate(document)
    first, second, provenance = (one["resource"] for one in document["entry"])
    assert first["code"]["coding"] == [
        {"system": "http://loinc.org", "code": "8310-5", "display": "Body temperature"}
    ]
    assert first["valueQuantity"] == {
        "value": 36.5, "unit": "°C", "system": "http://unitsofmeasure.org", "code": "Cel",
    }  # fmt: skip
    assert first["subject"]["identifier"] == {
        "system": "urn:campus-pulse:example-primary:pseudonym:health", "value": PSEUDONYM,
    }  # fmt: skip
    assert first["effectiveDateTime"] == "2026-09-01T00:00:57.500Z"
    assert first["bodySite"] == {"text": "forehead"}
    assert second["valueQuantity"]["value"] == 38.2
    assert first["meta"]["security"][0]["code"] == "R"
    assert [one["reference"] for one in provenance["target"]] == [
        one["fullUrl"] for one in document["entry"][:2]
    ]
    assert provenance["agent"][0]["role"] == [{"text": "nurse"}]
    assert provenance["agent"][0]["who"] == {"display": "nurse-tester"}
    assert "as the school's vault confirmed at 2026-09-01T00:00:47.500Z" in answer.text


async def test_only_pupils_whose_consent_stands(asked: Asked) -> None:
    text = (await asked.get()).text
    assert PSEUDONYM in text
    assert WITHOUT_CONSENT not in text
    assert await asked.values() == [36.5, 38.2]


@pytest.mark.parametrize("confirmed_ms", [None, NOW_MS - 24 * 3_600_000 - 1])
async def test_none_while_nobody_knows_whose_consent_stands(asked: Asked, confirmed_ms: int | None) -> None:
    asked.confirmed_ms = confirmed_ms
    answer = await asked.get()
    assert answer.status_code == 503
    assert "consent-unconfirmed" in answer.json()["type"]
    asked.confirmed_ms = NOW_MS - 24 * 3_600_000
    assert len(await asked.values()) == 2


@pytest.mark.parametrize("role", ROLES)
async def test_roles_get_what_is_theirs(asked: Asked, role: Role) -> None:
    await asked.lesson("3-2", NOW_MS - 10 * MINUTE_MS, NOW_MS + 10 * MINUTE_MS)
    asked.asker = Principal.of_role("tester", role)
    statuses = {kind: (await asked.get(kind)).status_code for kind in ("temperature", "heart_rate")}
    assert statuses == {
        "temperature": 200 if role == "nurse" else 403,
        "heart_rate": 200 if role == "pe_teacher" else 403,
    }


async def test_heart_rates_are_shown_while_the_lesson_goes_on(asked: Asked) -> None:
    await asked.keep(beats(150), beats(151, ago_ms=40 * MINUTE_MS), beats(152, class_id="3-1"))
    asked.asker = Principal(
        "tester",
        "pe_teacher",
        frozenset({"exports.records", "records.sport"}),
        classes=(SchoolClass(SCHOOL, "3-2"),),
    )
    assert await asked.values("heart_rate") == []
    await asked.lesson("3-1", NOW_MS - MINUTE_MS, NOW_MS + MINUTE_MS)
    await asked.lesson("3-2", NOW_MS - 10 * MINUTE_MS, NOW_MS + MINUTE_MS, "music")
    assert await asked.values("heart_rate") == []
    await asked.lesson("3-2", NOW_MS - 30 * MINUTE_MS, NOW_MS - 5 * MINUTE_MS)
    assert await asked.values("heart_rate") == [], "5 minutes after it"
    await asked.lesson("3-2", NOW_MS - 30 * MINUTE_MS, NOW_MS - 5 * MINUTE_MS + 1)
    both = tuple(SchoolClass(SCHOOL, code) for code in ("3-2", "3-1", "4-1"))
    asked.asker = replace(asked.asker, classes=both)
    await asked.keep(beats(153, class_id="3-1", ago_ms=20 * MINUTE_MS))
    assert await asked.values("heart_rate") == [150, 152], "each in its own lesson only"
    asked.asker = replace(asked.asker, classes=both[:1])
    answer = await asked.get("heart_rate")
    Bundle.model_validate(answer.json())
    (observation, _) = (one["resource"] for one in answer.json()["entry"])
    assert observation["valueQuantity"]["value"] == 150
    assert observation["code"]["coding"][0]["code"] == "8867-4"
    assert [one["valueQuantity"]["value"] for one in observation["component"]] == [141, 159]
    assert observation["effectivePeriod"] == {
        "start": "2026-09-01T00:00:02.500Z", "end": "2026-09-01T00:00:17.500Z",
    }  # fmt: skip


async def test_only_their_schools_and_classes(asked: Asked) -> None:
    await asked.keep(check(PSEUDONYM, 36.9, class_id="3-1"))
    permissions = frozenset({"exports.records", "records.health"})
    asked.asker = Principal("tester", "nurse", permissions, classes=(SchoolClass(SCHOOL, "3-1"),))  # type: ignore[arg-type]
    assert await asked.values() == [36.9]
    asked.asker = Principal("tester", "nurse", permissions, classes=(SchoolClass("other", "3-1"),))  # type: ignore[arg-type]
    assert await asked.values() == [], "a class that another school numbers alike"
    asked.asker = Principal("tester", "nurse", permissions, schools=frozenset({"other"}))  # type: ignore[arg-type]
    assert await asked.values() == []


async def test_pages_have_each_once(asked: Asked) -> None:
    answer, found = await asked.get(limit=1), []
    while True:
        document: dict[str, Any] = answer.json()
        Bundle.model_validate(document)
        found.append(document["entry"][0]["resource"]["valueQuantity"]["value"])
        if "next" not in answer.links:
            break
        assert document["link"][1] == {"relation": "next", "url": answer.links["next"]["url"]}
        answer = await asked.next(answer)
    assert found == [36.5, 38.2]
    assert await asked.values(start=str(NOW_MS - 1), end=str(NOW_MS)) == []


async def test_a_collector_without_a_vault_has_none(asked: Asked) -> None:
    asked.school.change(names=None)
    asked._client._transport = httpx.ASGITransport(app=asked.school.app)
    answer = await asked.get()
    assert answer.status_code == 404
    assert "no-vault" in answer.json()["type"]
