"""`campus vault init` and `campus vault passphrase`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from foundation.commands import UsageError, errors_in_words
from foundation.keyfiles import KeyFileError, public_text
from identity_vault.audit import operator, record
from identity_vault.commands.opening import ConfigFile, PassphraseFile, open_from, read_passphrase
from identity_vault.config import load_config
from identity_vault.database.engine import DatabaseError
from identity_vault.keys import change_passphrase
from identity_vault.vault import create_vault

console = Console()


def init(config_file: ConfigFile, passphrase_file: PassphraseFile = None) -> None:
    """Make a new vault: its key file and its empty database.

    Lose the key file or the passphrase, and every name and pseudonym is lost: keep a copy of the one and
    the other in two different places.
    """
    with errors_in_words():
        config = load_config(config_file)
        if config.vault.key_file.exists():
            raise UsageError(
                f"{config.vault.key_file} exists already: this vault has been made; back it up, and move it "
                "away if you really want another, or if an init was cut off before it made the database"
            )
        passphrase = read_passphrase(passphrase_file, twice=True)
        try:
            vault = create_vault(config, passphrase)
        except DatabaseError as error:
            raise UsageError(str(error)) from error
        with vault:
            with vault.begin() as connection:
                record(vault, connection, actor=operator(), action="init")
            public = public_text(vault.signer.public_key)
    console.print(f"新建身份库 new vault: [bold]{config.vault.key_file}[/]", highlight=False, soft_wrap=True)
    _say_key(public)


def keys(config_file: ConfigFile, passphrase_file: PassphraseFile = None) -> None:
    """Show the vault's public key, and where gateways and the collector need it."""
    with errors_in_words(), open_from(config_file, passphrase_file) as vault:
        public = public_text(vault.signer.public_key)
    _say_key(public)


def _say_key(public: str) -> None:
    console.print("In gateway.toml of every gateway that reads cards or bands write:\n")
    console.print(
        f'  [personal]\n  vault = "https://…"\n  vault_public_key = "{public}"\n',
        markup=False,
        highlight=False,
    )
    console.print("and in collector.toml:\n")
    console.print(
        f'  [vault]\n  school = "…"\n  url = "https://…"\n  public_key = "{public}"',
        markup=False,
        highlight=False,
    )


def passphrase(
    config_file: ConfigFile,
    passphrase_file: PassphraseFile = None,
    new_file: Annotated[
        Path | None, typer.Option("--new-passphrase-file", help="A file (chmod 600) with the new one.")
    ] = None,
) -> None:
    """Give the key file another passphrase. Names and pseudonyms stay as they are."""
    with errors_in_words():
        config = load_config(config_file)
        old = read_passphrase(passphrase_file)
        if new_file is None:
            console.print("新密码短语 the new one:")
        new = read_passphrase(new_file, twice=True)
        try:
            change_passphrase(config.vault.key_file, old, new)
        except OSError as error:
            raise KeyFileError(f"{config.vault.key_file} cannot be replaced: {error.strerror}") from error
    console.print("已更改 changed; old copies of the key file still open with the old one", soft_wrap=True)
