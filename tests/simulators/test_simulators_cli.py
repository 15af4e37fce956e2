"""`campus simulate`, run as its user runs it."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Event

import msgspec
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from typer.testing import CliRunner

from simulators.cli import app
from simulators.plan import BUNDLED, TRANSPORTS
from simulators.school import DEFAULT_SEED, School
from tests.conftest import Mosquitto

RUNNER = CliRunner()
BOUND_S = 20.0


def address(broker: Mosquitto) -> str:
    return f"{broker.host}:{broker.port}"


@contextmanager
def listening(broker: Mosquitto, topic: str) -> Iterator[Queue[bytes]]:
    """The payloads published on a topic meanwhile."""
    heard: Queue[bytes] = Queue()
    subscribed = Event()
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: heard.put(bytes(message.payload))
    client.on_subscribe = lambda *_: subscribed.set()
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        client.subscribe(topic, 1)
        assert subscribed.wait(BOUND_S)
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def test_school_runs_for_its_duration_and_says_what_it_published(mosquitto: Mosquitto) -> None:
    result = RUNNER.invoke(
        app, ["school", "--broker", address(mosquitto), "--duration", "2.5", "--check-every", "0.5"]
    )
    assert result.exit_code == 0, result.output
    found = re.search(r"Published: (\d+) messages, (\d+) readings, (\d+) checks", result.output)
    assert found
    messages, readings, checks = map(int, found.groups())
    assert messages >= 45
    assert readings > 2 * messages
    assert checks in range(4, 7)


def test_school_stops_cleanly_when_told_to(mosquitto: Mosquitto) -> None:
    command = [sys.executable, "-c", "from simulators.cli import app; app()", "school"]
    with listening(mosquitto, "zigbee2mqtt/+") as heard:
        process = subprocess.Popen([*command, "--broker", address(mosquitto)], stdout=subprocess.PIPE)
        assert heard.get(timeout=BOUND_S)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=BOUND_S)
    assert process.returncode == 0
    assert b"Published: " in output


def test_check_publishes_one_check_of_a_pupil_and_names_no_card(mosquitto: Mosquitto) -> None:
    pupil = School(DEFAULT_SEED).pupils[200]
    options = [
        "--temperature",
        "38.2",
        "--pupil",
        "200",
        "--symptom",
        "fever",
        "--symptom",
        "cough",
        "--site",
        "ear",
    ]
    with listening(mosquitto, "stations/+/check") as heard:
        result = RUNNER.invoke(
            app,
            ["check", "--broker", address(mosquitto), *options],
        )
        said = msgspec.json.decode(heard.get(timeout=BOUND_S))
    assert result.exit_code == 0, result.output
    assert f"pupil {pupil.number}," in result.output
    assert pupil.card not in result.output.replace(":", "").upper()
    assert said["card"].replace(":", "") == pupil.card
    assert (said["temperature_c"], said["site"], said["symptoms"]) == (38.2, "ear", ["fever", "cough"])


def test_check_takes_a_card_in_any_notation_or_none(mosquitto: Mosquitto) -> None:
    options = ["check", "--broker", address(mosquitto), "--temperature", "36.6"]
    with listening(mosquitto, "stations/+/check") as heard:
        assert RUNNER.invoke(app, [*options, "--card", "04 a2-b1:00"]).exit_code == 0
        assert RUNNER.invoke(app, options).exit_code == 0
        said = [msgspec.json.decode(heard.get(timeout=BOUND_S)) for _ in range(2)]
    assert [one["card"] for one in said] == ["04:A2:B1:00", None]


def test_rubbish_says_what_it_sent(mosquitto: Mosquitto) -> None:
    result = RUNNER.invoke(app, ["rubbish", "--broker", address(mosquitto), "--count", "35"])
    assert result.exit_code == 0, result.output
    assert re.search(r"huge +5\n", result.output)
    assert re.search(r"unknown_card +1\n", result.output)


def test_list_shows_every_device_under_its_transport() -> None:
    result = RUNNER.invoke(app, ["list"])
    assert result.exit_code == 0, result.output
    for transport in TRANSPORTS:
        assert f"\n{transport}\n" in result.output
    for device in School(DEFAULT_SEED).devices:
        assert f" {device.id} " in result.output


def test_a_broken_school_file_is_told_by_line(tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    file.write_text(BUNDLED.read_text("utf-8").replace('room = "main/101"', 'room = "main/1011"'), "utf-8")
    result = RUNNER.invoke(app, ["list", "--school", str(file)])
    assert result.exit_code == 2
    assert re.search(r"my\.toml:\d+: there is no room 'main/1011'; did you mean 'main/101'\?", result.output)


def test_the_tables_of_a_gateway_are_written(tmp_path: Path) -> None:
    file = tmp_path / "devices.toml"
    options = [
        "school",
        "--transports",
        "modbus,serial",
        "--duration",
        "0.5",
        "--dir",
        str(tmp_path / "ports"),
    ]
    result = RUNNER.invoke(app, [*options, "--gateway", "gw-gate", "--gateway-config", str(file)])
    assert result.exit_code == 0, result.output
    assert "rs485-teaching" not in file.read_text("utf-8")
    found = tomllib.loads(file.read_text("utf-8"))
    assert set(found) == {"serial"}
    assert all(one["port"].startswith(str(tmp_path)) for one in found["serial"])
    assert "modbus   127.0.0.1:" in result.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["school", "--broker", "nowhere"], "host:port"),
        (["school", "--broker", "localhost:99999"], "host:port"),
        (["school", "--start", "yesterday"], "--start"),
        (["school", "--speed", "0"], "--speed"),
        (["school", "--transports", "mqtt,pigeon"], "none of mqtt, modbus, ble, serial, osdp, http"),
        (["school", "--gateway", "gw-roof"], "none of gw-teaching, gw-gate"),
        (["school", "--school", "/nowhere/school.toml"], "cannot be read"),
        (["check", "--temperature", "38", "--card", "no card"], "4 to 32 hexadecimal digits"),
        (["check", "--temperature", "38", "--card", "04AA", "--pupil", "1"], "either"),
        (["check", "--temperature", "38", "--pupil", "216"], "the last one is 215"),
        (["check", "--temperature", "38", "--site", "knee"], "forehead"),
        (["check", "--temperature", "38", "--symptom", "homesick"], "red_eyes"),
        (["check"], "--temperature"),
    ],
)
def test_a_wrong_option_is_told_in_words(options: list[str], words: str) -> None:
    result = RUNNER.invoke(app, options, env={"COLUMNS": "300", "TERM": "dumb", "NO_COLOR": "1"})
    assert result.exit_code == 2
    assert words in result.output
    assert "Traceback" not in result.output


def test_what_cannot_be_simulated_here_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    result = RUNNER.invoke(app, ["school", "--transports", "serial,ble", "--duration", "5"])
    assert result.exit_code == 1
    assert "install the Debian package dbus-daemon" in result.output


@pytest.mark.parametrize(
    "options",
    [["check", "--temperature", "38"], ["rubbish", "--count", "3"], ["school", "--duration", "0.2"]],
)
def test_an_absent_broker_is_told_in_words(mosquitto: Mosquitto, options: list[str]) -> None:
    mosquitto.stop()
    result = RUNNER.invoke(app, [*options, "--broker", address(mosquitto)])
    assert result.exit_code == 1, result.output
    assert f"no broker at {address(mosquitto)}" in result.output
