"""`campus vault import …`: the school's lists into the vault."""

from __future__ import annotations

import typer

from identity_vault.commands import import_roster, import_times

app = typer.Typer(
    no_args_is_help=True,
    help="Import the school's lists: roster, timetable, calendar, bookings. All of a file, or nothing.",
)

app.command()(import_roster.roster)
app.command()(import_times.timetable)
app.command()(import_times.calendar)
app.command()(import_times.bookings)
