"""`campus collector account`, `token` and `audit`, as an administrator types them, beside a running collector."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from collector.cli import app
from collector.command_accounts import with_accounts
from collector.config import load_config
from collector.service import Service
from foundation.keyfiles import create_signing_key
from foundation.tomlfile import FileProblems
from tests.collector.record_databases import RecordsDatabase

GOOD = "mountain bicycle 山"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    create_signing_key(tmp_path / "collector.key")
    file = tmp_path / "collector.toml"
    file.write_text(
        '[collector]\nkey_file = "collector.key"\ndata_dir = "data"\n[intake_http]\nhost = "127.0.0.1"\nport = 0\n'
        "[web]\nport = 0\n",
        "utf-8",
    )
    return file


def campus(*words: object, typed: str = "") -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=typed)


def said(*words: object, typed: str = "") -> str:
    result = campus(*words, typed=typed)
    assert result.exit_code == 0, result.output
    return result.output


def refused(words: str, *command: object) -> None:
    result = campus(*command)
    assert result.exit_code == 2, result.output
    assert words in " ".join(result.stderr.split())


def secret_in(output: str) -> str:
    found = re.search(r"^  (\S+)$", output, re.MULTILINE)
    assert found
    return found[1]


def test_the_first_account_and_what_becomes_of_it(config: Path) -> None:
    made = said("account", "add", config, "--username", "wang", "--role", "admin", "--name", "王示例")
    assert len(secret_in(made)) == 23
    said(
        "account", "add", config, "--username", "li", "--role", "nurse", "--password-stdin", typed=GOOD + "\n"
    )
    said(
        "account",
        "role",
        config,
        "--username",
        "li",
        "--role",
        "class_teacher",
        "--school",
        "a",
        "--class",
        "3-2",
    )
    assert "no token of theirs works" in said("account", "disable", config, "--username", "li")
    said(
        "account", "link", config, "--username", "wang", "--issuer", "https://login.example", "--subject", "w"
    )
    listed = said("account", "list", config).splitlines()
    assert [line.split() for line in listed[1:]] == [
        ["li", "li", "class_teacher", "a", "a/3-2", "no", "disabled"],
        ["wang", "王示例", "admin", "all", "–", "no", "active"],
    ]
    said("account", "enable", config, "--username", "li")
    said("account", "unlock", config, "--username", "li")
    said("account", "totp-reset", config, "--username", "li")
    said("account", "unlink", config, "--username", "wang")
    reset = said("account", "password", config, "--username", "li")
    assert len(secret_in(reset)) == 23
    assert "sessions and tokens from before are worth nothing" in " ".join(reset.split())
    audit = said("audit", "list", config)
    assert "account_added wang  admin; schools: all" in audit
    assert "command:" in audit
    assert GOOD not in audit


def test_what_is_refused_says_why(config: Path) -> None:
    said("account", "add", config, "--username", "wang", "--role", "admin")
    refused(
        "there is an account wang already", "account", "add", config, "--username", "wang", "--role", "nurse"
    )
    refused("the roles are: admin", "account", "add", config, "--username", "li", "--role", "boss")
    refused("another administrator first", "account", "disable", config, "--username", "wang")
    refused("no account of this username", "account", "unlock", config, "--username", "nobody")
    refused("no account of this username", "token", "list", config, "--username", "nobody")
    refused(
        "scopes of this account's tokens: series.read",
        "token", "add", config, "--username", "wang", "--name", "s", "--scope", "names.ask",
    )  # fmt: skip
    result = campus("account", "add", config, "--username", "li", "--role", "nurse", "--password-stdin")
    assert "at least 10 characters" in result.stderr


def test_an_audit_that_is_not_there_is_not_called_whole(config: Path) -> None:
    for command in ("list", "verify"):
        refused("there is no records database", "audit", command, config)
    assert not (config.parent / "data").exists()


def test_an_audit_that_was_changed_ends_with_1(config: Path) -> None:
    said("account", "list", config)  # makes the database
    assert "0 rows, whole" in said("audit", "verify", config)
    for name in ("wang", "li"):
        said("account", "add", config, "--username", name, "--role", "admin")
    verified = said("audit", "verify", config)
    note = verified.rpartition("note: ")[2].strip()
    assert re.fullmatch("2-[0-9a-f]{8}", note)
    said("audit", "verify", config, "--note", note)
    refused("a note is a row's number", "audit", "verify", config, "--note", "x")
    RecordsDatabase(config.parent / "data" / "records.db").change("DELETE FROM account_audit WHERE id = 2")
    said("audit", "verify", config)
    cut = campus("audit", "verify", config, "--note", note)
    assert cut.exit_code == 1
    assert "row 2 is not there as it was noted" in cut.output
    RecordsDatabase(config.parent / "data" / "records.db").change("UPDATE account_audit SET actor = 'nobody'")
    changed = campus("audit", "verify", config)
    assert changed.exit_code == 1
    assert "row 1: does not fit the chain" in changed.output


def test_old_rows_that_the_collector_removed_are_nothing_wrong(config: Path) -> None:
    for name in ("wang", "li", "zhao"):
        said("account", "add", config, "--username", name, "--role", "admin")
        note = said("audit", "verify", config).rpartition("note: ")[2].strip()
    assert with_accounts(config, lambda accounts: accounts.trail.cut(2**60)) == 2
    verified = said("audit", "verify", config, "--note", note)
    assert "up to row 2 they were removed when their time was over" in verified
    assert "2 rows, whole; note: 4-" in verified
    first = note.replace("3-", "1-")
    assert "the noted row 1 is one of them" in said("audit", "verify", config, "--note", first)
    RecordsDatabase(config.parent / "data" / "records.db").change("DELETE FROM account_audit WHERE id = 3")
    removed = campus("audit", "verify", config)
    assert removed.exit_code == 1
    assert "row 3: removed" in removed.output


async def test_a_running_collector_knows_at_its_next_request(config: Path) -> None:
    service = Service(load_config(config))
    running = asyncio.create_task(service.run(), name="service-under-test")
    await asyncio.wait_for(service.running.wait(), 30)
    async with httpx.AsyncClient(base_url=service.url) as client:
        assert (await client.get("/api/v1/series")).status_code == 401
        assert "campus collector account add" in (await client.get("/sign-in")).text
        # A command has an event loop of its own.
        await asyncio.to_thread(said, "account", "add", config, "--username", "li", "--role", "nurse")
        made = await asyncio.to_thread(
            said, "token", "add", config, "--username", "li", "--name", "s", "--scope", "series.read"
        )
        bearer = {"Authorization": f"Bearer {secret_in(made)}"}
        assert (await client.get("/api/v1/series", headers=bearer)).status_code == 200
        assert (await client.get("/metrics", headers=bearer)).status_code == 403
        listed = await asyncio.to_thread(said, "token", "list", config, "--username", "li")
        assert re.search(r"1\s+s\s+series.read .* good", listed)
        await asyncio.to_thread(said, "token", "revoke", config, "--username", "li", "--id", "1")
        assert (await client.get("/api/v1/series", headers=bearer)).status_code == 401
    service.stop()
    await asyncio.wait_for(running, 30)


WEB = "[web]\nport = 0\n"


@pytest.mark.parametrize(
    ("web", "words"),
    [
        ('[web]\nhost = "0.0.0.0"\n', "where passwords need TLS"),
        ('[web]\nhost = "0.0.0.0"\n[accounts]\nrequired = false\n', "asks for no password"),
        (
            '[web]\nhost = "0.0.0.0"\ncert_file = "a"\nkey_file = "b"\n[accounts]\nrequired = false\n',
            "asks for no password",
        ),
        ("[web]\nbehind_proxy = true\nproxies = []\n", "nobody could reach the page"),
        ('[web]\nproxies = ["proxy.example"]\n', "no address such as"),
        ('[web]\nproxies = ["10.0.0.5/8"]\n', "written by its first address: 10.0.0.0/8"),
    ],
)
def test_a_page_for_the_network_is_closed(config: Path, web: str, words: str) -> None:
    config.write_text(config.read_text("utf-8").replace(WEB, web), "utf-8")
    with pytest.raises(FileProblems, match=words):
        load_config(config)


@pytest.mark.parametrize(
    "web",
    [
        '[web]\nhost = "0.0.0.0"\ncert_file = "a"\nkey_file = "b"\n',
        '[web]\nhost = "0.0.0.0"\nbehind_proxy = true\n',
        '[web]\nhost = "0.0.0.0"\nbehind_proxy = true\n[accounts]\nrequired = false\n',
        '[web]\nhost = "0.0.0.0"\nbehind_proxy = true\nproxies = ["10.0.0.5", "10.1.0.0/16", "fd00::/8"]\n',
        "[accounts]\nrequired = false\n",
    ],
)
def test_or_it_is_guarded_or_of_this_machine(config: Path, web: str) -> None:
    config.write_text(config.read_text("utf-8").replace(WEB, web), "utf-8")
    load_config(config)
