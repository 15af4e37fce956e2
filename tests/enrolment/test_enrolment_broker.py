"""A real Mosquitto under the configuration that is written for it: who gets in, and what each may say and hear."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from collector.broker_files import BrokerFiles, Pair, access_list
from collector.cli import app
from collector.enrolment.authority import Authority
from collector.enrolment.certificates import make_certificate
from foundation.broker import BrokerSettings, BrokerUnavailableError, Link, connect
from foundation.commands import UsageError
from foundation.keyfiles import create_signing_key
from telemetry.enrolment import common_name
from telemetry.envelope import ENVELOPE_BYTES_MIN, PAYLOAD_BYTES_MAX
from telemetry.topics import intake_filters, topic
from tests.conftest import MakeMosquitto, Mosquitto

SCHOOL, OTHER_SCHOOL = "example-primary", "example-middle"
DAY_MS = 86_400_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class BrokerSite:
    """An authority, the files, a broker that reads them, and who goes there."""

    def __init__(self, folder: Path, make_mosquitto: MakeMosquitto) -> None:
        self.folder = folder
        self.authority = Authority.open(folder / "authority", now_ms())
        out = folder / "broker"
        self.files = self.open_files(["127.0.0.1", "mqtt.school.example"])
        self.files.write(now_ms())
        lines = (out / "mosquitto.conf").read_text("utf-8").splitlines()
        # The port and the log are the test's.
        kept = [line for line in lines if not line.startswith(("#", "listener", "log_dest"))]
        self.mosquitto: Mosquitto = make_mosquitto(*filter(None, kept))

    def open_files(self, hosts: Sequence[str]) -> BrokerFiles:
        out = self.folder / "broker"
        pair = Pair(out / "collector.pem", out / "collector.key")
        return BrokerFiles(self.authority, out, hosts, port=8883, collector=pair)

    def collector(self) -> BrokerSettings:
        return self._settings(self.files.collector.certificate, self.files.collector.key)

    def gateway(
        self, gateway: str, school: str = SCHOOL, authority: Authority | None = None
    ) -> BrokerSettings:
        return self.named(common_name(school, gateway), authority or self.authority)

    def named(self, name: str, authority: Authority, username: str | None = None) -> BrokerSettings:
        """Whatever a certificate may say."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = make_certificate(
            authority.certificate,
            authority._key,
            key=key.public_key(),
            name=name,
            names=(),
            use="client",
            now=authority.certificate.not_valid_before_utc,
        )
        self.serial = f"{made.serial_number:x}"
        stem = self.folder / f"{made.serial_number:x}"
        files = stem.with_suffix(".pem"), stem.with_suffix(".key")
        files[0].write_bytes(made.public_bytes(Encoding.PEM))
        files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return self._settings(*files, username)

    def revoke(self, serial: str) -> None:
        self.authority.write_crl([(serial, now_ms())], now_ms())
        assert self.files.refresh(now_ms()) == ["crl.pem"]
        self.reload()

    def reload(self) -> None:
        process = self.mosquitto._process
        assert process is not None
        os.kill(process.pid, signal.SIGHUP)

    def _settings(self, certificate: Path, key: Path, username: str | None = None) -> BrokerSettings:
        return BrokerSettings(
            host="127.0.0.1",
            port=self.mosquitto.port,
            username=username,
            ca_file=self.folder / "broker" / "authority.pem",
            certificate_file=certificate,
            key_file=key,
        )


@pytest.fixture
def site(tmp_path: Path, make_mosquitto: MakeMosquitto) -> BrokerSite:
    return BrokerSite(tmp_path, make_mosquitto)


async def heard(link: Link, until: str) -> list[str]:
    """The topics that arrive, in their order, up to the one that was sent last."""
    found: list[str] = []
    async with asyncio.timeout(20):
        async for chunk in link.chunks():
            found += [message.topic for message in chunk]
            if until in found:
                return found
    raise AssertionError


async def is_refused(settings: BrokerSettings) -> bool:
    try:
        async with connect(settings, "whoever"):
            return False
    except BrokerUnavailableError:
        return True


async def until_refused(settings: BrokerSettings) -> None:
    async with asyncio.timeout(20):
        while True:
            if await is_refused(settings):
                return
            await asyncio.sleep(0.05)


async def has_heard_nothing(link: Link) -> bool:
    """The broker serves one after the other: what it had for this link came before its receipt for this."""
    await link.publish("campus/v1/receipt", b"x")
    try:
        async with asyncio.timeout(0.05):
            await anext(link.chunks())
    except TimeoutError:
        return True
    return False


async def say(settings: BrokerSettings, topics: Sequence[str]) -> None:
    async with connect(settings, "sayer") as link:
        for one in topics:
            await link.publish(one, b"x")


async def test_a_gateway_says_and_hears_what_is_its_own(site: BrokerSite) -> None:
    own = [topic(SCHOOL, "gw-1", leaf) for leaf in ("batch", "urgent", "status")]
    answers = [topic(SCHOOL, "gw-1", leaf) for leaf in ("ack", "config")]
    async with (
        connect(site.collector(), "collector") as collector,
        connect(site.gateway("gw-1"), "gw-1") as gateway,
    ):
        await collector.subscribe(intake_filters())
        await gateway.subscribe(answers)
        for one in own:
            await gateway.publish(one, b"x" * (PAYLOAD_BYTES_MAX + ENVELOPE_BYTES_MIN))
        assert await heard(collector, own[-1]) == own
        for one in answers:
            await collector.publish(one, b"x")
        assert await heard(gateway, answers[-1]) == answers
        with pytest.raises(BrokerUnavailableError):
            await gateway.publish(own[0], b"x" * (PAYLOAD_BYTES_MAX + 8_192))


async def test_nothing_arrives_on_topics_of_others(site: BrokerSite) -> None:
    """The broker confirms such a message (QoS 1) and drops it."""
    marker = topic(SCHOOL, "gw-1", "batch")
    tried = [
        *(topic(SCHOOL, "gw-2", leaf) for leaf in ("batch", "urgent", "status", "ack", "config")),
        topic(OTHER_SCHOOL, "gw-1", "batch"),
        topic(SCHOOL, "gw-1", "ack"),
        topic(SCHOOL, "gw-1", "config"),
        f"{marker}/more",
        f"campus/v1/{SCHOOL}/gw-1",
        f"/{marker}",
        "campus/local/gw-1/alarm",
        "$SYS/broker/uptime",
        marker,
    ]
    async with (
        connect(site.collector(), "collector") as collector,
        connect(site.gateway("gw-1", OTHER_SCHOOL), "other") as other,
        connect(site.gateway("gw-2"), "gw-2") as neighbour,
    ):
        await collector.subscribe(["#", *intake_filters()])
        for link, gateway, school in ((other, "gw-1", OTHER_SCHOOL), (neighbour, "gw-2", SCHOOL)):
            await link.subscribe([topic(school, gateway, "ack"), topic(school, gateway, "config")])
        await say(site.gateway("gw-1"), tried)
        assert set(await heard(collector, marker)) == {marker}
        for link, gateway, school in ((other, "gw-1", OTHER_SCHOOL), (neighbour, "gw-2", SCHOOL)):
            last = topic(school, gateway, "ack")
            await collector.publish(last, b"x")
            assert await heard(link, last) == [last]


@pytest.mark.parametrize("username", [None, "campus-collector"])
async def test_a_gateway_hears_nothing_of_others(site: BrokerSite, username: str | None) -> None:
    """The broker confirms such subscriptions, and sends nothing for them. A user name that is only said
    counts for nothing.
    """
    marker = topic(SCHOOL, "gw-1", "ack")
    curious = site.named(common_name(SCHOOL, "gw-1"), site.authority, username)
    async with (
        connect(site.collector(), "collector") as collector,
        connect(site.gateway("gw-2"), "gw-2") as neighbour,
        connect(curious, "campus-collector") as gateway,
    ):
        await collector.subscribe(intake_filters())
        await gateway.subscribe(
            [
                "#",
                "+/+/+/+/+",
                "$SYS/#",
                *intake_filters(),
                topic(SCHOOL, "gw-2", "ack"),
                "campus/v1/+/+/config",
            ]
        )
        await gateway.subscribe(["$share/all/campus/v1/#", marker])
        for leaf in ("ack", "config"):
            await collector.publish(topic(SCHOOL, "gw-2", leaf), b"x")
        said = topic(SCHOOL, "gw-2", "batch")
        await neighbour.publish(said, b"x")
        await gateway.publish(said, b"x")
        await gateway.publish(marker, b"x")
        assert await heard(collector, said) == [said]
        await collector.publish(marker, b"x")
        assert set(await heard(gateway, marker)) == {marker}


@pytest.mark.parametrize("name", ["+/+", "#", f"{SCHOOL}/+", " ", f"{SCHOOL}/gw-1/", "campus-collectors"])
async def test_names_that_no_authority_of_ours_gives_open_nothing(site: BrokerSite, name: str) -> None:
    marker, answer = topic(SCHOOL, "gw-1", "status"), topic(SCHOOL, "gw-1", "ack")
    async with (
        connect(site.collector(), "collector") as collector,
        connect(site.gateway("gw-1"), "gw-1") as gateway,
        connect(site.named(name, site.authority), "odd") as odd,
    ):
        await collector.subscribe(intake_filters())
        await gateway.subscribe([answer])
        await odd.subscribe(["#", *intake_filters(), "campus/v1/+/+/ack"])
        for one in (topic(SCHOOL, "gw-1", "batch"), topic(SCHOOL, "gw-1", "ack")):
            await odd.publish(one, b"x")
        await gateway.publish(marker, b"x")
        assert await heard(collector, marker) == [marker]
        await collector.publish(answer, b"x")
        assert await heard(gateway, answer) == [answer]
        assert await has_heard_nothing(odd)


async def test_who_has_no_certificate_of_the_authority_stays_outside(
    site: BrokerSite, tmp_path: Path
) -> None:
    other = Authority.open(tmp_path / "other", now_ms())
    broker_itself = site._settings(tmp_path / "broker/broker.pem", tmp_path / "broker/broker.key")
    without = site.collector().model_copy(update={"certificate_file": None, "key_file": None})
    plain = BrokerSettings(host="127.0.0.1", port=site.mosquitto.port)
    assert not await is_refused(site.gateway("gw-1"))
    for settings in (site.gateway("gw-1", authority=other), broker_itself, without, plain):
        assert await is_refused(settings)


async def test_a_revoked_gateway_stays_outside_once_the_list_was_read_again(site: BrokerSite) -> None:
    """An open connection goes on: what comes over it the collector refuses."""
    stays, revoked = site.gateway("gw-2"), site.gateway("gw-1")
    serial = site.serial
    async with connect(revoked, "gw-1") as link:
        site.revoke(serial)
        await until_refused(revoked)
        assert not await is_refused(stays)
        assert not await is_refused(site.gateway("gw-1"))  # its new certificate
        await link.publish(topic(SCHOOL, "gw-1", "batch"), b"x")


async def test_a_certificate_of_the_broker_that_was_renewed_is_shown(site: BrokerSite) -> None:
    """After SIGHUP, to whoever comes then; who is there stays."""

    async def shown() -> str:
        return await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", site.mosquitto.port))

    file = site.folder / "broker" / "broker.pem"
    assert await shown() == file.read_text("ascii")
    async with connect(site.gateway("gw-1"), "gw-1") as link:
        assert site.files.refresh(now_ms() + 341 * DAY_MS)
        site.reload()
        async with asyncio.timeout(20):
            while True:
                if await shown() == file.read_text("ascii"):
                    break
                await asyncio.sleep(0.05)
        await link.publish(topic(SCHOOL, "gw-1", "batch"), b"x")


def test_what_is_good_stays_and_what_ends_is_made_anew(site: BrokerSite) -> None:
    out = site.folder / "broker"
    secrets = [out / "broker.key", out / "collector.key"]
    before = [one.read_bytes() for one in secrets]
    assert {one.stat().st_mode & 0o777 for one in secrets} == {0o600}
    assert site.files.refresh(now_ms()) == []
    assert site.files.write(now_ms()) == ["mosquitto.conf", "acl", "README.md"]
    assert [one.read_bytes() for one in secrets] == before

    more = site.open_files(["127.0.0.1", "10.0.0.7"])
    assert more.refresh(now_ms()) == ["broker.key", "broker.pem"]
    assert more.refresh(now_ms()) == []
    assert more.refresh(now_ms() + 300 * DAY_MS) == []
    late_ms = now_ms() + 341 * DAY_MS
    assert more.refresh(late_ms) == ["broker.key", "broker.pem", "collector.key", "collector.pem"]
    (out / "collector.pem").write_bytes((out / "broker.pem").read_bytes())
    assert more.refresh(late_ms) == ["collector.key", "collector.pem"]
    assert [one.read_bytes() for one in secrets] != before


@pytest.mark.parametrize("hosts", [[], ["not a host"], ["http://x"], ["a\nlistener 1883"]])
def test_names_that_are_none_are_refused(tmp_path: Path, hosts: list[str]) -> None:
    authority = Authority.open(tmp_path / "authority", now_ms())
    pair = Pair(tmp_path / "c.pem", tmp_path / "c.key")
    with pytest.raises(UsageError, match="broker's names"):
        BrokerFiles(authority, tmp_path / "out", hosts, port=8883, collector=pair)
    assert not (tmp_path / "out").exists()


def test_an_authority_that_has_ended_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_signing_key(tmp_path / "collector.key")
    file, out, late_ms = tmp_path / "collector.toml", tmp_path / "out", now_ms() + 11 * 365 * DAY_MS
    file.write_text(
        '[collector]\nkey_file = "collector.key"\ndata_dir = "data"\n[intake_http]\nhost = "127.0.0.1"\n'
        '[enrolment]\nhttps_url = "https://pulse.example:8421"\n',
        "utf-8",
    )
    Authority.open(tmp_path / "data" / "authority", now_ms())
    for commands in ("authority", "broker"):
        monkeypatch.setattr(f"collector.{commands}_commands.wall_ms", lambda: late_ms)
    for command in (
        ("authority", "server", file, "pulse.example", "--out", out),
        ("broker", "files", file, "--name", "mqtt.example", "--out", out),
    ):
        result = CliRunner().invoke(app, [str(word) for word in command], env={"COLUMNS": "400"})
        assert result.exit_code == 2, result.output
        assert "has ended; set the clock" in " ".join(result.output.split())


def test_commands_say_what_is_missing(tmp_path: Path) -> None:
    create_signing_key(tmp_path / "collector.key")
    file, out = tmp_path / "collector.toml", tmp_path / "out"
    text = '[collector]\nkey_file = "collector.key"\ndata_dir = "data"\n[intake_http]\nhost = "127.0.0.1"\n'
    enrolment = '[enrolment]\nhttps_url = "https://pulse.example:8421"\n'

    def said(command: str, *more: str) -> str:
        arguments = ["broker", command, str(file), "--out", str(out), *more]
        result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
        assert result.exit_code == 2
        return result.output

    file.write_text(text, "utf-8")
    assert "without [enrolment] there is no authority" in said("files")
    file.write_text(text + enrolment, "utf-8")
    assert "how gateways reach the broker: give --name" in said("files")
    assert "campus collector authority init" in said("files", "--name", "mqtt.example")
    Authority.open(tmp_path / "data" / "authority", now_ms())
    assert "there is no user nobody-here" in said(
        "files", "--name", "mqtt.example", "--broker-user", "nobody-here"
    )
    assert "run first: campus collector broker files" in said("refresh", "--name", "mqtt.example")
    out.write_text("in the way", "utf-8")
    assert "cannot be written" in said("files", "--name", "mqtt.example")


def test_no_right_is_given_beside_those_of_the_contract() -> None:
    rights = {line for line in access_list().splitlines() if line and not line.startswith("#")}
    assert rights == {
        *(f"pattern write campus/v1/%u/{leaf}" for leaf in ("batch", "urgent", "status")),
        *(f"pattern read campus/v1/%u/{leaf}" for leaf in ("ack", "config")),
        "user campus-collector",
        *(f"topic read campus/v1/+/+/{leaf}" for leaf in ("batch", "urgent", "status")),
        *(f"topic write campus/v1/+/+/{leaf}" for leaf in ("ack", "config")),
    }
