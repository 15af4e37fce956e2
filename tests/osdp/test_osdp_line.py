"""OSDP from outside: simulated readers and a gateway, each a process; keys and configuration."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.config import load_config
from edge_agent.drivers.osdp import config as config_module
from edge_agent.drivers.osdp.config import OsdpSource, find_problems
from firmware_bridges.osdp_keys import DEFAULT_KEY
from foundation.keyfiles import write_secret
from foundation.tomlfile import FileProblems
from simulators.school import School
from tests.conftest import Mosquitto, free_port
from tests.line.running_site import Process, Site, campus, eventually

SAMPLE = Path(config_module.__file__).parent / "osdp.sample.toml"
SPARE = {"id": "air-1", "profile": "json/environment", "place": "main/301"}


@pytest.fixture
def site(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Site]:
    made = Site(tmp_path, mosquitto)
    yield made
    made.close()


def _table(*readers: tuple[int, Path | str], port: Path | str = "/dev/ttyUSB9") -> str:
    rows = [
        f'[[osdp.readers]]\nid = "reader-{number}-{at}"\nplace = "main/gate"\naddress = {number}\nkey_file = "{key}"'
        for at, (number, key) in enumerate(readers)
    ]
    return "\n".join([f'[[osdp]]\nname = "readers"\nport = "{port}"', *rows])


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[Process]:
    """Two readers in a process, one of which restarts now and then."""
    process = Process(
        tmp_path / "readers.log",
        *("simulate", "osdp", "--pty", tmp_path / "line", "--keys", tmp_path / "keys", "--readers", "2"),
        *("--card-every", "0.3", "--restart-every", "2", "--baud", "38400"),
    )
    process.wait_for("Serving reader 2")
    yield process
    if process.running:
        process.kill()


def test_taps_reach_the_gate_and_nothing_of_them_is_written_down(
    site: Site, simulated: Process, tmp_path: Path
) -> None:
    pty, keys, port = tmp_path / "line", tmp_path / "keys", free_port()
    tables = f'[metrics]\nport = {port}\n[log]\nlevel = "debug"\n' + _table(
        (1, keys / "reader-1.key"), (2, keys / "reader-2.key"), port=pty
    ).replace(f'port = "{pty}"', f'port = "{pty}"\nbaud = 38400')
    gateway = site.add_gateway("gw-osdp", [SPARE], tables=tables)
    checked = campus("edge", "check", gateway, "--timeout", "5")
    assert checked.stdout.count("in a secure channel") == 2, checked.stdout

    process = site.start_gateway(gateway)
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: site.metric("campus_edge_dropped_total", url) > 3, "taps at the gate")
    eventually(lambda: process.log().count("reader is secure") > 2, "a reader restarted and came back")
    had = site.metric("campus_edge_dropped_total", url)
    eventually(lambda: site.metric("campus_edge_dropped_total", url) > had, "it goes on")
    assert process.stop() == 0
    assert simulated.stop() == 0
    written = process.log() + simulated.log()
    assert not [one.card for one in School().pupils if one.card.lower() in written.lower()]


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "gate.osdp.key"
    assert campus("edge", "osdp-key", file).returncode == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(bytes.fromhex(file.read_text("ascii"))) == 16
    assert file.read_text("ascii").strip() not in campus("edge", "osdp-key", file).stderr
    assert campus("edge", "osdp-key", file).returncode == 2


def test_a_reader_without_a_key_of_its_own_is_refused(site: Site, tmp_path: Path) -> None:
    good, default = tmp_path / "good.key", tmp_path / "default.key"
    open_to_all, same = tmp_path / "open.key", tmp_path / "same.key"
    short, words = tmp_path / "short.key", tmp_path / "words.key"
    write_secret(good, b"000102030405060708090a0b0c0d0e0f")
    write_secret(default, DEFAULT_KEY.hex().encode())
    write_secret(same, b"aa" * 16)
    write_secret(short, b"0011")
    write_secret(words, b"not a key")
    write_secret(open_to_all, b"100102030405060708090a0b0c0d0e0f")
    open_to_all.chmod(0o644)
    files = (good, default, same, short, words, open_to_all, tmp_path / "none.key", good)
    readers = [(number, file) for number, file in enumerate(files)]
    gateway = site.add_gateway("gw-osdp", [SPARE], tables=_table(*readers), register=False)
    with pytest.raises(FileProblems) as caught:
        load_config(gateway)
    said = [str(problem) for problem in caught.value.problems]
    for part in (
        "reader-1-1: ", "known to everybody", "reader-2-2: ", "16 bytes", "32 hexadecimal digits",
        "others than its owner", "cannot be read", "each reader needs its own",
    ):  # fmt: skip
        assert [line for line in said if part in line], (part, said)
    assert not [line for line in said if "reader-0-0: " in line]


def test_the_sample_is_a_configuration(tmp_path: Path) -> None:
    (table,) = tomllib.loads(SAMPLE.read_text("utf-8"))["osdp"]
    assert campus("edge", "osdp-key", tmp_path / table["readers"][0]["key_file"]).returncode == 0
    source = OsdpSource(**table).relative_to(tmp_path)
    assert list(find_problems([source])) == []


def test_a_reader_without_a_key_is_no_configuration(site: Site) -> None:
    table = _table((1, "x")).replace('key_file = "x"', "")
    gateway = site.add_gateway("gw-osdp", [SPARE], tables=table, register=False)
    with pytest.raises(FileProblems, match="key_file"):
        load_config(gateway)


def test_two_readers_of_one_address(site: Site, tmp_path: Path) -> None:
    for name in ("a", "b"):
        assert campus("edge", "osdp-key", tmp_path / f"{name}.key").returncode == 0
    table = _table((1, tmp_path / "a.key"), (1, tmp_path / "b.key"))
    gateway = site.add_gateway("gw-osdp", [SPARE], tables=table, register=False)
    with pytest.raises(FileProblems, match="has this address already"):
        load_config(gateway)
