"""`campus simulate ble` and `campus edge scan ble`, as programs, one beside the other."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager

from edge_agent.drivers.ble.config import BleSource

CAMPUS = [sys.executable, "-m", "campus"]


@contextmanager
def simulated(*arguments: str) -> Iterator[dict[str, str]]:
    """The environment in which its adapters are met."""
    command = [*CAMPUS, "simulate", "ble", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            first = process.stdout.readline()
            found = re.fullmatch(r"export (DBUS_SYSTEM_BUS_ADDRESS)=(.*)\n", first)
            assert found, first
            while not process.stdout.readline().startswith("Simulating"):
                assert process.poll() is None
            yield {**os.environ, found[1]: found[2]}
        finally:
            process.terminate()
            assert process.wait(20) == 0


def campus(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CAMPUS, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_what_is_simulated_is_found_and_its_stub_is_a_configuration() -> None:
    models = ["ruuvi/ruuvitag", "xiaomi/mi-band", "bthome/v2@C4:00:00:00:00:77=" + "00" * 16]
    with simulated(*[f"--device={model}" for model in models], "--straps=1", "--beacons=3") as environment:
        done = campus("edge", "scan", "ble", "--listen", "1.5", "--connect", environment=environment)
    assert done.returncode == 0, done.stderr
    (table,) = tomllib.loads(done.stdout)["ble"]
    assert {one["profile"] for one in table["devices"]} == {
        "ruuvi/ruuvitag", "xiaomi/mi-band", "bthome/v2", "sig/heart-rate",
    }  # fmt: skip
    BleSource(**table)
    assert done.stderr.count("no profile fits") == 3
    assert "encrypted: needs its bind key" in done.stderr
    assert re.search(r"ruuvi/ruuvitag: temperature \d+", done.stderr)


def test_nobody_and_nothing_are_told_apart() -> None:
    with simulated("--beacons=2") as environment:
        done = campus("edge", "scan", "ble", "--listen", "1.2", environment=environment)
        assert done.returncode == 1
        assert "no profile fits any" in done.stderr
        done = campus("edge", "scan", "ble", "--adapter", "hci9", "--listen", "0.5", environment=environment)
        assert done.returncode == 2
        assert "adapter hci9 is not there" in done.stderr
    done = campus("edge", "scan", "ble", "--listen", "0.5", environment=environment)
    assert done.returncode == 2
    assert "no D-Bus" in done.stderr


def test_what_cannot_be_simulated_is_said() -> None:
    for wrong, said in (
        (["--device=nobody/none"], "no such model"),
        (["--device=ruuvi/ruuvitag@C4"], "is no address"),
        (["--device=ruuvi/ruuvitag=00"], "a key is 32 hexadecimal digits"),
        (["--silent=C4:00:00:00:00:FE"], "no simulated device has the address"),
    ):
        done = campus("simulate", "ble", *wrong)
        assert done.returncode == 2
        assert said in done.stderr


def test_faults_and_a_duration() -> None:
    done = campus(
        "simulate", "ble", "--bands=1", "--device=bthome/v2@C4:00:00:00:00:77", "--corrupt=C4:00:00:00:00:77",
        "--silent=c4:00:00:00:00:77", "--duplicate", "--crash-every=3", "--duration=0.2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Simulating 2 devices" in done.stdout
