"""`campus profile`: look at device profiles, and try one of your own."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from device_profiles.cli_decode import CANNOT_BE_USED, Directories, decode, find_profile
from device_profiles.examples import run_examples
from device_profiles.modbus_schema import ModbusProfile
from device_profiles.paths import show_path
from device_profiles.registry import Catalogue, Profile, ProfileNotFoundError
from device_profiles.schema import FieldRow, MqttJsonProfile, ValueRow
from foundation.tomlfile import FileProblems

app = typer.Typer(
    no_args_is_help=True,
    help="Device profiles: which device models are known, how each is read, what a message of one "
    "means, and whether a profile of your own does what its examples say.",
)
app.command()(decode)
out = Console()
err = Console(stderr=True, soft_wrap=True, highlight=False)

EXAMPLE_FAILED = 1


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
    table = Table(
        Column("id", no_wrap=True), Column("transport", no_wrap=True), Column("名称 · name"), Column("gives")
    )
    for profile in profiles:
        spec = profile.spec
        gives = ", ".join(row.quantity for row in spec.fields)
        if isinstance(spec, MqttJsonProfile) and spec.record is not None:
            gives = f"record {spec.record}"
        table.add_row(profile.id, spec.transport, f"{spec.name.zh} · {spec.name.en}", gives)
    out.print(table)


@app.command()
def show(
    profile_id: Annotated[
        str, typer.Argument(metavar="ID", help='As `list` shows it, e.g. "tasmota/energy".')
    ],
    directories: Directories = None,
) -> None:
    """One device model: how it is reached, and for each value its place, unit and rules."""
    try:
        profile = Catalogue(directories or ()).get(profile_id)
    except (FileProblems, ProfileNotFoundError) as error:
        raise _stop(error) from None
    spec = profile.spec
    out.print(f"[bold]{profile.id}[/]  {spec.name.zh} · {spec.name.en}  ({spec.vendor})")
    out.print(f"source: {spec.source}", markup=False)
    if isinstance(spec, MqttJsonProfile):
        _show_topics(spec)
    else:
        _show_registers(spec)


def _show_topics(spec: MqttJsonProfile) -> None:
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


def _show_registers(spec: ModbusProfile) -> None:
    line = spec.serial
    out.print(
        f"line:   {line.baud} Bd, parity {line.parity}, {line.stop_bits} stop bit(s), unit {spec.unit_id}; "
        f"every {spec.poll_interval_s:g} s, at most {spec.registers_max} registers a read",
        markup=False,
        highlight=False,
    )
    table = Table("quantity", "register", "type", "unit", "rules")
    for row in spec.fields:
        kind = row.type if row.bit is None else f"bit {row.bit}"
        if row.words > 1:
            kind += f" {row.word_order or spec.word_order}"
        rules = _rules(row).replace("[", r"\[")
        table.add_row(row.quantity, f"{row.fc}@{row.address}", kind, row.spec.unit, rules)
    out.print(table)
    for command in spec.commands:
        out.print(
            f"command {command.name}  {command.label.zh} · {command.label.en}: "
            f"FC {command.fc} at {command.address}; {command.allowed}",
            markup=False,
            highlight=False,
        )


_SHOWN_ELSEWHERE = {
    "quantity", "states", "path", "other_paths", "fc", "address", "type", "bit", "word_order",
}  # fmt: skip


def _rules(row: ValueRow) -> str:
    given = row.model_dump(exclude_defaults=True, exclude=_SHOWN_ELSEWHERE)
    if row.unit == row.spec.unit:
        given.pop("unit", None)
    if isinstance(row, FieldRow) and row.unit_from is not None:
        given["unit_from"] = show_path(row.unit_from.path)
    words = [name if value is True else f"{name} {_value(value)}" for name, value in given.items()]
    return ", ".join([*words, *(["states"] if row.states else [])])


def _value(value: object) -> str:
    return " or ".join(map(str, value)) if isinstance(value, tuple) else str(value)


@app.command("test")
def check_examples(
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
        chosen = [find_profile(catalogue, name) for name in profiles or catalogue.ids()]
    except (FileProblems, ProfileNotFoundError) as error:
        raise _stop(error) from None
    failed = [profile.id for profile in chosen if not _run(profile)]
    if failed:
        raise typer.Exit(EXAMPLE_FAILED)


def _run(profile: Profile) -> bool:
    problems = run_examples(profile)
    for problem in problems:
        err.print(f"{profile.origin}: {problem}", markup=False)
    if not problems:
        out.print(f"{profile.id}: {len(profile.spec.examples)} examples hold", highlight=False)
    return not problems
