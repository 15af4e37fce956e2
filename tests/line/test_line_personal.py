"""The personal lane: from a card at a station to an alert, under a pseudonym or none."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.edge.vault_double import answers_garbage
from tests.line.running_site import SCHOOL, Site, eventually
from tests.line.site_vault import Holder, make_update

CARD = "04A1B2C3D4E5F6"
PSEUDONYM = "HH7KQ2MZW5XNR4TP3VD6YB8CFA"
STATION = {"id": "station-1", "profile": "campus/morning-check-v1", "place": "gate/entrance"}
TOPIC = "stations/station-1/check"


def check(temperature_c: float, card: str | None = CARD, **more: Any) -> str:
    said = {"v": 1, "station": "station-1", "card": card, "site": "forehead", "ambient_c": 22.0}
    return json.dumps(said | {"temperature_c": temperature_c} | more)


@pytest.fixture
def station(site: Site) -> Site:
    site.cards[CARD] = Holder({"health": PSEUDONYM}, "3-2")
    site.cards["0499999999"] = Holder({}, "3-2")
    return site


def test_a_fever_becomes_an_alert_under_the_pseudonym(station: Site) -> None:
    gateway = station.add_gateway("gw-gate", [STATION])
    station.start_collector()
    station.start_gateway(gateway)
    station.publish(TOPIC, check(36.5))
    station.publish(TOPIC, check(38.4, time="2026-11-23T07:41:05+08:00"))
    alert = eventually(station.alerts, "an alert")[0]
    assert len(station.alerts()) == 1
    assert (alert["pseudonym"], alert["class_id"]) == (PSEUDONYM, "3-2")
    assert (alert["value"], alert["site"], alert["place"]) == (38.4, "forehead", "gate/entrance")
    eventually(lambda: station.metric("campus_intake_records_total") == 2, "both checks are recorded")


def test_an_unknown_card_gives_an_anonymous_alert(station: Site) -> None:
    gateway = station.add_gateway("gw-gate", [STATION])
    station.start_collector()
    station.start_gateway(gateway)
    station.publish(TOPIC, check(36.6, "04FFFFFFFFFFFF"))
    station.publish(TOPIC, check(37.9, "04FFFFFFFFFFFF"))
    station.publish(TOPIC, check(38.1, None))
    station.publish(TOPIC, check(38.8, "0499999999"))  # known, without consent for health
    station.publish(TOPIC, check(39.0))
    eventually(lambda: len(station.alerts()) == 3, "three alerts")
    assert [(one["value"], one["pseudonym"]) for one in station.alerts()] == [
        (39.0, PSEUDONYM),
        (38.1, None),
        (37.9, None),
    ]
    assert station.metric("campus_intake_records_total") == 3


def test_the_card_is_nowhere_behind_the_gate(station: Site, tmp_path: Path) -> None:
    gateway = station.add_gateway("gw-gate", [STATION])
    collector = station.start_collector()
    agent = station.start_gateway(gateway)
    station.publish(TOPIC, check(38.4))
    station.publish(TOPIC, check(38.4, "04-ff-ee-dd"))
    station.publish(TOPIC, check(38.4, name="小明示例", note=CARD))
    station.publish(TOPIC, f'{{"card": "{CARD}", "v": 1, broken')
    eventually(lambda: len(station.alerts()) == 3, "the alerts of the three readable checks")
    agent.stop()
    collector.stop()
    written = [file for file in tmp_path.rglob("*") if file.is_file() and "mosquitto" not in str(file)]
    assert any(file.name == "buffer.db" for file in written)
    for file in written:
        content = file.read_bytes()
        for secret in (CARD.encode(), bytes.fromhex(CARD), b"04FFEEDD", "小明示例".encode()):
            assert secret not in content, f"{secret!r} in {file.name}"


def test_without_a_collector_the_gateway_alarms_by_itself(station: Site) -> None:
    gateway = station.add_gateway("gw-gate", [STATION])
    agent = station.start_gateway(gateway)
    with _alarm_topic(station) as said:
        station.publish(TOPIC, check(38.4))
        agent.wait_for("LOCAL ALARM")
        eventually(lambda: {"state": "raised", "events": 1} in said(), "the alarm topic says raised")
        agent.kill()
        since = len(agent.log())
        agent = station.start_gateway(gateway)
        agent.wait_for("LOCAL ALARM", since)
        station.start_collector()
        agent.wait_for("local alarm cleared", since)
        eventually(lambda: said()[-1]["state"] == "cleared", "the alarm topic says cleared")
    eventually(lambda: station.metric("campus_intake_batches_total") >= 1, "the batch is stored")
    assert [one["pseudonym"] for one in station.alerts()] == [PSEUDONYM]


def test_a_new_credential_map_is_taken_into_use_without_a_restart(station: Site) -> None:
    gateway = station.add_gateway("gw-gate", [STATION])
    station.start_collector()
    agent = station.start_gateway(gateway)
    vault = station.vaults["gw-gate"]
    vault.trouble = answers_garbage
    agent.wait_for("credential map not refreshed")
    station.publish(TOPIC, check(38.1))
    eventually(lambda: [one["pseudonym"] for one in station.alerts()] == [PSEUDONYM], "the old map stays")
    newcomer = {"04AABBCCDD": Holder({"health": "N" * 26}, "1-1")}
    now_ms = time.time_ns() // 1_000_000
    vault.update = make_update(SCHOOL, "gw-gate", newcomer, version=2, issued_ms=now_ms)
    vault.trouble = None
    eventually(lambda: vault.asked[-1] == 2, "the gateway confirms the new map")
    station.publish(TOPIC, check(38.2, "04AABBCCDD"))
    station.publish(TOPIC, check(38.3))
    eventually(lambda: len(station.alerts()) == 3, "three alerts")
    told = {one["value"]: one["pseudonym"] for one in station.alerts()}
    assert told == {38.1: PSEUDONYM, 38.2: "N" * 26, 38.3: None}


@contextmanager
def _alarm_topic(site: Site) -> Iterator[Any]:
    """What the alarm topic has said so far, as a siren would hear it."""
    heard = site.folder / "alarm.txt"
    with (
        heard.open("wb") as file,
        subprocess.Popen(
            ["mosquitto_sub", "-p", str(site.broker.port), "-t", "campus/local/gw-gate/alarm"], stdout=file
        ) as siren,
    ):
        yield lambda: [json.loads(line) for line in heard.read_text().splitlines()]
        siren.kill()
