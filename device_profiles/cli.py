"""`campus profile`: look at device profiles, and try one of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from device_profiles.examples import run_example, untested
from device_profiles.paths import show_path
from device_profiles.registry import Catalogue, Profile, ProfileNotFoundError, load_profile
from device_profiles.schema import FieldRow
from foundation.tomlfile import FileProblems

app = typer.Typer(
    no_args_is_help=True,
    help="Device profiles: which device models are known, how each is read, and whether a profile "
    "of your own does what its examples say.",
)
out = Console()
err = Console(stderr=True, soft_wrap=True, highlight=False)

EXAMPLE_FAILED = 1
CANNOT_BE_USED = 2

Directories = Annotated[
    list[Path] | None,
    typer.Option(
        "--dir", "-d", help="A directory with profiles of your own, <family>/<model>.toml; repeatable."
    ),
]


def _stop(error: Exception) -> typer.Exit:
    err.print(str(error), markup=False)
    return typer.Exit(CANNOT_BE_USED)


@app.command("list")
def list_profiles(directories: Directories = None) -> None:
    """Every known device model: the id a gateway's configuration names, and what it measures."""
    try:
        profiles = Catalogue(directories or ()).all()
    except FileProblems as error:
        raise _stop(error) from None
    table = Table("id", "名称 · name", "gives")
    for profile in profiles:
        spec = profile.spec
        gives = ", ".join(row.quantity for row in spec.fields) or f"record {spec.record}"
        table.add_row(profile.id, f"{spec.name.zh} · {spec.name.en}", gives)
    out.print(table)


@app.command()
def show(
    profile_id: Annotated[
        str, typer.Argument(metavar="ID", help='As `list` shows it, e.g. "tasmota/energy".')
    ],
    directories: Directories = None,
) -> None:
    """One device model: its topics, and for each value the path in the message, unit and rules."""
    try:
        profile = Catalogue(directories or ()).get(profile_id)
    except (FileProblems, ProfileNotFoundError) as error:
        raise _stop(error) from None
    spec = profile.spec
    out.print(f"[bold]{profile.id}[/]  {spec.name.zh} · {spec.name.en}  ({spec.vendor})")
    out.print(f"source: {spec.source}", markup=False)
    out.print("topics: " + "  ".join(spec.topics), markup=False)
    if spec.where is not None:
        out.print(f"where:  {show_path(spec.where.path)} = {spec.where.value}", markup=False)
    if spec.time is not None:
        out.print(f"time:   {show_path(spec.time.path)}", markup=False)
    table = Table("quantity", "path", "unit", "rules")
    for row in spec.fields:
        paths = " or ".join(map(show_path, (row.path, *row.other_paths)))
        table.add_row(row.quantity, paths.replace("[", r"\["), row.spec.unit, _rules(row).replace("[", r"\["))
    if spec.fields:
        out.print(table)
    else:
        out.print(f"gives records: {spec.record} (see docs/profiles.md)", markup=False)


def _rules(row: FieldRow) -> str:
    skipped = {"quantity", "path", "other_paths", "states"}
    given = row.model_dump(exclude_defaults=True, exclude=skipped)
    if row.unit == row.spec.unit:
        given.pop("unit", None)
    if row.unit_from is not None:
        given["unit_from"] = show_path(row.unit_from.path)
    words = [name if value is True else f"{name} {value}" for name, value in given.items()]
    return ", ".join([*words, *(["states"] if row.states else [])])


@app.command("test")
def run_examples(
    profiles: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE|ID]...", help="Files, or ids as `list` shows them. None: all."),
    ] = None,
    directories: Directories = None,
) -> None:
    """Run the examples that profiles carry: each is a message and what must come of it.

    Exits with 1 when an example fails and with 2 when a file cannot be used.
    """
    try:
        catalogue = Catalogue(directories or ())
        chosen = [_find(catalogue, name) for name in profiles or catalogue.ids()]
    except (FileProblems, ProfileNotFoundError) as error:
        raise _stop(error) from None
    failed = [profile.id for profile in chosen if not _run(profile)]
    if failed:
        raise typer.Exit(EXAMPLE_FAILED)


def _find(catalogue: Catalogue, name: str) -> Profile:
    return load_profile(Path(name)) if name.endswith(".toml") else catalogue.get(name)


def _run(profile: Profile) -> bool:
    problems = [
        f"{example.about}: {problem}"
        for example in profile.spec.examples
        for problem in run_example(profile, example)
    ]
    problems += untested(profile)
    for problem in problems:
        err.print(f"{profile.origin}: {problem}", markup=False)
    if not problems:
        out.print(f"{profile.id}: {len(profile.spec.examples)} examples hold", highlight=False)
    return not problems
