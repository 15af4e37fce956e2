"""`campus collector gateway` and `… authority` by hand, beside a collector that runs and dies."""

from __future__ import annotations

import re
import signal
import ssl
import stat
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from typer.testing import CliRunner, Result

from collector.cli import app
from collector.config import load_config
from collector.enrolment.opening import open_registrar
from collector.intake.http_callers import fingerprint_of
from collector.records import Records
from foundation.keyfiles import create_signing_key, load_signing_key
from foundation.tomlfile import FileProblems
from telemetry.enrolment import CONTENT_TYPE, ENROL_PATH, Answer, Question, Sealed, decode, encode
from tests.conftest import free_port
from tests.enrolment.enrolling import GATEWAY, WRONG_CODE, Box
from tests.line.running_site import Process

SCHOOL = "example-primary"


def campus(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "200"})


def good(*arguments: str | Path) -> str:
    result = campus(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(words: str, *arguments: str | Path) -> None:
    result = campus(*arguments)
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output


class Installed:
    """A collector's files. `run` starts it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.file = folder / "collector.toml"
        create_signing_key(folder / "collector.key")
        self.write()
        good("authority", "server", self.file, "127.0.0.1", "--out", folder / "tls")
        self.authority_file = folder / "data" / "authority" / "authority.pem"
        server = x509.load_pem_x509_certificate((folder / "tls" / "server.pem").read_bytes())
        self.shown = fingerprint_of(server)

    def write(self, more: str = "", intake: str = "") -> None:
        tls = 'cert_file = "tls/server.pem"\nkey_file = "tls/server.key"\n'
        self.file.write_text(
            '[collector]\nkey_file = "collector.key"\ndata_dir = "data"\n[web]\nport = 0\n'
            f'[intake_http]\nhost = "127.0.0.1"\nport = {self.port}\n{intake or tls}'
            f'[enrolment]\nhttps_url = "https://127.0.0.1:{self.port}"\n{more}',
            "utf-8",
        )

    def run(self) -> Process:
        log = self.folder / "collector.log"
        since = len(log.read_text("utf-8")) if log.exists() else 0
        process = Process(log, "collector", "run", self.file)
        process.wait_for("collector running", since)
        return process

    def invite(self, *options: str) -> str:
        text = good("gateway", "invite", self.file, SCHOOL, GATEWAY, *options)
        found = re.search(r"campus gateway enrol https://127\.0\.0\.1:\d+ --code (\S+)", text)
        assert found, text
        assert " ".join(found[1]) in text, "big, for whoever reads it across the room"
        return found[1]

    def ask(self, question: Question) -> httpx.Response:
        context = ssl.create_default_context(cafile=str(self.authority_file))
        return httpx.post(
            f"https://127.0.0.1:{self.port}{ENROL_PATH}",
            content=encode(question),
            headers={"Content-Type": CONTENT_TYPE},
            verify=context,
            timeout=20,
        )

    def enrol(self, code: str) -> None:
        response = self.ask(Box().question(code, self.shown))
        assert response.status_code == 200, response.text

    def revoked(self) -> int:
        crl = (self.folder / "data" / "authority" / "crl.pem").read_bytes()
        return len(x509.load_pem_x509_crl(crl))


@pytest.fixture
def installed(tmp_path: Path) -> Installed:
    return Installed(tmp_path)


def test_from_a_code_to_the_end_of_a_gateway(installed: Installed) -> None:
    process = installed.run()
    code = installed.invite()
    question = Box().question(code, installed.shown)
    first = installed.ask(question)
    # Killed before the answer arrived: the same question, asked again, gets it, and nothing is doubled.
    process._process.send_signal(signal.SIGKILL)
    process._process.wait()
    process = installed.run()
    again = installed.ask(question)
    assert again.status_code == 200
    assert again.content == first.content
    answer = decode(decode(again.content, Sealed).answer, Answer)
    assert (answer.school, answer.gateway) == (SCHOOL, GATEWAY)
    assert good("gateway", "list", installed.file).count("active") == 1
    listed = good("gateway", "list", installed.file)
    until = x509.load_pem_x509_certificate(answer.certificate.encode()).not_valid_after_utc
    assert f"active  {until:%Y-%m-%d}" in listed
    refused("--replace", "gateway", "invite", installed.file, SCHOOL, GATEWAY)
    installed.enrol(installed.invite("--replace"))
    assert "campus gateway enrol" in good("gateway", "replace", installed.file, SCHOOL, GATEWAY)
    good("gateway", "revoke", installed.file, "--school", SCHOOL, "--id", GATEWAY)
    assert installed.revoked() == 2
    assert installed.ask(Box().question(WRONG_CODE, installed.shown)).status_code == 403
    refused("no active gateway", "gateway", "revoke", installed.file, "--school", SCHOOL, "--id", GATEWAY)
    assert process.stop() == 0
    noted = good("audit", "list", installed.file)
    for action in ("invite", "enrol", "replace", "revoke"):
        assert f"gateway.{action}" in noted
    log = process.log()
    assert "Traceback" not in log
    assert code not in log


def test_the_authority_by_hand(installed: Installed, tmp_path: Path) -> None:
    first, again = good("authority", "init", installed.file), good("authority", "init", installed.file)
    assert first == again
    assert "until 20" in first
    server = ("authority", "server", installed.file)
    refused("neither a host name", *server, "a b", "--out", tmp_path / "x")
    refused("exists already", *server, "127.0.0.1", "--out", tmp_path / "tls")
    files = [tmp_path / "tls" / f"server.{kind}" for kind in ("key", "pem")]
    before = [one.read_bytes() for one in files]
    good(*server, "127.0.0.1", "--out", tmp_path / "tls", "--renew")
    assert not set(before) & {one.read_bytes() for one in files}
    assert stat.S_IMODE(files[0].stat().st_mode) == 0o600
    ssl.create_default_context().load_cert_chain(files[1], files[0])
    (tmp_path / "data" / "authority" / "authority.key").unlink()
    refused("restore it from a backup", "authority", "init", installed.file)
    refused("restore it from a backup", "run", installed.file)


@pytest.mark.parametrize(
    ("more", "intake", "words"),
    [
        ('proxy_cert_file = "p.pem"\n', "", "shows its own cert_file"),
        ('mqtt = { host = "" }\n', "", "mqtt.host"),
        ('timezone = "Mars/Olympus"\n', "", "is not a time zone"),
        ('vault_url = "http://vault.example"\n', "", "enrolment.vault_url"),
        ('https = "x"\n', "", "enrolment.https is not a setting"),
        ("", 'client_certificates = "required"\n', "a proxy ends TLS"),
        ("", 'client_certificates = "some"\n', "client_certificates"),
    ],
)
def test_a_section_that_cannot_be_meant(installed: Installed, more: str, intake: str, words: str) -> None:
    installed.write(more, intake)
    with pytest.raises(FileProblems, match=re.escape(words)):
        load_config(installed.file)


def test_a_file_of_others_authorities_is_read_as_such(installed: Installed, tmp_path: Path) -> None:
    installed.write('trusted_file = "others.pem"\n')
    refused("trusted_file", "authority", "init", installed.file)
    (tmp_path / "others.pem").write_bytes((tmp_path / "collector.key").read_bytes())
    refused("holds no certificates", "authority", "init", installed.file)
    (tmp_path / "others.pem").write_bytes(
        (tmp_path / "collector.key").read_bytes() + (tmp_path / "tls" / "server.pem").read_bytes()
    )
    good("authority", "init", installed.file)
    config = load_config(installed.file)
    records = Records.open(config.records_place, load_signing_key(config.collector.key_file))
    try:
        registrar = open_registrar(
            config, load_signing_key(config.collector.key_file), records, lambda: 2 * 10**12
        )
        assert registrar._issuer._directions.trusted.count("BEGIN CERTIFICATE") == 1
        assert "PRIVATE" not in registrar._issuer._directions.trusted
    finally:
        records.close_now()


def test_without_the_section_gateways_are_registered_by_hand_only(tmp_path: Path) -> None:
    create_signing_key(tmp_path / "collector.key")
    file = tmp_path / "collector.toml"
    text = (
        '[collector]\nkey_file = "collector.key"\ndata_dir = "data"\n[mqtt]\nhost = "127.0.0.1"\nport = 1\n'
    )
    file.write_text(text, "utf-8")
    refused("no [enrolment]", "gateway", "invite", file, SCHOOL, GATEWAY)
    file.write_text(text + '[enrolment]\nhttps_url = "https://127.0.0.1:1"\n', "utf-8")
    refused("needs [intake_http]", "gateway", "invite", file, SCHOOL, GATEWAY)
