"""How every command comes to an open vault: the configuration and the passphrase."""

from __future__ import annotations

import getpass
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from foundation import logs
from foundation.commands import UsageError
from foundation.keyfiles import KeyFileError, read_secret
from identity_vault.config import VaultConfig, load_config
from identity_vault.database.engine import DatabaseError
from identity_vault.vault import Vault, WrongKeyFileError, open_vault

CREDENTIAL: Final = "vault-passphrase"
"""Name of the systemd credential (LoadCredential=, LoadCredentialEncrypted=)."""

ConfigFile = Annotated[Path, typer.Argument(metavar="VAULT.TOML", help="The vault's configuration.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="A file (chmod 600) with the passphrase; else the systemd credential "
        f"'{CREDENTIAL}', else it is asked for.",
    ),
]


def open_from(config_file: Path, passphrase_file: Path | None) -> Vault:
    """The open vault, logs configured as its file says. Raises UsageError or FileProblems."""
    config = load_config(config_file)
    logs.configure(config.log.level, config.log.format)
    return open_with(config, read_passphrase(passphrase_file))


def open_with(config: VaultConfig, passphrase: str) -> Vault:
    """Raises UsageError."""
    try:
        return open_vault(config, passphrase)
    except (KeyFileError, DatabaseError, WrongKeyFileError) as error:
        raise UsageError(str(error)) from error


def read_passphrase(file: Path | None, *, twice: bool = False) -> str:
    """From the file, the systemd credential, or the terminal, there twice if asked. Raises UsageError."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    if file is None and folder and (Path(folder) / CREDENTIAL).is_file():
        # systemd guards it by the folder's rights; the file itself may be readable by a group.
        try:
            return (Path(folder) / CREDENTIAL).read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            cause = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise UsageError(f"the systemd credential {CREDENTIAL} cannot be read: {cause}") from None
    if file is not None:
        try:
            return read_secret(file).decode("utf-8").rstrip("\r\n")
        except KeyFileError as error:
            raise UsageError(f"--passphrase-file: {error}") from error
        except UnicodeDecodeError:
            # Its message has a byte of the passphrase, and its object all of them.
            raise UsageError(f"--passphrase-file: {file} is not UTF-8") from None
    if not sys.stdin.isatty():
        raise UsageError(
            f"the vault's passphrase is needed: --passphrase-file, or the systemd credential {CREDENTIAL}"
        )
    passphrase = getpass.getpass("密码短语 passphrase: ")
    if twice and getpass.getpass("再输一次 once more: ") != passphrase:
        raise UsageError("the two were not the same")
    return passphrase
