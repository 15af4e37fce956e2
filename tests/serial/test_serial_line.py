"""The whole line with real processes: simulated boards, gateway, mosquitto, collector, its API."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Mosquitto, free_port
from tests.line.running_site import Process, Site, campus, eventually

DUST, GAS, METER, SCALE = "plantower/pms5003", "winsen/mh-z19b", "dlt645/single-phase", "yaohua/xk3190-a9"


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Site]:
    made = Site(tmp_path, mosquitto)
    yield made
    made.close()


BOTH = ("plantower-pms5003-1", "winsen-mh-z19b-2")


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[Path]:
    """A dust sensor, a gas sensor, and two meters on one line, unplugged now and then."""
    yield from _boards(tmp_path, "--unplug-every", "5")


@pytest.fixture
def steady_ports(tmp_path: Path) -> Iterator[Path]:
    """The same, left alone: a scan looks at each port once."""
    yield from _boards(tmp_path)


def _boards(tmp_path: Path, *more: str) -> Iterator[Path]:
    folder = tmp_path / "ports"
    models = ("--profile", DUST, "--profile", GAS, "--profile", METER, "--meters", "2", "--profile", SCALE)
    simulated = ("simulate", "serial", "--ports", folder, "--interval", "0.3", *more, *models)
    process = Process(tmp_path / "boards.log", *map(str, simulated))
    process.wait_for("xk3190-a9-4 at 9600 Bd")
    yield folder
    assert process.stop() == 0, process.log()
    assert "Sent: " in process.log()


def _tables(folder: Path) -> str:
    def table(name: str, port: str, *devices: str) -> str:
        return "\n".join(
            [f'[[serial]]\nname = "{name}"\nport = "{folder / port}"']
            + [f'[[serial.devices]]\nplace = "main/301"\n{device}' for device in devices]
        )

    meters = [f'id = "meter-{at}"\nprofile = "{METER}"\naddress = "{at}"\ninterval_s = 0.5' for at in (1, 2)]
    return "\n\n".join(
        [
            table("dust", "plantower-pms5003-1", f'id = "dust-1"\nprofile = "{DUST}"'),
            table("gas", "winsen-mh-z19b-2", f'id = "gas-1"\nprofile = "{GAS}"\ninterval_s = 0.5'),
            table("meters", "dlt645-single-phase-3", *meters),
            table("nobody", "not-there", f'id = "scale-1"\nprofile = "{SCALE}"'),
        ]
    )


def test_readings_of_serial_boards_reach_the_collector(site: Site, ports: Path) -> None:
    metrics = free_port()
    tables = f"[metrics]\nport = {metrics}\n" + _tables(ports)
    spare = {"id": "air-1", "profile": "json/environment", "place": "main/301"}
    gateway = site.add_gateway("gw-serial", [spare], tables=tables)

    checked = campus("edge", "check", gateway, "--timeout", "3")
    lines = {line.split()[1].rstrip(":"): line for line in checked.stdout.splitlines() if "-" in line}
    assert lines["dust-1"].startswith("✓"), checked.stdout
    assert "pm2_5" in lines["dust-1"]
    assert lines["scale-1"].startswith("✗"), "its port is not there"
    assert checked.returncode == 1

    site.start_collector()
    process = site.start_gateway(gateway)
    for device, quantity in (
        ("dust-1", "pm2_5"),
        ("gas-1", "co2"),
        ("meter-1", "voltage"),
        ("meter-2", "voltage"),
    ):
        eventually(
            lambda device=device, quantity=quantity: site.points(device, quantity),  # type: ignore[misc]
            f"{quantity} of {device}",
        )
    eventually(lambda: "port is there again" in process.log(), "an adapter was pulled out and came back")
    had = len(site.points("dust-1", "pm2_5"))
    eventually(lambda: len(site.points("dust-1", "pm2_5")) > had, "it goes on")
    assert process.log().count('"driver": "nobody"') <= 2, "told once, tried for ever"


def test_scan_finds_the_boards_and_writes_a_stub(steady_ports: Path) -> None:
    found = campus("edge", "scan", "serial", "--listen", "2", *(steady_ports / name for name in BOTH))
    assert found.returncode == 0, found.stderr
    assert "plantower/pms5003: pm1 " in found.stderr
    tables = tomllib.loads(found.stdout)["serial"]
    assert [table["devices"][0]["profile"] for table in tables] == [DUST, GAS]
    assert [table["baud"] for table in tables] == [9_600, 9_600]


def test_scan_of_what_is_not_there(tmp_path: Path) -> None:
    missing = campus("edge", "scan", "serial", tmp_path / "none")
    assert missing.returncode == 1
    assert "No such file" in missing.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("simulate", "serial", "--profile", "plantower/pms"), "did you mean plantower/"),
        (("simulate", "serial", "--profile", "renke/rs-ws-n01"), "is no board on a serial line"),
        (("simulate", "serial", "--ports", "/proc/none"), "--ports /proc/none: "),
    ],
)
def test_what_cannot_be_done_is_said_in_words(arguments: tuple[str, ...], said: str) -> None:
    done = campus(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
