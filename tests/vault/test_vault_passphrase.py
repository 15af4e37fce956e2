"""Where commands have the vault's passphrase from, and what they say when they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from foundation.commands import UsageError
from identity_vault.commands.opening import CREDENTIAL, read_passphrase

PASSPHRASE = "四个不相干的词 four unrelated words"


@pytest.fixture(params=["credential", "file"])
def file(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the passphrase is looked for."""
    if request.param == "credential":
        monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
        return tmp_path / CREDENTIAL
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    return tmp_path / "passphrase"


def read(file: Path) -> str:
    file.chmod(0o600)
    return read_passphrase(None if file.name == CREDENTIAL else file)


def test_the_passphrase_is_the_files_line(file: Path) -> None:
    file.write_text(f"{PASSPHRASE}\n", "utf-8")
    assert read(file) == PASSPHRASE


def test_what_is_no_text_is_said_in_words_and_not_repeated(file: Path) -> None:
    file.write_bytes(PASSPHRASE.encode("gb18030"))
    with pytest.raises(UsageError, match="UTF-8") as caught:
        read(file)
    assert "0x" not in str(caught.value)
    assert caught.value.__cause__ is None
