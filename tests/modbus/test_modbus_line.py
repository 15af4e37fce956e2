"""The whole line with real processes: simulated units, gateway, mosquitto, collector, its API."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import Mosquitto, free_port
from tests.line.running_site import Process, Site, campus, eventually

BUS = '[[modbus]]\nname = "{name}"\n{bus}\ntimeout_s = 0.3\n{devices}'
DEVICE = (
    '[[modbus.devices]]\nid = "{id}"\nprofile = "{profile}"\nplace = "main/301"\nunit = {unit}\n'
    "interval_s = 0.5\n"
)
CLIMATE, METER = "renke/rs-ws-n01", "eastron/sdm120"


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Site]:
    made = Site(tmp_path, mosquitto)
    yield made
    made.close()


@pytest.fixture
def buses(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A serial bus and a TCP host, each a process: units 1 and 3 are climate, 2 is a meter."""
    path, port = tmp_path / "adapter", free_port()
    models = ("--units", "1-3", "--profile", CLIMATE, "--profile", METER)
    processes = [
        Process(tmp_path / "rtu.log", "simulate", "modbus", "--pty", path, "--baud", "19200", *models),
        Process(tmp_path / "tcp.log", "simulate", "modbus", "--tcp", str(port), *models, "--silent", "3"),
    ]
    for process in processes:
        process.wait_for("Serving 3 units")
    yield path, port
    for process in processes:
        if process.running:
            assert process.stop() == 0, process.log()
        assert "Answered" in process.log()


def _tables(path: Path, port: int) -> str:
    def devices(prefix: str) -> str:
        models = ((1, CLIMATE), (2, METER), (3, CLIMATE))
        return "".join(DEVICE.format(id=f"{prefix}-{n}", profile=profile, unit=n) for n, profile in models)

    serial = f'serial = {{ port = "{path}", baud = 19200, parity = "none" }}'
    tcp = f'tcp = {{ host = "127.0.0.1", port = {port} }}'
    return BUS.format(name="rtu", bus=serial, devices=devices("rtu")) + BUS.format(
        name="tcp", bus=tcp, devices=devices("tcp")
    )


def test_readings_of_both_kinds_of_bus_reach_the_collector(site: Site, buses: tuple[Path, int]) -> None:
    metrics = free_port()
    tables = f"[metrics]\nport = {metrics}\n" + _tables(*buses)
    spare = {"id": "air-1", "profile": "json/environment", "place": "main/301"}
    gateway = site.add_gateway("gw-modbus", [spare], tables=tables)

    checked = campus("edge", "check", gateway, "--timeout", "3")
    lines = {line.split()[1].rstrip(":"): line for line in checked.stdout.splitlines() if "-" in line}
    assert lines["rtu-1"].startswith("✓"), checked.stdout
    assert "relative_humidity" in lines["rtu-1"]
    assert "voltage" in lines["tcp-2"]
    assert lines["tcp-3"].startswith("✗"), "a silent unit"
    assert checked.returncode == 1

    site.start_collector()
    process = site.start_gateway(gateway)
    for device in ("rtu-1", "rtu-3", "tcp-1"):
        eventually(lambda device=device: len(site.points(device, "temperature")) > 2, f"readings of {device}")  # type: ignore[misc]
    for device in ("rtu-2", "tcp-2"):
        points = eventually(lambda device=device: site.points(device, "voltage"), f"readings of {device}")  # type: ignore[misc]
        assert all(220 < value < 240 for _, value in points)
    eventually(
        lambda: '"device silent"' in process.log() or "device silent" in process.log(), "the silent unit"
    )
    assert site.points("tcp-3", "temperature") == []
    url = f"http://127.0.0.1:{metrics}"
    assert site.metric("campus_edge_device_polls_total", url) > 6
    assert site.metric("campus_edge_device_silent", url) == 1
    assert process.stop() == 0


def test_a_scan_finds_the_units_and_writes_a_configuration(
    site: Site, buses: tuple[Path, int], tmp_path: Path
) -> None:
    path, port = buses
    for where in (("--serial", path, "--baud", "19200"), ("--tcp", f"127.0.0.1:{port}")):
        found = campus("edge", "scan", "modbus", *where, "--units", "1-2,5", "--timeout", "0.1")
        assert found.returncode == 0, found.stderr
        (bus,) = tomllib.loads(found.stdout)["modbus"]
        assert [(one["unit"], one["profile"]) for one in bus["devices"]] == [(1, CLIMATE), (2, METER)]
        assert "unit 1 answers" in found.stderr
        assert "unit 5" not in found.stderr
        completed = found.stdout.replace("building/room", "main/301")
        gateway = site.add_gateway(f"gw-{len(where)}", [], tables="", register=False)
        text = gateway.read_text("utf-8").partition("[[mqtt]]")[0] + completed
        gateway.write_text(text, "utf-8")
        checked = campus("edge", "check", gateway, "--timeout", "3")
        assert "✓ unit-1" in checked.stdout, checked.stdout + checked.stderr
    nobody = campus("edge", "scan", "modbus", "--tcp", f"127.0.0.1:{port}", "--units", "9")
    assert nobody.returncode == 1
    assert nobody.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("edge", "scan", "modbus"), "--tcp host:port or --serial PORT"),
        (("edge", "scan", "modbus", "--tcp", "nowhere"), "expected host:port"),
        (("edge", "scan", "modbus", "--tcp", "127.0.0.1:1"), "127.0.0.1:1: "),
        (("edge", "scan", "modbus", "--serial", "/nothing/here"), "/nothing/here"),
        (("edge", "scan", "modbus", "--tcp", "h:1", "--units", "1-400"), "1 to 247"),
        (("simulate", "modbus"), "--tcp PORT or --pty PATH"),
        (("simulate", "modbus", "--tcp", "1", "--profile", "renke/rs"), "did you mean renke/"),
        (("simulate", "modbus", "--tcp", "1", "--profile", "tasmota/energy"), "answers Modbus"),
        (("simulate", "modbus", "--tcp", "1", "--units", "a-b"), "names no units"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(arguments: tuple[str, ...], said: str) -> None:
    done = campus(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
