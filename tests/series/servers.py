"""Real series servers on free ports: Debian's victoria-metrics and influxdb, in temporary folders."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import pytest
import urllib3

from tests.conftest import free_port

_READY_S_MAX = 30.0
_STOP_S_MAX = 30.0


class SeriesServer:
    """A process that can be stopped, killed and started again on the same port and folder."""

    program = ""
    package = ""
    ready_path = ""

    def __init__(self, *options: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.package}-"))
        self.port = free_port()
        self.options = options
        self._http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(10))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process, "not running"
        return self._process.pid

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> Self:
        """Returns once it answers."""
        if shutil.which(self.program) is None:
            pytest.fail(f"no {self.program} here; apt-get install {self.package}", pytrace=False)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + _READY_S_MAX
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if self._http.request("GET", self.url + self.ready_path).status < 300:
                    return self
            time.sleep(0.02)
        self.end(signal.SIGKILL)
        pytest.fail(f"{self.program} does not start:\n{self.log()[-2_000:]}", pytrace=False)

    def kill(self) -> None:
        """As kill -9."""
        self.end(signal.SIGKILL)

    def stop(self) -> None:
        self.end(signal.SIGTERM)

    def end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(_STOP_S_MAX)
            self._process = None

    def remove(self) -> None:
        self.kill()
        self._http.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def ask(self, path: str, **fields: str) -> bytes:
        answer = self._http.request("POST", self.url + path, fields=fields, encode_multipart=False)
        assert answer.status < 300, answer.data
        return answer.data


class VictoriaServer(SeriesServer):
    program, package, ready_path = "victoria-metrics", "victoria-metrics", "/health"

    def command(self) -> list[str]:
        return [
            self.program,
            f"-storageDataPath={self.folder / 'data'}",
            f"-httpListenAddr=127.0.0.1:{self.port}",
            "-retentionPeriod=100y",
            "-dedup.minScrapeInterval=1ms",
            "-search.latencyOffset=0s",
            "-memory.allowedBytes=64MB",
            *self.options,
        ]

    def flush(self) -> None:
        """What was written can be found from now on, which else takes a second."""
        self.ask("/internal/force_flush")


_INFLUX_CONFIG = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
dir = "{folder}/meta"
logging-enabled = false
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
auth-enabled = {auth}
[monitor]
store-enabled = false
[logging]
level = "warn"
"""


class InfluxServer(SeriesServer):
    """InfluxDB 1.6.7; the option "auth" makes it ask who is there."""

    program, package, ready_path = "influxd", "influxdb", "/ping"

    def command(self) -> list[str]:
        config = self.folder / "influxdb.conf"
        config.write_text(
            _INFLUX_CONFIG.format(
                folder=self.folder, port=self.port, rpc=free_port(), auth=str("auth" in self.options).lower()
            ),
            "utf-8",
        )
        return [self.program, "run", "-config", str(config)]

    def write(self, database: str, lines: bytes) -> None:
        """Lines of somebody else; times in ms."""
        answer = self._http.request("POST", f"{self.url}/write?db={database}&precision=ms", body=lines)
        assert answer.status == 204, answer.data
