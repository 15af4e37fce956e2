"""[[ble]] in gateway.toml: the sample parses, and what cannot work is told with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

import edge_agent.drivers.ble
from edge_agent.clock import Clock
from edge_agent.config import GatewayConfig, load_config
from edge_agent.counters import Counters
from edge_agent.drivers import make_drivers
from edge_agent.drivers.ble.config import read_bind_key
from foundation.keyfiles import KeyFileError, create_signing_key, public_text, write_secret
from foundation.tomlfile import FileProblems
from telemetry.readings import SeriesTable
from tests.ble.ble_rig import CATALOGUE, PROFILES

SAMPLE = Path(edge_agent.drivers.ble.__file__).parent / "ble.sample.toml"
KEY = b"000102030405060708090a0b0c0d0e0f\n"
RADIO = '[[ble]]\nname = "radio"\n'
PERSONAL = """
[personal]
vault = "https://vault.campus.example"
vault_public_key = "G3c3uUo8wJpQkqVqYl0M0xU1n7y0p2m7hJ8q1rJm9T8="
"""


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


def _device(number: int = 1, profile: str = "test/climate", address: str = "", more: str = "") -> str:
    return (
        f'[[ble.devices]]\nid = "device-{number}"\nprofile = "{profile}"\nplace = "main/301"\n'
        f'address = "{address or f"C4:00:00:00:00:{number:02X}"}"\n{more}'
    )


def test_the_sample_is_a_configuration_and_makes_a_driver(tmp_path: Path) -> None:
    config = _load(tmp_path, SAMPLE.read_text("utf-8"))
    (source,) = config.ble
    assert [device.id for device in source.devices] == ["climate-301", "climate-302", "band-17"]
    assert source.devices[1].bind_key_file == tmp_path / "climate-302.key"
    write_secret(tmp_path / "climate-302.key", KEY)
    counters = Counters()
    (driver,) = make_drivers(
        config, catalogue=CATALOGUE, table=SeriesTable(), clock=Clock("system"), counters=counters
    )
    assert driver.name == "radio-3f"
    assert set(counters.devices) == {"climate-301", "climate-302", "band-17"}


def test_addresses_are_taken_as_people_write_them(tmp_path: Path) -> None:
    config = _load(tmp_path, RADIO + _device(address="c4-7c-8d-00-00-0a"))
    assert config.ble[0].devices[0].address == "C4:7C:8D:00:00:0A"


def test_an_address_is_not_shown_with_a_device(tmp_path: Path) -> None:
    config = _load(tmp_path, RADIO + _device(address="C4:7C:8D:00:00:0A"))
    assert "8D" not in repr(config.ble[0])


@pytest.mark.parametrize(
    ("tables", "message", "line"),
    [
        (RADIO + _device(1, profile="test/climat"), "did you mean test/climate", 'profile = "test/climat"'),
        (RADIO + _device(1, profile="tasmota/energy"), "transport", 'profile = "tasmota/energy"'),
        (RADIO + _device(1, address="C4:00"), "must be a Bluetooth address", 'address = "C4:00"'),
        (RADIO + 'adapter = "usb0"\n' + _device(), "should match pattern", 'adapter = "usb0"'),
        (RADIO + 'mode = "loud"\n' + _device(), "'passive' or 'active'", 'mode = "loud"'),
        (RADIO + "links_max = 0\n" + _device(), "greater than or equal to 1", "links_max = 0"),
        (RADIO + "stale_secs = 1\n" + _device(), "check its spelling", "stale_secs = 1"),
        (RADIO, "devices needs at least 1 of its kind, or bands", "[[ble]]"),
        (
            RADIO + _device(1) + _device(2, address="c4:00:00:00:00:01"),
            "has the address and profile of device-1",
            'address = "c4:00:00:00:00:01"',
        ),
        (
            RADIO + _device(1) + RADIO.replace("radio", "two") + 'adapter = "hci0"\n' + _device(2),
            "one table an adapter",
            'adapter = "hci0"',
        ),
        (RADIO + _device(1, more='only = ["co2"]\n'), "does not give co2", 'profile = "test/climate"'),
        (
            RADIO + _device(1, profile="test/band", more="rssi = true\n"),
            "where a band is heard says where somebody is",
            "rssi = true",
        ),
        (
            RADIO + 'bands = [{ profile = "test/band", place = "gym/hall" }]',
            "give [personal]",
            'bands = [{ profile = "test/band", place = "gym/hall" }]',
        ),
        (
            RADIO + 'bands = [\n{ profile = "test/climate", place = "gym/hall" }]' + PERSONAL,
            "is no model of a band",
            '{ profile = "test/climate", place = "gym/hall" }]',
        ),
        (
            RADIO
            + 'bands = [{ profile = "test/strap", place = "gym/hall" },\n'
            + '{ profile = "sig/heart-rate", place = "gym/hall" }]'
            + PERSONAL,
            "must both be connected to",
            '{ profile = "sig/heart-rate", place = "gym/hall" }]',
        ),
        (
            RADIO + _device(1, profile="xiaomi/lywsd03mmc"),
            "is encrypted; give bind_key_file",
            'profile = "xiaomi/lywsd03mmc"',
        ),
    ],
)
def test_what_cannot_work_is_told_with_its_line(tmp_path: Path, tables: str, message: str, line: str) -> None:
    said, at = _problem(tmp_path, tables)
    assert message in said
    assert at == line


@pytest.mark.parametrize("content", [b"", b"00", b"zz" * 16, b"\xff\xfe", b"00" * 32])
def test_a_file_without_a_bind_key_is_refused(tmp_path: Path, content: bytes) -> None:
    write_secret(tmp_path / "bind.key", content)
    with pytest.raises(KeyFileError, match="holds no bind key"):
        read_bind_key(tmp_path / "bind.key")


def test_a_bind_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    write_secret(tmp_path / "bind.key", KEY)
    assert read_bind_key(tmp_path / "bind.key") == bytes(range(16))
    (tmp_path / "bind.key").chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        read_bind_key(tmp_path / "bind.key")
