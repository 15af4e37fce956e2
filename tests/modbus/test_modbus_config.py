"""[[modbus]] in gateway.toml: the sample parses, and what cannot work is told with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

import edge_agent.drivers.modbus
from edge_agent.clock import Clock
from edge_agent.config import GatewayConfig, load_config
from edge_agent.counters import Counters
from edge_agent.drivers import make_drivers
from edge_agent.drivers.modbus.config import serial_settings
from foundation.keyfiles import create_signing_key, public_text
from foundation.tomlfile import FileProblems
from telemetry.readings import SeriesTable
from tests.modbus.rig import CATALOGUE, PROFILES

SAMPLE = Path(edge_agent.drivers.modbus.__file__).parent / "modbus.sample.toml"
DEVICE = '[[modbus.devices]]\nid = "{id}"\nprofile = "{profile}"\nplace = "main/301"\nunit = {unit}\n'


def _load(folder: Path, tables: str) -> GatewayConfig:
    key = public_text(create_signing_key(folder / "collector.key").public_key())
    file = folder / "gateway.toml"
    file.write_text(
        f'profile_dirs = ["{PROFILES}"]\n'
        '[gateway]\nid = "gw"\nschool = "example-primary"\nkey_file = "gateway.key"\ndata_dir = "data"\n'
        f'[collector]\npublic_key = "{key}"\nmqtt = {{ host = "127.0.0.1" }}\n{tables}',
        "utf-8",
    )
    return load_config(file)


def _problem(folder: Path, tables: str) -> tuple[str, str]:
    """The one problem of a file, and the line it points at."""
    with pytest.raises(FileProblems) as caught:
        _load(folder, tables)
    (problem,) = caught.value.problems
    place, _, line = problem.place.rpartition(":")
    assert place == str(folder / "gateway.toml")
    return problem.message, (folder / "gateway.toml").read_text("utf-8").splitlines()[int(line) - 1]


def _device(unit: int = 1, id_: str = "", profile: str = "test/climate") -> str:
    return DEVICE.format(id=id_ or f"device-{unit}", profile=profile, unit=unit)


SERIAL = '[[modbus]]\nname = "bus"\nserial = { port = "/dev/serial/by-id/example" }\n'
TCP = '[[modbus]]\nname = "bus"\ntcp = { host = "192.168.7.20" }\n'


def test_the_sample_is_a_configuration_and_makes_drivers(tmp_path: Path) -> None:
    config = _load(tmp_path, SAMPLE.read_text("utf-8"))
    serial, tcp = config.modbus
    assert serial.serial is not None
    assert [device.unit for device in serial.devices] == [1, 2]
    assert tcp.where == "192.168.7.20:502"
    drivers = make_drivers(
        config, catalogue=CATALOGUE, table=SeriesTable(), clock=Clock("system"), counters=Counters()
    )
    assert [driver.name for driver in drivers] == ["bus-main", "bus-canteen"]


def test_what_is_left_out_comes_from_the_profiles(tmp_path: Path) -> None:
    config = _load(tmp_path, SERIAL + _device(1, profile="renke/rs-ws-n01"))
    assert serial_settings(config.modbus[0], CATALOGUE) == (4_800, "none", 1)


@pytest.mark.parametrize(
    ("tables", "message", "line"),
    [
        (TCP + _device(1) + _device(1, "other"), "device-1 has unit 1 already", "unit = 1"),
        (TCP + _device(1, profile="test/climat"), "did you mean test/climate", 'profile = "test/climat"'),
        (TCP + _device(1, profile="tasmota/energy"), "answers Modbus", 'profile = "tasmota/energy"'),
        (SERIAL + _device(248), "1 to 247", "unit = 248"),
        (TCP + _device(256), "less than or equal to 255", "unit = 256"),
        ('[[modbus]]\nname = "bus"\n' + _device(), "needs either serial", "[[modbus]]"),
        (SERIAL + 'tcp = { host = "h" }\n' + _device(), "needs either serial", "[[modbus]]"),
        (TCP + "timout_s = 1\n" + _device(), "check its spelling", "timout_s = 1"),
        (TCP, "devices is missing", "[[modbus]]"),
        (
            SERIAL.replace("/dev", "socket://dev") + _device(),
            "should match pattern",
            'serial = { port = "socket://dev/serial/by-id/example" }',
        ),
        (
            TCP + _device(1) + TCP.replace('"bus"', '"two"') + _device(2),
            "one scheduler a bus",
            'tcp = { host = "192.168.7.20" }',
        ),
        (
            SERIAL + _device(1) + _device(2, profile="renke/rs-ws-n01"),
            "set baud; its devices' profiles say 4800 and 9600",
            'serial = { port = "/dev/serial/by-id/example" }',
        ),
        (TCP + _device(1) + 'only = ["co2"]\n', "does not give co2", 'profile = "test/climate"'),
    ],
)
def test_what_cannot_work_is_told_with_its_line(tmp_path: Path, tables: str, message: str, line: str) -> None:
    said, at = _problem(tmp_path, tables)
    assert message in said
    assert at == line


def test_names_and_ids_are_unique_over_all_transports(tmp_path: Path) -> None:
    mqtt = (
        '[[mqtt]]\nname = "bus"\nbroker = { host = "127.0.0.1" }\n[[mqtt.devices]]\nid = "air"\n'
        'profile = "json/environment"\nplace = "main/301"\n'
    )
    said, _ = _problem(tmp_path, mqtt + TCP + _device(1))
    assert "two sources of devices are called 'bus'" in said
    (tmp_path / "again").mkdir()
    said, _ = _problem(tmp_path / "again", mqtt + TCP.replace('"bus"', '"tcp"') + _device(1, "air"))
    assert "two devices have the id 'air'" in said
