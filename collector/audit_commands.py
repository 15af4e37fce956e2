"""`campus collector audit …`: who did what at the collector, and whether anybody changed that afterwards."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console

from collector.accounts.service import Accounts
from collector.accounts.trail import Verified
from collector.command_accounts import with_accounts
from foundation.commands import UsageError
from foundation.keyfiles import load_signing_key

app = typer.Typer(
    no_args_is_help=True, help="Who signed in, changed or read what; and whether the rows are whole."
)
console = Console()

ConfigFile = Annotated[
    Path, typer.Argument(help="The collector's configuration, see collector/collector.sample.toml.")
]


@app.command("list")
def list_rows(
    config_file: ConfigFile,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="So many of the newest.")] = 50,
) -> None:
    """Show the newest rows, the last one at the bottom."""
    rows = with_accounts(config_file, lambda accounts: accounts.trail.find(limit=limit), made=False)
    for row in reversed(rows):
        time = datetime.fromtimestamp(row.at_ms / 1_000, ZoneInfo("Asia/Shanghai")).isoformat(" ", "seconds")
        about = f" {row.subject}" if row.subject and row.subject != row.actor else ""
        line = f"{row.id}  {time}  {row.actor or '–'}  {row.action}{about}  {row.detail}"
        console.print(line.rstrip(), soft_wrap=True, markup=False, highlight=False)


@app.command()
def verify(
    config_file: ConfigFile,
    note: Annotated[str, typer.Option(help="What an earlier verify said; it must still stand there.")] = "",
    old_key_file: Annotated[
        list[Path] | None,
        typer.Option(help="Of the collector before its key file was replaced; may be repeated."),
    ] = None,
) -> None:
    """Check every row against the one before, and tell the note of the last one.

    Write the note down outside this machine: only that shows later that rows were cut off the end, or that an
    older database was put back. Rows that the collector removed because their time was over are told and are
    nothing wrong. Exits with 1 if anything is wrong.
    """

    async def check(accounts: Accounts) -> tuple[list[str], list[str], Verified]:
        trail = accounts.trail
        try:
            stands = await trail.has_noted(note) if note else True
        except ValueError as error:
            raise UsageError(f"--note: {error}") from error
        found = await trail.verify([load_signing_key(one) for one in old_key_file or ()])
        problems = [str(one) for one in found.problems]
        told = (
            [f"up to row {found.cut_to} they were removed when their time was over"] if found.cut_to else []
        )
        number = note.partition("-")[0]
        if stands is None:
            told.append(f"the noted row {number} is one of them; note the last one anew")
        elif not stands:
            problems.append(f"row {number} is not there as it was noted")
        return problems, told, found

    problems, told, found = with_accounts(config_file, check, made=False)
    for line in told:
        console.print(f"[dim]·[/] {line}", soft_wrap=True, highlight=False)
    for problem in problems:
        console.print(f"[red]✗[/] {problem}", soft_wrap=True, highlight=False)
    if problems:
        raise typer.Exit(1)
    last = f"; note: {found.note}" if found.note else ""
    console.print(f"[green]✓[/] {found.rows} rows, whole{last}", highlight=False)
