"""`campus collector …` by hand, in right and in wrong ways: exit code 2, words, never a traceback."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import pytest
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel
from typer.testing import CliRunner, Result

from collector import config as config_module
from collector.cli import app
from collector.config import CollectorConfig, load_config
from foundation.keyfiles import create_signing_key, load_signing_key, public_text
from tests.collector.conftest import SCHOOL

SAMPLE = Path(config_module.__file__).parent / "collector.sample.toml"


def campus(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "200"})


def refused(result: Result, words: str) -> None:
    assert result.exit_code == 2, result.output
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert isinstance(result.exception, SystemExit)


def public_key() -> str:
    return public_text(Ed25519PrivateKey.generate().public_key())


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """`run` sets up logging for a whole process."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    create_signing_key(tmp_path / "collector.key")
    file = tmp_path / "collector.toml"
    file.write_text(
        '[collector]\nkey_file = "collector.key"\ndata_dir = "data"\n'
        '[mqtt]\nhost = "127.0.0.1"\nport = 1\n[web]\nport = 0\n',
        "utf-8",
    )
    return file


def add(config: Path, id_: str = "gw-1", key: str = "", school: str = SCHOOL) -> Result:
    arguments = ["--school", school, "--id", id_, "--public-key", key or public_key()]
    return campus("gateway", "add", config, *arguments)


def test_a_gateway_is_added_listed_and_revoked(config: Path) -> None:
    key = public_key()
    assert add(config, key=key).exit_code == 0
    listed = CliRunner().invoke(app, ["gateway", "list", str(config)], env={"COLUMNS": "40"})
    assert key in listed.output, "whole, however narrow the terminal"
    assert "active" in listed.output
    assert campus("gateway", "revoke", config, "--school", SCHOOL, "--id", "gw-1").exit_code == 0
    assert "revoked" in campus("gateway", "list", config).output


def test_a_gateway_is_not_added_in_wrong_ways(config: Path) -> None:
    key = public_key()
    assert add(config, key=key).exit_code == 0
    refused(add(config), "registered already")
    refused(add(config, "gw-2", key), "registered already")
    refused(add(config, "GW 1"), "--id 'GW 1'")
    refused(add(config, school="小学"), "--school")
    refused(add(config, "gw-3", "rubbish"), "--public-key")
    refused(add(config, "gw-3", key[:-4]), "44 characters")
    refused(campus("gateway", "revoke", config, "--school", SCHOOL, "--id", "gw-9"), "no active gateway")
    campus("gateway", "revoke", config, "--school", SCHOOL, "--id", "gw-1")
    refused(campus("gateway", "revoke", config, "--school", SCHOOL, "--id", "gw-1"), "no active gateway")
    refused(add(config, key=key), "replacement under a new id")


def test_a_key_is_made_once(tmp_path: Path) -> None:
    file = tmp_path / "folder [with] brackets" / "collector.key"
    made = campus("keygen", "--out", file)
    assert made.exit_code == 0
    assert public_text(load_signing_key(file).public_key()) in made.output
    assert "[with]" in made.output.replace("\n", "")
    refused(campus("keygen", "--out", file), "exists already")
    refused(campus("keygen", "--out", file / "below"), "cannot be written")


def test_a_collector_does_not_start_on_what_it_cannot_use(config: Path, tmp_path: Path) -> None:
    def changed(old: str, new: str) -> Path:
        file = tmp_path / "changed.toml"
        file.write_text(config.read_text("utf-8").replace(old, new), "utf-8")
        return file

    refused(campus("run", tmp_path / "none.toml"), "cannot be read")
    refused(campus("run", changed("port = 1", "prot = 1")), "changed.toml:6: mqtt.prot is not a setting")
    refused(campus("run", changed("[mqtt]", "[mqtt")), "changed.toml:4")
    refused(campus("run", changed("port = 0", 'host = "0.0.0.0"')), "behind_proxy")
    refused(campus("run", changed("collector.key", "none.key")), "none.key cannot be read")
    refused(campus("run", changed("collector.key", "collector.toml")), "chmod 600")
    refused(campus("run", changed('"data"', '"collector.key"')), "cannot be made a folder")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "series.duckdb").write_bytes(b"rubbish" * 1000)
    refused(campus("run", config), "not a DuckDB file")
    (tmp_path / "data" / "records.db").write_bytes(b"rubbish" * 1000)
    refused(campus("run", config), "records.db cannot be used")


def _settings(model: type[BaseModel], before: str = "") -> Iterator[str]:
    hints = get_type_hints(model)
    for name in model.model_fields:
        inner = [
            one
            for one in (hints[name], *get_args(hints[name]))
            if isinstance(one, type) and issubclass(one, BaseModel)
        ]
        if inner and before == "" and get_origin(hints[name]) is not dict:
            yield from _settings(inner[0], f"{before}{name}.")
        else:
            yield f"{before}{name}"


def _with_vault(text: str) -> str:
    """The sample with its `[vault]` section no longer a comment, and a key in it."""
    before, _, rest = text.partition("# [vault]")
    section, gap, after = rest.partition("\n\n")
    section = section.replace("\n# ", "\n").replace("…", public_key())
    return f"{before}[vault]{section}{gap}{after}"


def test_the_sample_shows_every_setting_and_is_valid(tmp_path: Path) -> None:
    config = load_config(SAMPLE)
    assert config.collector.key_file == SAMPLE.parent / "collector.key"
    assert config.vault is None
    text = _with_vault(SAMPLE.read_text("utf-8"))
    (tmp_path / "whole.toml").write_text(text, "utf-8")
    vault = load_config(tmp_path / "whole.toml").vault
    assert vault is not None
    assert vault.ca_file == tmp_path / "vault-ca.crt"
    content = tomllib.loads(text)
    comments = "\n".join(line.partition("#")[2] for line in text.splitlines())
    missing = []
    for setting in _settings(CollectorConfig):
        section, _, name = setting.partition(".")
        if f"[{section}." in comments or f"[[{section}]]" in comments:
            continue  # a list, or a table of a plug-in that is not installed
        if section not in content or (name and name not in content[section] and name not in comments):
            missing.append(setting)
    assert missing == []


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"https://v.example"', '"http://v.example"', "vault.url must begin with https://"),
        ('"https://v.example"', '"https://v.example/path"', "without a path"),
        ('"https://v.example"', '"https://u:p@v.example"', "vault.url must be https://, a host"),
        ('"https://v.example"', '"https://v.example;script-src"', "vault.url must be"),
        ('school = "example-primary"', 'school = "示例小学"', "vault.school must be 1 to 63"),
        ('public_key = "', 'public_key = "x', "vault.public_key a public key is 44 characters"),
        ('role = "nurse"', 'role = "parent"', "vault.role must be 'admin'"),
        ("refresh_s = 15", "refresh_s = 0", "vault.refresh_s must be greater"),
        ("refresh_s = 15", "refresh = 15", "vault.refresh is not a setting"),
        ("refresh_s = 15", 'ca_file = "none.crt"', "[vault] ca_file: there is no"),
    ],
)
def test_a_vault_that_cannot_be_meant(config: Path, tmp_path: Path, old: str, new: str, words: str) -> None:
    section = (
        f'[vault]\nschool = "example-primary"\nurl = "https://v.example"\npublic_key = "{public_key()}"\n'
        'role = "nurse"\nrefresh_s = 15\n'
    )
    assert old in section
    file = tmp_path / "changed.toml"
    file.write_text(config.read_text("utf-8") + section.replace(old, new), "utf-8")
    refused(campus("run", file), words)
