"""A small site of real processes: gateways and a collector, as a user starts them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from collector.records import Gateway, Records
from edge_agent.identity.map_file import MapFile
from foundation.keyfiles import create_signing_key, public_text
from telemetry.credential_map import CredentialMap
from telemetry.envelope import key_id
from tests.conftest import Mosquitto, free_port
from tests.edge.vault_double import VaultDouble
from tests.line.site_vault import Holder, SiteVaults, make_update

SCHOOL = "example-primary"
WAIT_S_MAX = 60.0

Found = TypeVar("Found")


def eventually(look: Callable[[], Found | None], what: str, wait_s: float = WAIT_S_MAX) -> Found:
    """What `look` finds as soon as it finds something true. Fails the test after `wait_s`."""
    until = time.monotonic() + wait_s
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.05)  # to look costs those who are looked at
    pytest.fail(f"did not happen within {wait_s:g} s: {what}", pytrace=False)


def campus(*arguments: str | Path, wait_s: float = WAIT_S_MAX) -> subprocess.CompletedProcess[str]:
    """Runs a `campus` command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "campus", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=wait_s,
        check=False,
        env=os.environ | {"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
    )


class Process:
    """One `campus … run` in the background, its log in a file. program: how Python is told to be `campus`."""

    def __init__(
        self, log_file: Path, *arguments: str | Path, program: Sequence[str] = ("-m", "campus")
    ) -> None:
        self.log_file = log_file
        with log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, *program, *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def wait_for(self, event: str, since: int = 0) -> None:
        eventually(lambda: not self.running or event in self.log()[since:], f"{event!r} in {self.log_file}")
        assert self.running, self.log()[-3000:]

    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """An orderly end; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"did not stop within 30 s:\n{self.log()[-3000:]}", pytrace=False)

    def resident_bytes(self) -> int:
        return self._memory_bytes("VmRSS:")

    def peak_bytes(self) -> int:
        """The most that was resident so far."""
        return self._memory_bytes("VmHWM:")

    def _memory_bytes(self, name: str) -> int:
        assert self.running, self.log()[-3000:]
        status = Path(f"/proc/{self._process.pid}/status").read_text("ascii")
        line = next(line for line in status.splitlines() if line.startswith(name))
        return int(line.split()[1]) * 1024


class Site:
    """Files and processes of one test's site, with one gateway or several."""

    def __init__(self, folder: Path, broker: Mosquitto, web_port: int = 0) -> None:
        self.folder = folder
        self.broker = broker
        self.web_port = web_port or free_port()
        self.cards: dict[str, Holder] = {}
        """Whose they are, for gateways that are added from then on."""
        self.vaults: dict[str, VaultDouble] = {}
        """By gateway."""
        self._site_vaults = SiteVaults()
        self._processes: list[Process] = []
        # One for all questions: a new one reads the certificates of the machine. Each asks anew, for the
        # other end is killed and started again.
        self._asking = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), timeout=30)
        self.collector: Process | None = None
        self.collector_file = folder / "collector.toml"
        key = create_signing_key(folder / "collector.key")
        self.collector_key = public_text(key.public_key())
        self.collector_file.write_text(
            f'mqtt = {{ host = "127.0.0.1", port = {broker.port} }}\n'
            '[collector]\nkey_file = "collector.key"\ndata_dir = "collector-data"\n'
            f"[web]\nport = {self.web_port}\n[accounts]\nrequired = false\n",
            "utf-8",
        )

    def add_gateway(
        self,
        gateway: str,
        devices: Sequence[dict[str, Any]],
        extra: str = "",
        *,
        register: bool = True,
        tables: str = "",
        way: str = "",
    ) -> Path:
        """Writes a gateway's files; `extra` stands before the first table, `tables` among them. `way`: to
        the collector, if not over the broker.
        """
        home = self.folder / gateway
        key = create_signing_key(home / "gateway.key")
        now_ms = time.time_ns() // 1_000_000
        update = make_update(SCHOOL, gateway, self.cards, version=1, issued_ms=now_ms)
        vault = self.vaults[gateway] = self._site_vaults.add(key.public_key(), update)
        # As after a first run, so that nobody waits for the first answer.
        (home / "data").mkdir()
        MapFile(home / "data", key, SCHOOL, gateway).write(CredentialMap.whole(update))
        broker = f'{{ host = "127.0.0.1", port = {self.broker.port} }}'
        file = home / "gateway.toml"
        rows = "".join(
            "[[mqtt.devices]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in row.items())
            for row in devices
        )
        file.write_text(
            f'{extra}\n[gateway]\nid = "{gateway}"\nschool = "{SCHOOL}"\nkey_file = "gateway.key"\n'
            'data_dir = "data"\nclock = "system"\n'
            f'[collector]\npublic_key = "{self.collector_key}"\n{way or f"mqtt = {broker}"}\n'
            f'[personal]\nvault = "{vault.url}"\nvault_public_key = "{vault.public_key}"\nrefresh_s = 1\n'
            f"{tables}\n"
            f'[[mqtt]]\nname = "devices"\nbroker = {broker}\n{rows}',
            "utf-8",
        )
        if register:
            self.register(gateway, public_text(key.public_key()), key_id(key.public_key()))
        return file

    def take_posts(self, certificate: tuple[Path, Path] | None = None) -> str:
        """Lets the collector, not yet started, listen for posts on this machine; where."""
        port, tls = free_port(), ""
        if certificate:
            tls = f'cert_file = "{certificate[0]}"\nkey_file = "{certificate[1]}"\n'
        with self.collector_file.open("a", encoding="utf-8") as file:
            file.write(f'[intake_http]\nhost = "127.0.0.1"\nport = {port}\n{tls}')
        return f"http{'s' if certificate else ''}://127.0.0.1:{port}"

    @property
    def records_place(self) -> Path | str:
        """The collector's records database."""
        return self.folder / "collector-data" / "records.db"

    def register(self, gateway: str, public_key: str, key: bytes) -> None:
        records = Records.open(self.records_place)
        try:
            records.add_gateway(Gateway(SCHOOL, gateway, public_key, key.hex(), "active", 1))
        finally:
            records.close_now()

    def start_gateway(self, file: Path) -> Process:
        """Returns once the gateway listens to its devices."""
        log_file = file.parent / "gateway.log"
        since = len(log_file.read_text("utf-8", "replace")) if log_file.exists() else 0
        process = Process(log_file, "edge", "run", file)
        self._processes.append(process)
        process.wait_for("listening to devices", since)
        return process

    def start_collector(self) -> Process:
        """Returns once the page answers and the intake listens."""
        process = Process(self.folder / "collector.log", "collector", "run", self.collector_file)
        self._processes.append(process)
        eventually(lambda: not process.running or self._is_up(), "the collector answers")
        assert process.running, process.log()[-3000:]
        self.collector = process
        return process

    def _is_up(self) -> bool:
        try:
            answer = self._asking.get(f"{self.url}/healthz", timeout=5)
        except httpx.TransportError:
            return False
        return answer.status_code == 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self._asking.get(f"{self.url}{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def metric(self, name: str, url: str = "") -> float:
        """A metric of the collector, or of who answers at `url`, summed over its labels."""
        text = self._asking.get(f"{url or self.url}/metrics").text
        rows = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return sum(float(value) for key, value in rows if key.split("{")[0] == name)

    def publish(self, topic: str, payload: str, *options: str) -> None:
        """With mosquitto_pub, as anybody would."""
        subprocess.run(
            [
                "mosquitto_pub",
                "-h",
                "127.0.0.1",
                "-p",
                str(self.broker.port),
                "-q",
                "1",
                "-t",
                topic,
                "-m",
                payload,
                *options,
            ],
            check=True,
            timeout=30,
        )

    def publish_lines(self, topic: str, payloads: Sequence[str]) -> None:
        """Many messages over one connection."""
        subprocess.run(
            ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.broker.port), "-q", "1", "-t", topic, "-l"],
            input="\n".join(payloads),
            text=True,
            check=True,
            timeout=60,
        )

    def points(self, device: str, quantity: str) -> list[tuple[int, Any]]:
        """Every stored (time, value) of a series."""
        answer = self.get(
            "/api/v1/series/query",
            device=device,
            quantity=quantity,
            start=0,
            end=4_000_000_000_000,
            step="none",
        )
        return [
            (time_ms, value)
            for series in answer["series"]
            for time_ms, value in zip(series["time_ms"], series["value"], strict=True)
        ]

    def alerts(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.get("/api/v1/alerts")["items"]
        return items

    def close(self) -> None:
        for process in self._processes:
            if process.running:
                process.kill()
        self._asking.close()
        self._site_vaults.close()
