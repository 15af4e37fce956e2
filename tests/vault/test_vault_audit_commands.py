"""`campus vault audit …` and `campus vault run`, as a person calls them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import httpx
import pytest
from typer.testing import CliRunner

from foundation.keyfiles import public_text
from identity_vault import keys
from identity_vault.cli import app
from identity_vault.config import load_config
from identity_vault.names import NamesDesk
from identity_vault.vault import create_vault
from tests.vault.audit_parts import write_rows
from tests.vault.names_parts import COLLECTOR, REASON, Browser, Clock, pseudonym
from tests.vault.vault_parts import add_somebody

PASSPHRASE: Final = "four unrelated invented words"


class Installed:
    """A vault with one pupil whose name facilities staff saw by break-glass."""

    def __init__(self, folder: Path) -> None:
        self.file, self.passphrase_file = folder / "vault.toml", folder / "passphrase"
        self.file.write_text(
            '[vault]\nschool = "example-primary"\nkey_file = "vault.key"\ndata_dir = "data"\n'
            f'[web]\nport = 0\n[collector]\npublic_key = "{public_text(COLLECTOR.public_key())}"\n'
        )
        self.passphrase_file.write_text(PASSPHRASE)
        self.passphrase_file.chmod(0o600)

    async def fill(self) -> None:
        with create_vault(load_config(self.file), PASSPHRASE) as vault:
            write_rows(vault, 3)
            ada = add_somebody(vault, 1)
            clock = Clock(vault.now_ms())
            facilities = Browser(NamesDesk(vault, COLLECTOR.public_key()), clock, "facilities", "safety")
            self.grant = (await facilities.break_glass("safety")).grant
            await facilities.ask(pseudonym(vault, "safety", ada))

    def command(self, *words: str, stdin: str = "") -> tuple[int, str]:
        arguments = ["audit", words[0], str(self.file), "--passphrase-file", str(self.passphrase_file)]
        result = CliRunner().invoke(app, [*arguments, *words[1:]], input=stdin)
        return result.exit_code, result.output


@pytest.fixture
async def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    monkeypatch.setattr(keys, "_COST", 2**10)  # what scrypt costs is of no matter here
    made = Installed(tmp_path)
    await made.fill()
    return made


def test_list_filters(installed: Installed) -> None:
    for words, count in (
        ((), 5),
        (("--action", "resolve"), 4),
        (("--actor", "session:s"), 3),
        (("--limit", "1", "--action", "resolve"), 1),
        (("--since", "2999-01-01"), 0),
        (("--since", "2020-01-01T08:00", "--action", "resolve"), 4),
    ):
        status, said = installed.command("list", *words)
        rows = [line for line in said.splitlines() if "audit_list" not in line]
        assert (status, len(rows)) == (0, count), (words, said)


def test_list_about_one_pupil_asks_for_the_number(installed: Installed) -> None:
    status, said = installed.command("list", "--pupil", stdin="TEST000001\n")
    assert (status, said.count("session:facilities-1")) == (0, 1)
    assert "TEST000001" not in said
    status, said = installed.command("list", "--pupil", stdin="TEST000009\n")
    assert (status, "no pupil" in said) == (2, True)
    assert "TEST000009" not in said


def test_review_shows_and_decides(installed: Installed) -> None:
    status, said = installed.command("review")
    assert status == 0
    assert installed.grant in said
    assert REASON in said
    assert "facilities → safety, 1 names" in said
    assert installed.command("review", "--accept", installed.grant)[0] == 2
    assert installed.command("review", "--accept", "a", "--object", "b", "--by", "张老师")[0] == 2
    assert installed.command("review", "--object", "0" * 16, "--by", "张老师")[0] == 2
    assert installed.command("review", "--object", installed.grant, "--by", "张老师")[0] == 0
    status, said = installed.command("review")
    assert (status, "to review: 0" in said) == (0, True)
    assert "张老师" not in installed.command("list")[1]


def test_an_older_state_of_all_files_is_told_by_a_note(installed: Installed) -> None:
    data = installed.file.parent / "data"
    older = {file: file.read_bytes() for file in data.iterdir()}
    installed.command("list")
    status, said = installed.command("verify")
    assert status == 0
    note = said.rpartition("note: ")[2].strip()
    installed.command("list")
    assert installed.command("verify", "--noted", note)[0] == 0
    for file in data.iterdir():
        file.unlink()
    for file, content in older.items():
        file.write_bytes(content)
    assert installed.command("verify")[0] == 0  # all of it fits together
    for _ in range(2):
        assert installed.command("verify", "--noted", note)[0] == 1
        installed.command("review")  # the vault goes on, with other rows in those places
    assert installed.command("verify", "--noted", "612")[0] == 2


def test_a_database_that_is_away_is_said_in_words(installed: Installed) -> None:
    for file in installed.file.parent.glob("data/vault.db*"):
        file.write_bytes(b"rubbish" * 4096)
    status, said = installed.command("verify")
    assert status == 2
    assert "error:" in said
    assert "Traceback" not in said


def test_run_serves_until_it_is_told_to_stop(installed: Installed) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "campus", "vault", "run", str(installed.file), "--passphrase-file",
         str(installed.passphrase_file)],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stderr is not None
    with process:
        first = process.stderr.readline()
        assert "vault running" in first
        url = first.partition('"url": "')[2].partition('"')[0]
        assert httpx.get(f"{url}/healthz").json()["status"] == "ok"
        assert httpx.post(f"{url}/v1/resolve", content=b"?").status_code == 401
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
    assert process.returncode == 0
    assert "vault stopped" in rest
    assert "Traceback" not in rest
