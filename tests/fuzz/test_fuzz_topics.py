"""Rubbish on every topic and at the ports of page and metrics, of anybody and rightly signed, while good readings and fevers go their way."""

from __future__ import annotations

import json
import random
import re
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from foundation.keyfiles import load_signing_key
from telemetry.ack import FORMAT as ACK_FORMAT
from telemetry.ack import Ack, Rejection, encode_ack
from telemetry.configuration import FORMAT as OFFER_FORMAT
from telemetry.configuration import Offer, digest, encode_offer
from telemetry.envelope import ENVELOPE_BYTES_MIN, Kind, Signer
from tests.conftest import MakeMosquitto, free_port
from tests.fuzz.conftest import rounds
from tests.fuzz.raw_requests import SHAPES, say
from tests.fuzz.rubbish import (
    GENERATION,
    ODD,
    PACKED,
    Envelopes,
    device_rubbish,
    flipped,
    nested,
    noise,
    truncated,
)
from tests.fuzz.talking import Talker
from tests.line.running_site import SCHOOL, Process, Site, eventually
from tests.line.site_vault import Holder

GATEWAY, CARD = "gw-1", "04A1B2C3D4E5F6"
DEVICES = [
    {"id": "air-1", "profile": "json/environment", "place": "main/301"},
    {"id": "air-2", "profile": "json/environment", "place": "main/302"},
    {"id": "gate-1", "profile": "campus/morning-check-v1", "place": "main/gate"},
    {"id": "gate-2", "profile": "campus/morning-check-v1", "place": "main/gate"},
]
OWN = f"campus/v1/{SCHOOL}/{GATEWAY}"
TOO_LARGE_BYTES = 17 * 1024 * 1024
GROWN_BYTES_MAX = 96 * 1024 * 1024
"""Less than any of the bombs unpacks to."""
ROUNDS = rounds(60)
FEVERS = 12
FOREIGN = (f"campus/v1/{SCHOOL}/gw-2/batch", f"campus/v1/example-middle/{GATEWAY}/urgent")
ODD_TOPICS = (
    "campus/v1/示例小学/gw-1/batch", "campus/v1//gw-1/batch", "campus/v1/../gw-1/batch", "campus/v1/A/GW-1/urgent",
    "campus/v1/a b/c/status", "campus/v1/%00/gw-1/batch", "campus/v1/\\0/gw-1/status", "campus/v1/💧/﻿/batch",
    f"campus/v1/{'x' * 65_400}/gw-1/batch", f"campus/v1/{SCHOOL}/{'y' * 64}/urgent", "campus/v1/a/'; DROP TABLE x--/batch",
)  # fmt: skip
"""They fit the collector's filters and are no gateway's."""
UNHEARD = ("campus/v1", f"{OWN}", f"{OWN}/batch/x", "campus/v2/a/b/batch", f"{OWN}/other", "/", "$x")
NO_TOPICS = (b"a\0b", b"\xff\xfe", b"\xed\xa0\x80", b"a/#", b"", b"x" * 65_535)
"""What the broker itself lets nobody publish to, or to nobody."""


@pytest.fixture
def site(tmp_path: Path, make_mosquitto: MakeMosquitto) -> Iterator[Site]:
    """A broker that drops nothing by itself: every message is somebody's to refuse and to count."""
    made = Site(tmp_path, make_mosquitto("max_queued_messages 0", "max_inflight_messages 0"))
    yield made
    made.close()


class Flood:
    """What is said on the topics of one gateway; `expected` by the reason with which it has to be refused."""

    def __init__(self, talker: Talker, chance: random.Random, gateway: Signer, collector: Signer) -> None:
        self._talker, self._chance = talker, chance
        self._gateway, self._collector = gateway, collector
        self._envelopes = {
            leaf: Envelopes(chance, talker.first(leaf), gateway) for leaf in ("batch", "urgent", "status")
        }
        self._answers = Envelopes(chance, talker.first("ack"), collector)
        self.expected: Counter[str] = Counter()
        self.acks_refused = 0
        self._version = 10

    def to_the_collector(self) -> None:
        for leaf, envelopes in self._envelopes.items():
            topic = f"{OWN}/{leaf}"
            self._say(topic, "bad_envelope", noise(self._chance))
            self._say(topic, "unknown_key", envelopes.of_nobody())
            self._say(topic, "wrong_signature", envelopes.badly_signed())
            self._say(topic, "wrong_topic", envelopes.of_a_strange_kind())
            shaken = envelopes.shaken()
            self._say(topic, self._reason(shaken), shaken)
            self._say(topic, "", envelopes.signed())
        strange = self._chance.choice([leaf for leaf in self._envelopes if leaf != "batch"])
        self._say(f"{OWN}/{strange}", "wrong_topic", self._talker.first("batch"))
        self._say(self._chance.choice(FOREIGN), "wrong_sender", self._talker.first("batch"))
        self._say(self._chance.choice(ODD_TOPICS), "bad_topic", self._talker.first("batch"))
        self._talker.say(self._chance.choice(UNHEARD[:-1]), self._talker.first("status"))

    def bomb(self) -> None:
        for leaf in ("batch", "urgent"):
            self._say(f"{OWN}/{leaf}", "undecodable", self._envelopes[leaf].bomb())

    def to_the_gateway(self) -> None:
        for leaf in ("ack", "config"):
            for data in (noise(self._chance), self._answers.of_nobody(), self._answers.badly_signed()):
                self._talker.say(f"{OWN}/{leaf}", data)
                self.acks_refused += 1
            self._talker.say(f"{OWN}/{leaf}", self._answers.shaken())
            self._talker.say(f"{OWN}/{leaf}", self._gateway.wrap(Kind.ACK, encode_ack(self._ack())))
            self._talker.say(f"{OWN}/{leaf}", self._collector.wrap(Kind.ACK, encode_ack(self._ack())))
            kind = self._chance.choice(list(Kind))
            self._talker.say(f"{OWN}/{leaf}", self._collector.wrap(kind, self._chance.choice(PACKED)))
            self._talker.say(f"{OWN}/{leaf}", self._collector.wrap(Kind.ACK, nested(encode_ack(self._ack()))))
            self._talker.say(f"{OWN}/{leaf}", self._collector.wrap(Kind.CONFIGURATION, self._offer()))

    def of_devices(self) -> None:
        reading, check = {"co2": 1_999.5, "humidity": 50}, check_of(36.6)
        for topic, good in (("sensors/air-1", reading), ("stations/gate-1/check", check)):
            self._talker.say(topic, device_rubbish(self._chance, good))
        for topic, good in (("sensors/air-2", reading), ("stations/gate-2/check", check)):
            shake = self._chance.choice((flipped, truncated))
            self._talker.say(topic, shake(self._chance, json.dumps(good).encode()))

    def _say(self, topic: str, reason: str, data: bytes) -> None:
        self._talker.say(topic, data)
        if reason:
            self.expected[reason] += 1

    def _reason(self, shaken: bytes) -> str:
        if len(shaken) < ENVELOPE_BYTES_MIN or shaken[:3] != b"CP\1" or shaken[3] not in list(Kind):
            return "bad_envelope"
        return "wrong_signature" if shaken[4:12] == self._gateway.key_id else "unknown_key"

    def _ack(self) -> Ack:
        """Of the collector's own, about batches that there never were."""
        everything = self._chance.choice([((1, 2**53 - 1),), ((1, 2),) * 1_000, ((5, 1),), ((-1, 0),)])
        rejected = tuple(Rejection(self._chance.randrange(10**6), "x" * 300) for _ in range(50))
        return Ack(ACK_FORMAT, SCHOOL, GATEWAY, "bulk", GENERATION, everything, everything, rejected)

    def _offer(self) -> bytes:
        """Rightly signed and summed up, and nothing that a gateway could run."""
        self._version += 1
        text = self._chance.choice(
            ["", "{", "null", "[]", "1e999", '{"a":' * 500, '"示例"', '{"interval_s": -1}']
        )
        name = self._chance.choice(["mqtt/devices", "batch", "modbus/x", "", "../x", "collector", "x" * 300])
        sections = {name: text}
        offer = Offer(OFFER_FORMAT, SCHOOL, GATEWAY, self._version, 0, "", sections, [], digest(sections))
        if self._chance.random() < 0.5:
            return self._chance.choice((encode_offer, lambda one: nested(encode_offer(one))))(offer)
        fields = [getattr(offer, field) for field in Offer.__struct_fields__]
        fields[self._chance.randrange(3, len(fields))] = self._chance.choice(ODD)
        return msgspec.msgpack.encode(fields)


def check_of(temperature_c: float) -> dict[str, object]:
    return {"v": 1, "card": CARD, "site": "forehead", "ambient_c": 22.0, "temperature_c": temperature_c}


def test_rubbish_on_every_topic_costs_what_is_good_nothing(site: Site, chance: random.Random) -> None:
    """Each good reading arrives once, each fever is told, what is refused is counted by reason, both
    processes live, without a fault, in bounded memory.
    """
    site.cards[CARD] = Holder({"health": "HH7KQ2MZW5XNR4TP3VD6YB8CFA"}, "3-2")
    port = free_port()
    tables = (
        "[batch]\ninterval_s = 0.2\n[uplink]\nresend_s = 1\nstatus_interval_s = 1\nwindow_batches = 200\n"
        f"[metrics]\nport = {port}\n"
    )
    file = site.add_gateway(GATEWAY, DEVICES, tables=tables)
    gateway = Signer(load_signing_key(file.parent / "gateway.key"))
    collector = Signer(load_signing_key(site.folder / "collector.key"))
    with Talker(site.broker.port) as talker:
        before_anybody_listens(talker)
        talker.listen(f"{OWN}/+")
        processes = (site.start_collector(), site.start_gateway(file))
        good, fevers = Counter({500.0: 1}), [38.0]
        talker.say("sensors/air-1", json.dumps({"co2": 500.0}))
        talker.say("stations/gate-1/check", json.dumps(check_of(38.0)))
        eventually(lambda: site.points("air-1", "co2") and site.alerts(), "the first of each")
        flood = Flood(talker, chance, gateway, collector)
        talker.stop_listening(f"{OWN}/+")
        refused_before = refusals(site)
        peaks = [one.peak_bytes() for one in processes]
        for number in range(1, ROUNDS + 1):
            flood.to_the_collector()
            flood.to_the_gateway()
            flood.of_devices()
            for one in (site.web_port, port):
                say(one, chance, SHAPES[number % len(SHAPES)])
            if number % (ROUNDS // 10) == 0:
                flood.bomb()
            if number % (ROUNDS // FEVERS) == 0 and len(fevers) <= FEVERS:
                fevers.append(round(38 + len(fevers) / 10, 1))
                talker.say("stations/gate-1/check", json.dumps(check_of(fevers[-1])))
            good[500 + number / 100] += 1
            talker.say("sensors/air-1", json.dumps({"co2": 500 + number / 100}), wait=True)
            if number % 20 == 0:
                assert httpx.get(f"{site.url}/healthz", timeout=20).status_code == 200
        no_topics(site.broker.port)
        eventually(lambda: Counter(v for _, v in site.points("air-1", "co2")) >= good, "every good reading")
        eventually(lambda: told(site) >= Counter(fevers), "every fever")
        eventually(lambda: not flood.expected - (refusals(site) - refused_before), "all that is refused")
        gateway_metrics = f"http://127.0.0.1:{port}"
        eventually(
            lambda: site.metric("campus_edge_acks_refused_total", gateway_metrics) >= flood.acks_refused,
            "answers of others are counted",
        )
        assert Counter(value for _, value in site.points("air-1", "co2")) == good, "once, and nothing beside"
        assert told(site) == Counter(fevers)
        check_counts(refusals(site) - refused_before, flood.expected)
        assert site.metric("campus_edge_refused_total", gateway_metrics) >= ROUNDS
        assert site.metric("campus_edge_configuration_offers_total", gateway_metrics) >= ROUNDS
        assert site.get("/healthz")["status"] == "ok"
        grown = [one.peak_bytes() - was for one, was in zip(processes, peaks, strict=True)]
        print({"said": talker.published, "grown_mb": [one >> 20 for one in grown]}, refusals(site))
        assert max(grown) < GROWN_BYTES_MAX, grown
        for process in processes:
            assert process.stop() == 0
            assert_no_fault(process)


def before_anybody_listens(talker: Talker) -> None:
    """What a broker keeps comes with every subscription: rubbish, nothing, and more than anybody takes."""
    for topic in (f"{OWN}/batch", f"{OWN}/urgent", f"{OWN}/ack", f"{OWN}/config", "sensors/air-2"):
        talker.say(topic, b"rubbish", retain=True)
    large = bytes(TOO_LARGE_BYTES)
    for topic in ("campus/v1/example-middle/gw-9/status", f"{OWN}/ack", "sensors/air-1"):
        talker.say(topic, large, retain=True, wait=True)


def no_topics(port: int) -> None:
    """Each over a connection of its own, which the broker may end."""
    for topic in NO_TOPICS:
        with socket.create_connection(("127.0.0.1", port), 10) as link:
            link.sendall(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01z")
            link.recv(4)
            body = len(topic).to_bytes(2, "big") + topic + b"rubbish"
            link.sendall(b"\x30" + varint(len(body)) + body)


def varint(value: int) -> bytes:
    found = bytearray()
    while True:
        value, low = divmod(value, 128)
        found.append(low | (0x80 if value else 0))
        if not value:
            return bytes(found)


def refusals(site: Site) -> Counter[str]:
    text = httpx.get(f"{site.url}/metrics", timeout=30).text
    found = re.findall(r'^campus_intake_refused_total\{reason="(\w+)"\} (\S+)$', text, re.MULTILINE)
    return Counter({reason: int(float(count)) for reason, count in found})


def check_counts(found: Counter[str], expected: Counter[str]) -> None:
    """Rightly signed rubbish adds to some reasons; those that need no right signature are exact."""
    assert "fault" not in found, found
    for reason in ("bad_envelope", "bad_topic", "unknown_key", "wrong_signature"):
        assert found[reason] == expected[reason], (reason, found, expected)
    assert not expected - found


def told(site: Site) -> Counter[float]:
    """The fevers of the good station; some of the other's shaken checks are fevers too."""
    items = site.get("/api/v1/alerts", limit=200)["items"]
    return Counter(one["value"] for one in items if one["device"] == "gate-1")


def assert_no_fault(process: Process) -> None:
    """No traceback, and no error but that a configuration is none."""
    for line in process.log().splitlines():
        said = json.loads(line)
        assert "exception" not in said, line
        assert said["level"] != "error" or said["event"].startswith("configuration refused"), line
