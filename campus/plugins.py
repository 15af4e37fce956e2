"""`campus plugins`: which plug-ins are installed, and which of them a configuration uses. Imports none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict
from rich.console import Console

from foundation.commands import errors_in_words
from foundation.plugins import PluginsSection, installed
from foundation.tomlfile import load

app = typer.Typer(no_args_is_help=True, help="Plug-ins: parts that are packaged outside this program.")
console = Console()

NOT_INSTALLED = 1


class _File(BaseModel):
    """Of a gateway's or a collector's configuration, this alone."""

    model_config = ConfigDict(extra="ignore")

    plugins: PluginsSection = PluginsSection()


@app.callback()
def top() -> None:
    """Plug-ins are installed beside the program; only those that a configuration names are loaded."""


@app.command("list")
def list_plugins(
    files: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[FILE]...", help="gateway.toml or collector.toml: says which it enables."),
    ] = None,
) -> None:
    """Every installed plug-in: its name, what it offers, its distribution, and which file enables it.

    Exit code 1: a file enables one that is not installed.
    """
    with errors_in_words():
        named = {file: load(file, _File).plugins.enabled for file in files or ()}
    rows: list[Sequence[str]] = [("plug-in", "offers", "distribution", "version", "enabled by")]
    offers = installed()
    for offer in offers:
        using = ", ".join(str(file) for file, enabled in named.items() if offer.name in enabled)
        rows.append((offer.name, offer.kind, offer.distribution, offer.version, using or "–"))
    there = {offer.name for offer in offers}
    missing = [(name, file) for file, enabled in named.items() for name in enabled if name not in there]
    rows += [(name, "not installed", "–", "–", str(file)) for name, file in missing]
    if len(rows) == 1:
        console.print("No plug-in is installed. docs/plugins.md says how one is written.")
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        console.print(line.rstrip(), soft_wrap=True, markup=False, highlight=False)
    if missing:
        raise typer.Exit(NOT_INSTALLED)
