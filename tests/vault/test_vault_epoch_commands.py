"""`campus vault rotate`, `epochs` and `case` where the database fails."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner

from identity_vault.cli import app

PASSPHRASE = "four unrelated words here"


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """Commands set up logging for a whole process."""
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Configuration and passphrase of a vault that has lost a table."""
    folder: Path = tmp_path_factory.mktemp("vault")
    file, passphrase = folder / "vault.toml", folder / "passphrase"
    file.write_text(
        '[vault]\nschool = "example-primary"\nkey_file = "vault.key"\ndata_dir = "data"\n', "utf-8"
    )
    passphrase.write_text(PASSPHRASE, "utf-8")
    passphrase.chmod(0o600)
    given = [str(file), "--passphrase-file", str(passphrase)]
    made = CliRunner().invoke(app, ["init", *given])
    assert made.exit_code == 0, made.output
    connection = sqlite3.connect(folder / "data" / "vault.db")
    connection.execute("DROP TABLE epochs")
    connection.close()
    return given


@pytest.mark.parametrize("command", [["rotate"], ["epochs"], ["case", "X" * 26]])
def test_a_database_that_fails_is_said_in_words(where: list[str], command: list[str]) -> None:
    (name, *rest) = command
    done = CliRunner().invoke(app, [name, where[0], *rest, *where[1:]])
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("error: the vault's database cannot be used now: no such table: epochs")
