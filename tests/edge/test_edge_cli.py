"""`campus edge …` as a user runs it: what it says, how it ends."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from campus.cli import main
from edge_agent.config import load_config
from edge_agent.identity.map_file import MapFile
from foundation.keyfiles import create_signing_key, load_signing_key, public_text
from foundation.tomlfile import FileProblems
from tests.conftest import MakeMosquitto, Mosquitto, free_port
from tests.edge.edge_parts import GATEWAY, NOW_MS, SCHOOL
from tests.edge.maps import DAY_MS, make_map, make_update, person
from tests.line.running_site import Process, campus, eventually
from tests.line.site_vault import SiteVaults

AIR = '{ id = "air-1", profile = "zigbee2mqtt/tuya-ts0601-air", place = "main/301" }'
SILENT = '{ id = "air-2", profile = "zigbee2mqtt/tuya-ts0601-air", place = "main/302" }'
STATION = '{ id = "gate-1", profile = "campus/morning-check-v1", place = "main/gate" }'


def write(folder: Path, port: int, *devices: str, broker: str = "", tables: str = "") -> Path:
    """A gateway's files."""
    key_file = folder / "gateway.key"
    if not key_file.exists():
        create_signing_key(key_file)
    public = public_text(
        create_signing_key(folder / f"collector-{len(list(folder.iterdir()))}.key").public_key()
    )
    address = f'{{ host = "127.0.0.1", port = {port}{broker} }}'
    file = folder / "gateway.toml"
    file.write_text(
        '[gateway]\nid = "gw-test"\nschool = "example-primary"\nkey_file = "gateway.key"\ndata_dir = "data"\n'
        f'clock = "system"\n[collector]\npublic_key = "{public}"\nmqtt = {address}\n{tables}\n'
        f'[[mqtt]]\nname = "devices"\nbroker = {address}\ndevices = [{", ".join(devices or (AIR,))}]\n',
        "utf-8",
    )
    return file


def personal(vault: str, folder: Path, vault_key: str = "") -> str:
    key = vault_key or public_text(create_signing_key(folder / "vault.key").public_key())
    return f'[personal]\nvault = "{vault}"\nvault_public_key = "{key}"\n'


def say(broker: Mosquitto, topic: str, payload: str, *options: str) -> None:
    command = ["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-t", topic, "-m", payload, *options]
    subprocess.run(command, check=True, timeout=30)


def test_check_when_all_is_well(mosquitto: Mosquitto, tmp_path: Path) -> None:
    file = write(tmp_path, mosquitto.port)
    say(mosquitto, "zigbee2mqtt/air-1", '{"co2": 640}', "-r")
    done = campus("edge", "check", file)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✓ air-1: co2 640" in done.stdout
    assert "✓ uplink: broker 127.0.0.1:" in done.stdout
    assert not (tmp_path / "data").exists(), "check changes nothing"


def test_check_with_a_silent_device_and_an_old_map(mosquitto: Mosquitto, tmp_path: Path) -> None:
    tables = personal(f"http://127.0.0.1:{free_port()}", tmp_path)
    file = write(tmp_path, mosquitto.port, AIR, SILENT, tables=tables)
    (tmp_path / "data").mkdir()
    key = load_signing_key(tmp_path / "gateway.key")
    MapFile(tmp_path / "data", key, SCHOOL, GATEWAY).write(make_map(issued_ms=NOW_MS - 400 * DAY_MS))
    say(mosquitto, "zigbee2mqtt/air-1", '{"co2": 640}', "-r")
    done = campus("edge", "check", file, "--timeout", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "✓ air-1: co2 640" in done.stdout
    assert "✗ air-2: no message within 1 s" in done.stdout
    assert "✗ vault: no connection to 127.0.0.1:" in done.stdout
    assert "✗ cards: the credential map is" in done.stdout
    assert "✓ policy: version " in done.stdout


def test_check_with_a_vault(mosquitto: Mosquitto, tmp_path: Path) -> None:
    vaults = SiteVaults()
    try:
        key = create_signing_key(tmp_path / "gateway.key")
        issued_ms = time.time_ns() // 1_000_000
        vault = vaults.add(key.public_key(), make_update([person(1)], {"04A2B31C": 1}, issued_ms=issued_ms))
        tables = personal(vault.url, tmp_path, vault.public_key)
        file = write(tmp_path, mosquitto.port, tables=tables)
        say(mosquitto, "zigbee2mqtt/air-1", '{"co2": 640}', "-r")
        done = campus("edge", "check", file)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"✓ vault: {vault.url} answers, with version 1 of the map" in done.stdout
        assert "✓ cards: no credential map yet" in done.stdout
        assert vault.asked == [0], "a check confirms nothing"
        assert not (tmp_path / "data").exists(), "check changes nothing"
        (tmp_path / "gateway.key").unlink()
        create_signing_key(tmp_path / "gateway.key")
        done = campus("edge", "check", file)
        assert done.returncode == 1
        assert "✗ vault: " in done.stdout
    finally:
        vaults.close()


@pytest.mark.parametrize(
    ("find", "put", "words"),
    [
        ("vault = ", 'credential_map = "a"\nvault = ', "credential_map are gone: the gateway asks the vault"),
        ("http://127.0.0.1:1", "http://vault.example", "personal.vault must begin with https://"),
        ("vault_public_key", "vault_key", "personal.vault_public_key is missing"),
        ("vault = ", 'meals = ["canteen-9"]\nvault = ', "no device has the id 'canteen-9'"),
        ("vault = ", 'policy = "nowhere.toml"\nvault = ', "nowhere.toml: cannot be read"),
        ("vault = ", "refresh_s = 301\nvault = ", "personal.refresh_s must be less than or equal to 240"),
    ],
)
def test_a_wrong_personal_section(tmp_path: Path, find: str, put: str, words: str) -> None:
    tables = personal("http://127.0.0.1:1", tmp_path)
    assert find in tables
    file = write(tmp_path, 1883, tables=tables.replace(find, put, 1))
    with pytest.raises(FileProblems) as caught:
        load_config(file)
    assert words in str(caught.value)


def test_check_without_a_broker(tmp_path: Path) -> None:
    done = campus("edge", "check", write(tmp_path, free_port()))
    assert done.returncode == 1
    assert "✗ uplink: broker 127.0.0.1:" in done.stdout
    assert "✗ air-1: broker 127.0.0.1:" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_check_with_a_wrong_password(make_mosquitto: MakeMosquitto, tmp_path: Path) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", str(passwords), "gw-test", "right"], check=True)
    broker = make_mosquitto("allow_anonymous false", f"password_file {passwords}")
    (tmp_path / "broker.password").write_text("wrong-secret\n", "utf-8")
    login = ', username = "gw-test", password_file = "broker.password"'
    done = campus("edge", "check", write(tmp_path, broker.port, broker=login))
    assert done.returncode == 1
    assert "ot authori" in done.stdout
    assert "wrong-secret" not in done.stdout + done.stderr
    (tmp_path / "broker.password").unlink()
    done = campus("edge", "check", tmp_path / "gateway.toml")
    assert done.returncode == 1
    assert "broker.password" in done.stdout


WRONG = pytest.mark.parametrize(
    ("find", "put", "words"),
    [
        ("[gateway]", "[gateway", ["gateway.toml:1", "is not TOML"]),
        ('id = "gw-test"', 'id = "GW 1"', ["gateway.toml:2", "gateway.id must be 1 to 63 lower-case"]),
        (
            "data_dir",
            "data_directory",
            ["gateway.toml:5", "data_directory is not a setting", "data_dir is missing"],
        ),
        ("tuya-ts0601-air", "tuya-ts0601-heir", ["gateway.toml:", "device air-1", "tuya-ts0601-air"]),
        ('clock = "system"', '[alarm]\ntopic = "a/#"', ["alarm.topic must be a topic to publish to"]),
        ('clock = "system"', "[buffer]\nbytes_max = 4", ["buffer.bytes_max", "1048576", "found 4"]),
    ],
)


def write_wrong(folder: Path, find: str, put: str) -> Path:
    file = write(folder, 1883)
    text = file.read_text("utf-8")
    assert find in text
    file.write_text(text.replace(find, put, 1), "utf-8")
    return file


@WRONG
def test_a_wrong_configuration(tmp_path: Path, find: str, put: str, words: list[str]) -> None:
    done = campus("edge", "run", write_wrong(tmp_path, find, put))
    assert done.returncode == 2, done.stdout + done.stderr
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["check", "buffer"])
@WRONG
def test_a_wrong_configuration_of_other_commands(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    find: str,
    put: str,
    words: list[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["edge", command, str(write_wrong(tmp_path, find, put))])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    for word in words:
        assert word in said


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_key_that_is_missing_or_open_to_others(tmp_path: Path, command: str) -> None:
    file = write(tmp_path, 1883)
    (tmp_path / "gateway.key").chmod(0o644)
    done = campus("edge", command, file)
    assert (done.returncode, "chmod 600" in done.stderr) == (2, True), done.stderr
    (tmp_path / "gateway.key").unlink()
    done = campus("edge", command, file)
    assert (done.returncode, "gateway.key cannot be read" in done.stderr) == (2, True), done.stderr


def test_what_keeps_a_gateway_from_starting(mosquitto: Mosquitto, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder should be", "utf-8")
    done = campus("edge", "run", write(tmp_path, mosquitto.port))
    assert done.returncode == 2
    assert "gateway.data_dir" in done.stderr
    (tmp_path / "data").unlink()
    taken = f"[metrics]\nport = {mosquitto.port}"
    done = campus("edge", "run", write(tmp_path, mosquitto.port, tables=taken))
    assert done.returncode == 2
    assert f"metrics.port {mosquitto.port} on 127.0.0.1: Address already in use" in done.stderr


Start = Callable[[Path], Process]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Process] = []

    def run(file: Path) -> Process:
        process = Process(tmp_path / "gateway.log", "edge", "run", file)
        started.append(process)
        process.wait_for("gateway running")
        return process

    yield run
    for process in started:
        if process.running:
            process.kill()


def batches(folder: Path) -> list[tuple[str, int, int]]:
    with sqlite3.connect(folder / "data" / "buffer.db") as file:
        return file.execute("SELECT stream, readings, records FROM batch ORDER BY key").fetchall()


def test_stops_without_a_broker_also_when_told_twice(start: Start, tmp_path: Path) -> None:
    process = start(write(tmp_path, free_port()))
    process.wait_for("broker unavailable")
    os.kill(process._process.pid, signal.SIGINT)
    os.kill(process._process.pid, signal.SIGTERM)
    assert process.stop() == 0
    assert "Traceback" not in process.log()


def test_stops_without_a_collector_and_keeps_what_it_has(
    start: Start, mosquitto: Mosquitto, tmp_path: Path
) -> None:
    # Nor does it tell of its devices that they are heard: those would be readings too.
    slow = '[batch]\ninterval_s = 300\n[silence]\nafter_s = { "*" = 0 }'
    file = write(tmp_path, mosquitto.port, AIR, STATION, tables=slow)
    empty = campus("edge", "buffer", file)
    assert empty.returncode == 2
    assert "the gateway makes the file when it first runs" in empty.stderr
    process = start(file)
    process.wait_for("listening to devices")
    fever = json.dumps({"v": 1, "card": "04A2B31C", "site": "ear", "temperature_c": 39.0})
    say(mosquitto, "stations/gate-1/check", fever)
    say(mosquitto, "zigbee2mqtt/air-1", '{"co2": 640, "temperature": 21.5}')
    eventually(
        lambda: "1" in _row(campus("edge", "buffer", file).stdout, "batches waiting"), "the urgent batch"
    )
    assert process.stop() == 0
    assert batches(tmp_path) == [("urgent", 0, 1), ("bulk", 2, 0)]
    assert "2" in _row(campus("edge", "buffer", file).stdout, "batches waiting")
    assert b"04A2B31C" not in b"".join(one.read_bytes() for one in (tmp_path / "data").iterdir())


def test_stops_under_load(start: Start, mosquitto: Mosquitto, tmp_path: Path) -> None:
    process = start(write(tmp_path, mosquitto.port))
    process.wait_for("listening to devices")
    command = ["mosquitto_pub", "-p", str(mosquitto.port), "-t", "zigbee2mqtt/air-1", "-l"]
    with subprocess.Popen(
        ["sh", "-c", f"while :; do echo '{{\"co2\": 640}}'; done | {' '.join(command)}"],
        start_new_session=True,
    ) as flood:
        eventually(lambda: (tmp_path / "data").exists() and batches(tmp_path), "a batch")
        assert process.stop() == 0
        os.killpg(flood.pid, signal.SIGKILL)
    assert sum(readings for _, readings, _ in batches(tmp_path)) > 0
    assert "Traceback" not in process.log()


def _row(table: str, name: str) -> str:
    return next((line.split(name)[1] for line in table.splitlines() if name in line), "")
