"""`campus vault guardian link`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console

from identity_vault.audit import operator
from identity_vault.commands.opening import ConfigFile, PassphraseFile
from identity_vault.commands.whom import (
    NumberFile,
    choose_guardian,
    find_pupil,
    open_in_words,
    read_number,
)
from identity_vault.rights import links

app = typer.Typer(no_args_is_help=True, help="The page on which a guardian sees and decides.")
console = Console()


@app.command()
def link(
    config_file: ConfigFile,
    relation: Annotated[
        str | None, typer.Option(help="Which guardian, such as 母亲, where there are several.")
    ] = None,
    number_file: NumberFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make a link that a guardian can open once, within 7 days. An earlier unopened one is void.

    Whoever has the link sees the child's data: hand it over in person or by a message to the guardian's
    own number.
    """
    with open_in_words(config_file, passphrase_file) as vault:
        number = read_number(number_file)
        with vault.begin() as connection:
            pupil = find_pupil(vault, connection, number)
            guardian = choose_guardian(vault, connection, pupil, relation)
            secret = links.make_link(vault, connection, operator(), guardian)
        until = datetime.fromtimestamp((vault.now_ms() + links.LINK_LIFE_MS) / 1_000, vault.config.zone)
        console.print(links.address(vault, secret), soft_wrap=True, markup=False, highlight=False)
        console.print(f"有效期至 good until {until:%Y-%m-%d %H:%M}，只能打开一次 opens once", highlight=False)
