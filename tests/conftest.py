"""Fixtures shared by all test rooms: a real mosquitto on a free port.

A test that needs the type says ``from tests.conftest import Mosquitto``.
"""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
import structlog

from tests.postgresql import PostgreSql, running_postgresql
from tests.side_by_side import FileAtATime, in_order, unit_of

# Processes that run tests side by side are told a width of 80; commands under test ask for their own.
os.environ.pop("COLUMNS", None)

_READY_S_MAX = 20.0
_STOP_S_MAX = 20.0
_PORT_ATTEMPTS = 5


class Mosquitto:
    """A mosquitto process that can be stopped, killed and started again on the same port.

    Without further configuration lines it listens for MQTT 5 and 3.1.1 on 127.0.0.1, lets everyone
    in and keeps nothing across a restart.
    """

    host = "127.0.0.1"

    def __init__(self, folder: Path, *lines: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log_file = folder / "mosquitto.log"
        self.port = 0
        self._config_file = folder / "mosquitto.conf"
        self._lines = lines
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns once the port answers. Fails the test when it does not."""
        assert not self.running, "mosquitto is running already"
        fixed = bool(self.port)
        for _ in range(_PORT_ATTEMPTS):
            self.port = self.port if fixed else free_port()
            if self._try_start():
                return
        pytest.fail(f"mosquitto does not start on port {self.port}:\n{self.log()}", pytrace=False)

    def stop(self) -> None:
        """An orderly end: clients are told, persistent state is written."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """As kill -9: clients see their connection reset, nothing is written."""
        self._end(signal.SIGKILL)

    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace") if self.log_file.exists() else "(no log)"

    def _try_start(self) -> bool:
        lines = [f"listener {self.port} {self.host}", f"log_dest file {self.log_file}", *self._lines]
        if not any(line.startswith("allow_anonymous") for line in self._lines):
            lines.append("allow_anonymous true")
        if os.getuid() == 0:
            lines.append("user root")  # else it becomes a user who cannot read the test's files
        self._config_file.write_text("\n".join(lines) + "\n", "utf-8")
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [_binary(), "-c", str(self._config_file)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + _READY_S_MAX
        while self.running and time.monotonic() < deadline:
            if _answers(self.host, self.port) and self.running:
                return True
            time.sleep(0.01)
        self.kill()
        return False

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(_STOP_S_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            pytest.fail(f"mosquitto did not end within {_STOP_S_MAX} s", pytrace=False)
        finally:
            self._process = None


@pytest.fixture(autouse=True)
def logs_as_they_begin() -> None:
    """A command that a test ran in this process has set up logging for all that come after it."""
    structlog.reset_defaults()


MakeMosquitto = Callable[..., Mosquitto]
"""Makes a started broker with the given configuration lines added."""


@pytest.fixture
def make_mosquitto(tmp_path: Path) -> Iterator[MakeMosquitto]:
    """``make_mosquitto("max_queued_messages 5", …)``: as many brokers as a test needs."""
    made: list[Mosquitto] = []

    def make(*lines: str) -> Mosquitto:
        broker = Mosquitto(tmp_path / f"mosquitto-{len(made)}", *lines)
        made.append(broker)
        broker.start()
        return broker

    yield make
    for broker in made:
        broker.kill()


@pytest.fixture
def mosquitto(make_mosquitto: MakeMosquitto) -> Mosquitto:
    """A started broker that lets everyone in."""
    return make_mosquitto()


def _binary() -> str:
    # Debian keeps it in sbin, which is not on everyone's path.
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail("no mosquitto here; install the Debian package: apt-get install mosquitto", pytrace=False)
    return found


def free_port() -> int:
    """A TCP port nobody listens on, below those that the kernel hands out by itself: between this
    answer and its use no outgoing connection can be given it.
    """
    while True:
        port = secrets.randbelow(20_000) + 10_000
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _answers(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """The modules and the tests stay: who looks for garbage need not look at them, nor as often as in a
    small program. A fifth of the time of all tests went there.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.set_threshold(20_000, 20, 20)
        gc.enable()


def pytest_sessionfinish() -> None:
    gc.unfreeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FileAtATime:
    return FileAtATime(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In each of several processes: the order in which files are given out."""
    if hasattr(config, "workerinput"):
        places = {unit: place for place, unit in enumerate(in_order(unit_of(item.nodeid) for item in items))}
        items.sort(key=lambda item: places[unit_of(item.nodeid)])


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSql]:
    """One server for the whole run; a test takes a database of its own."""
    with running_postgresql() as server:
        yield server
