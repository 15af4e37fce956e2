"""From a code on a screen to a reading in the store: real collector, real broker under the configuration that is
written for it, a gateway that was enrolled by command, rotated and revoked.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from typer.testing import CliRunner

from campus.cli import build
from collector.intake.line import wall_ms
from edge_agent.config import load_config
from edge_agent.enrolment.certificates import read_certificate
from edge_agent.enrolment.rotate import rotate
from foundation.keyfiles import load_signing_key, public_text
from tests.conftest import Mosquitto, free_port
from tests.line.running_site import SCHOOL, Process, Site, eventually

DEVICES = """
[metrics]
port = {metrics}
[[mqtt]]
name = "classrooms"
broker = {{ host = "127.0.0.1", port = {port} }}
devices = [{{ id = "air-1", profile = "json/environment", place = "main/301" }}]
"""


def run(*arguments: str | Path, code: int = 0) -> str:
    given = list(map(str, arguments))
    result = CliRunner().invoke(build(given[0]), given, env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    return result.output


class EnrolledSite(Site):
    """Its broker is for devices; gateways reach the collector over another one, with TLS."""

    def __init__(self, folder: Path, devices: Mosquitto) -> None:
        super().__init__(folder, devices)
        self.port, self.intake, self.metrics = free_port(), free_port(), free_port()
        self.out = folder / "broker"
        text = (
            '[collector]\nkey_file = "collector.key"\ndata_dir = "collector-data"\n'
            f"[web]\nport = {self.web_port}\n[accounts]\nrequired = false\n"
            f'[enrolment]\nhttps_url = "https://127.0.0.1:{self.intake}"\n'
            f'mqtt = {{ host = "127.0.0.1", port = {self.port} }}\n'
        )
        without_tls = '[intake_http]\nhost = "127.0.0.1"\n'
        self.collector_file.write_text(text + without_tls, "utf-8")
        run("collector", "authority", "init", self.collector_file)
        run("collector", "authority", "server", self.collector_file, "127.0.0.1", "--out", folder / "intake")
        told = run("collector", "broker", "files", self.collector_file, "--out", self.out)
        section = told[told.index("[mqtt]") : told.index("下一步 next: mosquitto")]
        self.collector_file.write_text(
            f'{text}{section}[intake_http]\nhost = "127.0.0.1"\nport = {self.intake}\n'
            'cert_file = "intake/server.pem"\nkey_file = "intake/server.key"\n',
            "utf-8",
        )
        assert f"listener {self.port}\n" in (self.out / "mosquitto.conf").read_text("utf-8")
        lines = (self.out / "mosquitto.conf").read_text("utf-8").splitlines()
        kept = [line for line in lines if line and not line.startswith(("#", "listener", "log_dest"))]
        self.uplink = Mosquitto(folder / "uplink", *kept)
        self.uplink.port = self.port
        self.uplink.start()

    def code(self, gateway: str) -> str:
        told = run("collector", "gateway", "invite", self.collector_file, SCHOOL, gateway)
        found = re.search(r"--code (\S+)", told)
        assert found is not None, told
        return found[1]

    def enrol(self, gateway: str) -> Path:
        home = self.folder / gateway
        told = run(
            "gateway",
            "enrol",
            f"127.0.0.1:{self.intake}",
            "--code",
            self.code(gateway),
            "--folder",
            home,
        )
        assert f"enrolled: {SCHOOL}/{gateway}" in told
        file = home / "gateway.toml"
        with file.open("a", encoding="utf-8") as out:
            out.write(DEVICES.format(port=self.broker.port, metrics=self.metrics))
        return file

    def measure(self, value: float) -> None:
        """A device says so; it comes to be in the store."""
        self.publish("sensors/air-1", json.dumps({"co2": value}))
        eventually(lambda: value in {one for _, one in self.points("air-1", "co2")}, f"{value} is stored")

    def reload_broker(self) -> None:
        """As deploy/systemd/campus-broker.service does it."""
        run("collector", "broker", "refresh", self.collector_file, "--out", self.out)
        process = self.uplink._process
        assert process is not None
        os.kill(process.pid, signal.SIGHUP)

    def close(self) -> None:
        super().close()
        self.uplink.kill()


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[EnrolledSite]:
    made = EnrolledSite(tmp_path, mosquitto)
    yield made
    made.close()


def stop(process: Process) -> None:
    assert process.stop() == 0


def test_a_gateway_enrols_sends_rotates_and_is_revoked(site: EnrolledSite) -> None:
    site.start_collector()
    file = site.enrol("gw-1")
    config = load_config(file)
    assert config.collector.certificate_file is not None
    eventually(lambda: _can_reach(file), "the collector knows the gateway")

    running = site.start_gateway(file)
    site.measure(401.0)
    assert f"u'{SCHOOL}/gw-1'" in site.uplink.log()
    gateway = f"http://127.0.0.1:{site.metrics}"
    ends_s = eventually(
        lambda: site.metric("campus_edge_certificate_ends_seconds", gateway), "it knows its certificate's end"
    )
    assert ends_s == read_certificate(config.collector.certificate_file).not_after.timestamp()

    # A running gateway renews its certificate; the next connection shows it.
    first = read_certificate(config.collector.certificate_file)
    renewed = asyncio.run(rotate(config, signing_key=False, now_ms=wall_ms))
    assert renewed.certificate.fingerprint != first.fingerprint
    site.uplink.kill()
    site.uplink.start()
    site.measure(402.0)
    stop(running)

    # What it reads is signed when it is sent: with the new key.
    before = load_signing_key(config.gateway.key_file).public_key()
    run("gateway", "rotate", file)
    new_key = public_text(load_signing_key(config.gateway.key_file).public_key())
    assert new_key != public_text(before)
    running = site.start_gateway(file)
    site.measure(403.0)
    assert new_key in run("collector", "gateway", "list", site.collector_file)

    # The broker goes away and comes back with the list on which the old certificates are.
    eventually(lambda: _revoked(site) == 2, "the old certificates are revoked")
    site.reload_broker()
    site.uplink.kill()
    site.uplink.start()
    site.measure(404.0)

    run("collector", "gateway", "revoke", site.collector_file, "--school", SCHOOL, "--id", "gw-1")
    site.reload_broker()
    stop(running)
    told = run("edge", "check", file, "--timeout", "0.1", code=1)
    assert "does it believe our certificate? campus gateway status" in told


def _can_reach(file: Path) -> bool:
    """Over both ways; the device says nothing yet."""
    told = run("edge", "check", file, "--timeout", "0.1", code=1)
    return "acknowledgements can be received" in told and "knows this gateway" in told


def _revoked(site: EnrolledSite) -> int:
    run("collector", "broker", "refresh", site.collector_file, "--out", site.out)
    return len(x509.load_pem_x509_crl((site.out / "crl.pem").read_bytes()))
