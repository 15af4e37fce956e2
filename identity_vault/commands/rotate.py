"""`campus vault rotate`, `epochs` and `case`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection

from foundation.commands import UsageError
from identity_vault.audit import operator, record
from identity_vault.commands.opening import ConfigFile, PassphraseFile
from identity_vault.commands.whom import open_in_words
from identity_vault.roster import EpochError, all_epochs, begin_epoch, bump, close_epoch
from identity_vault.roster.cases import keep_case
from identity_vault.vault import school_year
from telemetry.purposes import PURPOSE_NAMES, Purpose

console = Console()


def rotate(
    config_file: ConfigFile,
    passphrase_file: PassphraseFile = None,
    epoch: Annotated[
        str | None, typer.Option(help="Name of the new epoch; left out, the school year of today.")
    ] = None,
    close: Annotated[
        list[str] | None,
        typer.Option(
            help="Also close this older epoch: its pseudonyms lead to no names any more, but for kept cases."
        ),
    ] = None,
) -> None:
    """Begin a new epoch: from now on everybody has new pseudonyms, which nobody can link to the old ones.

    Once a year, in the summer holidays. Gateways take the new ones within minutes.
    """
    with open_in_words(config_file, passphrase_file) as vault, vault.begin() as connection:
        wanted = epoch or school_year(vault.now_ms(), vault.config)
        if not 1 <= len(wanted) <= 16 or not wanted.isascii() or not wanted.isprintable():
            raise UsageError("--epoch: 1 to 16 plain characters such as 2027-28")
        try:
            if not close or epoch:
                begin_epoch(connection, wanted, vault.now_ms())
                record(vault, connection, actor=operator(), action="rotate", epoch=wanted)
            for one in close or ():
                close_epoch(connection, one)
                record(vault, connection, actor=operator(), action="close_epoch", epoch=one)
        except EpochError as error:
            raise UsageError(str(error)) from error
        bump(connection)
        console.print(_table(connection))


def epochs(config_file: ConfigFile, passphrase_file: PassphraseFile = None) -> None:
    """Show the epochs of pseudonyms."""
    with open_in_words(config_file, passphrase_file) as vault, vault.read() as connection:
        console.print(_table(connection))


def case(
    config_file: ConfigFile,
    pseudonym: Annotated[str, typer.Argument(help="The pseudonym of the open case.")],
    purpose: Annotated[str, typer.Option(help="What the pseudonym is for.")] = "health",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Keep one pseudonym resolvable although its epoch will be closed: for a case that is still open."""
    with open_in_words(config_file, passphrase_file) as vault, vault.begin() as connection:
        wanted = next((one for one in PURPOSE_NAMES if one == purpose), None)
        if wanted is None:
            raise UsageError(f"--purpose: one of {', '.join(PURPOSE_NAMES)}")
        kept: Purpose = wanted
        pupil = keep_case(vault, connection, pseudonym, kept)
        if pupil is None:
            raise UsageError(f"that is no pseudonym for {kept} of an epoch that is not closed")
        record(vault, connection, actor=operator(), action="keep_case", purpose=kept, pupil=pupil)
    console.print("已保留 kept")


def _table(connection: Connection) -> Table:
    words = {"current": "使用中 current", "open": "可查 open", "closed": "已关闭 closed"}
    table = Table("学年 epoch", "状态 state", "开始 began")
    for id_, state, began_ms in all_epochs(connection):
        table.add_row(id_, words[state], f"{datetime.fromtimestamp(began_ms / 1_000, UTC):%Y-%m-%d}")
    return table
