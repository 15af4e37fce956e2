"""`campus collector gateway configure` and `… configuration`, in right and in wrong ways."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from collector.cli import app
from collector.command_records import opened_records
from collector.records import configurations
from collector.records.configurations import State
from foundation.keyfiles import create_signing_key
from telemetry.configuration import BYTES_MAX
from tests.collector.conftest import SCHOOL, Sender

KEY = (SCHOOL, "gw-1")
TEXT = '[batch]\ninterval_s = 5\n\n[[modbus]]\nname = "hall"\ntcp = { host = "192.0.2.7" }\n'


def campus(command: str, config: Path, *arguments: str | Path, stdin: str = "") -> Result:
    words = ["gateway", command, str(config), *KEY, *map(str, arguments)]
    return CliRunner().invoke(app, words, input=stdin, env={"COLUMNS": "200"})


def refused(result: Result, words: str) -> None:
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output


@pytest.fixture
def config(tmp_path: Path) -> Path:
    create_signing_key(tmp_path / "collector.key")
    file = tmp_path / "collector.toml"
    file.write_text(
        '[collector]\nkey_file = "collector.key"\ndata_dir = "data"\n[mqtt]\nhost = "127.0.0.1"\n', "utf-8"
    )
    with opened_records(file) as records:
        records.add_gateway(Sender("gw-1").row)
    return file


@pytest.fixture
def text(tmp_path: Path) -> Path:
    file = tmp_path / "hall.toml"
    file.write_text(TEXT, "utf-8")
    return file


def test_a_version_is_made_and_shown(config: Path, text: Path) -> None:
    assert "none" in campus("configuration", config).stdout
    made = campus("configure", config, text, "--note", "CO₂ 慢一点")
    assert (made.exit_code, "version 1 of" in made.stdout) == (0, True), made.output
    assert "says the same already" in campus("configure", config, "-", stdin=TEXT + "# more\n").stdout
    shown = campus("configuration", config).stdout
    assert "1, made 2" in shown
    assert "by command  CO₂ 慢一点" in shown
    assert "it never said" in shown
    assert tomllib.loads(campus("configuration", config, "--toml").stdout) == tomllib.loads(TEXT)


def test_what_the_gateway_said_is_shown(config: Path, text: Path) -> None:
    campus("configure", config, text)
    with opened_records(config) as records:
        state = State(*KEY, 0, "", 1, "modbus/hall: no device", 1_788_220_862_500)
        records.run_now(lambda connection: configurations.save_states(connection, [state]))
    shown = campus("configuration", config).stdout
    assert "0: not the newest: it refused that" in shown
    assert "1: modbus/hall: no device" in shown
    # The same once more is sent again, under a number of its own.
    assert "version 2 of" in campus("configure", config, text).stdout


def test_wrong_ways(config: Path, text: Path, tmp_path: Path) -> None:
    refused(campus("configure", config, tmp_path / "none.toml"), "none.toml cannot be read")
    refused(campus("configure", config, text, "--note", "x" * 201), "--note: at most 200")
    refused(campus("configure", config, "-", stdin="[batch\n"), "stdin:1: is not TOML")
    refused(campus("configure", config, "-", stdin="#" * (BYTES_MAX + 1)), "stdin is larger than")
    text.write_text('[batch]\n[gateway]\nid = "x"\n', "utf-8")
    refused(campus("configure", config, text), f"{text}:2: [gateway] cannot come from the collector")
    words = ["gateway", "configure", str(config), SCHOOL, "gw-none", "-"]
    refused(CliRunner().invoke(app, words, input=TEXT), "no gateway example-primary/gw-none is registered")
    words = ["gateway", "configuration", str(config), SCHOOL, "gw-none"]
    refused(CliRunner().invoke(app, words), "see: campus collector gateway list")


def test_the_example_of_the_page_is_one(config: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "remote-configuration.md").read_text("utf-8")
    example = re.search(r"<<'TOML'\n(.*?)\nTOML\n", page, re.DOTALL)
    assert example is not None
    for room in ("301", "302"):
        made = campus("configure", config, "-", stdin=example[1].replace("301", room))
        assert made.exit_code == 0, made.stderr
    assert '"main/302"' in campus("configuration", config, "--toml").stdout
