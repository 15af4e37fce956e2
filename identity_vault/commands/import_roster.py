"""`campus vault import roster`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from identity_vault.commands.import_output import (
    console,
    problems_in_words,
    progress,
    read_files,
    say,
    say_counts,
)
from identity_vault.commands.opening import ConfigFile, PassphraseFile, open_from
from identity_vault.imports.headers import load_headers
from identity_vault.imports.roster_apply import RosterFiles, import_roster, plan_in, read_roster
from identity_vault.imports.roster_plan import Change, Plan

ListFiles = Annotated[
    list[Path],
    typer.Argument(metavar="FILE...", help="CSV (UTF-8 or GB18030) or Excel (.xlsx); one or several."),
]
OwnHeaders = Annotated[
    Path | None,
    typer.Option("--headers", help="A TOML file with the school's own titles of columns, by what they mean."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]


def roster(
    config_file: ConfigFile,
    files: ListFiles,
    passphrase_file: PassphraseFile = None,
    headers: OwnHeaders = None,
    *,
    dry_run: DryRun = False,
    mark_left: Annotated[
        bool,
        typer.Option(
            "--mark-left/--leave-missing",
            help="Pupils of the files' classes who stand in no file: mark them as having left, or leave "
            "them as they are and say how many.",
        ),
    ] = False,
) -> None:
    """Import pupils with their classes, guardians, cards, bands and consents, all or nothing.

    An empty cell changes nothing; 无 or - says that there is none. A consent is only ever added with
    its date and evidence, never because a list is silent about it; one that is not newer than a
    withdrawal stays withdrawn. A second import of the same file changes nothing.
    """
    with problems_in_words(), open_from(config_file, passphrase_file) as vault:
        titles = load_headers(headers)["roster"]
        found = read_roster(vault, read_files(files), titles)
        if dry_run:
            with vault.read() as connection:
                plan = plan_in(vault, connection, found)
        else:
            with progress("pupils") as report:
                plan = import_roster(
                    vault, found, missing="mark-left" if mark_left else "leave", report=report
                )
        _say(plan, found, dry_run=dry_run, mark_left=mark_left)


def _say(plan: Plan, files: RosterFiles, *, dry_run: bool, mark_left: bool) -> None:
    changes = (*plan.added, *plan.changed)
    counts = [
        ("pupils: new", len(plan.added)),
        ("pupils: changed", len(plan.changed)),
        *((f"  {part}", count) for part, count in _parts(plan.changed)),
        ("pupils: as before", plan.unchanged),
        ("pupils: marked as left" if mark_left else "pupils: missing in the files", len(plan.missing)),
        ("classes: new or renamed", len(plan.classes)),
        ("cards, bands, station numbers: new", sum(len(one.credentials) for one in changes)),
        ("cards, bands, station numbers: ended", sum(len(one.ended) for one in changes)),
        ("guardians: new or changed", sum(len(one.guardians) for one in changes)),
        ("consents: new", sum(len(one.consents) for one in changes)),
    ]
    say_counts("Roster", counts, dry_run=dry_run)
    if plan.missing and not mark_left:
        say(
            f"{len(plan.missing)} pupils of these classes stand in no file and were left as they are; "
            "--mark-left marks them as having left."
        )
    if plan.elsewhere:
        say(f"{plan.elsewhere} pupils of other classes were left as they are.")
    if plan.older_consents:
        say(
            f"{plan.older_consents} consents are not newer than what the vault has of the same pupil and "
            "purpose, perhaps a withdrawal; they were not taken over."
        )
    for content in files.contents:
        if content.unused:
            say(f"{content.file}: columns not used: {'、'.join(content.unused)}")
        if content.unread_sheets:
            say(f"{content.file}: only the first sheet was read, not the {content.unread_sheets} after it.")
    if not (plan.changes or dry_run or (mark_left and plan.missing)):
        console.print("Nothing has changed.")


def _parts(changes: Sequence[Change]) -> list[tuple[str, int]]:
    names = [part for change in changes for part in change.parts]
    return [(part, names.count(part)) for part in dict.fromkeys(names)]
