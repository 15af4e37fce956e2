"""`campus profile`: look at device profiles, and try one of your own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.cells import set_cell_size
from rich.console import Console
from rich.table import Table

from device_profiles.ble_schema import BleProfile
from device_profiles.bytes_schema import PayloadRows
from device_profiles.cli_decode import CANNOT_BE_USED, Directories, decode, find_profile
from device_profiles.examples import run_examples
from device_profiles.http_schema import HttpProfile
from device_profiles.lorawan_schema import LorawanProfile
from device_profiles.modbus_schema import ModbusProfile
from device_profiles.page import write_page
from device_profiles.paths import show_path
from device_profiles.plugin import ProfilePlugin, profile_folders
from device_profiles.registry import Catalogue, Profile, ProfileNotFoundError
from device_profiles.schema import FieldRow, MqttJsonProfile, ValueRow
from device_profiles.serial_schema import SerialProfile
from foundation.plugins import PluginError
from foundation.plugins import load as load_plugins
from foundation.tomlfile import FileProblems

if TYPE_CHECKING:
    from device_profiles.registry import Spec

app = typer.Typer(
    no_args_is_help=True,
    help="Device profiles: which device models are known, how each is read, what a message of one "
    "means, and whether a profile of your own does what its examples say.",
)
app.command()(decode)
out = Console()
err = Console(stderr=True, soft_wrap=True, highlight=False)

EXAMPLE_FAILED = 1

Plugins = Annotated[
    list[str] | None,
    typer.Option("--plugin", help="An installed plug-in whose profiles to add; repeatable."),
]


def _stop(error: Exception) -> typer.Exit:
    err.print(str(error), markup=False)
    return typer.Exit(CANNOT_BE_USED)


@app.command("list")
def list_profiles(
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="[TEXT]", help="Only models with this in their id, transport, name or values."
        ),
    ] = None,
    directories: Directories = None,
    plugins: Plugins = None,
) -> None:
    """Every known device model: the id a gateway's configuration names, what it measures, and where it
    comes from: the program, a directory, or a plug-in.

    One line a model, cut to the width of a terminal; into a file or pipe whole, parted by tabs.
    """
    try:
        folders = _folders(directories, plugins)
        profiles = Catalogue(tuple(folders)).all()
    except (FileProblems, PluginError) as error:
        raise _stop(error) from None
    rows = []
    for profile in profiles:
        spec = profile.spec
        gives = ", ".join(row.quantity for row in spec.fields) or _gives_people(spec)
        origin = folders.get(Path(profile.origin).parents[1], "bundled")
        row = (profile.id, spec.transport, f"{spec.name.zh} · {spec.name.en}", gives, origin)
        if text is None or any(text.lower() in cell.lower() for cell in row):
            rows.append(row)
    if not out.is_terminal:
        for row in rows:
            typer.echo("\t".join(row))
        return
    id_cells = max((len(row[0]) for row in rows), default=0)
    name_cells = max(10, (out.width - id_cells - 12) // 2)
    for id_, transport, name, gives, origin in rows:
        own = "" if origin == "bundled" else f"[{origin}] "
        line = f"{id_:{id_cells}} {transport:9} {set_cell_size(name, name_cells)} {own}{gives}"
        out.print(line, no_wrap=True, overflow="ellipsis", markup=False, highlight=False)


def _folders(directories: Sequence[Path] | None, plugins: Sequence[str] | None) -> dict[Path, str]:
    """Folder → what it is called. Raises FileProblems and PluginError."""
    names = tuple(plugins or ())
    enabled = load_plugins(names, {"profiles": ProfilePlugin}, lambda at: f"--plugin {names[at][:40]}")
    found = {directory: str(directory) for directory in directories or ()}
    return found | {folder: f"plug-in {name}" for name, folder in profile_folders(enabled).items()}


def _gives_people(spec: Spec) -> str:
    """What a model without readings gives."""
    if getattr(spec, "card", None):
        return "cards"
    return f"record {getattr(spec, 'record', None) or 'morning-check'}"


@app.command()
def show(
    profile_id: Annotated[
        str, typer.Argument(metavar="ID", help='As `list` shows it, e.g. "tasmota/energy".')
    ],
    directories: Directories = None,
    plugins: Plugins = None,
) -> None:
    """One device model: how it is reached, and for each value its place, unit and rules."""
    try:
        profile = Catalogue(tuple(_folders(directories, plugins))).get(profile_id)
    except (FileProblems, PluginError, ProfileNotFoundError) as error:
        raise _stop(error) from None
    spec = profile.spec
    out.print(f"[bold]{profile.id}[/]  {spec.name.zh} · {spec.name.en}  ({spec.vendor})")
    out.print(f"source: {spec.source}", markup=False)
    if isinstance(spec, MqttJsonProfile):
        _show_topics(spec)
    elif isinstance(spec, ModbusProfile):
        _show_registers(spec)
    elif isinstance(spec, HttpProfile):
        _show_posts(spec)
    else:
        _show_payloads(spec)


def _show_topics(spec: MqttJsonProfile) -> None:
    out.print("topics: " + "  ".join(spec.topics), markup=False)
    if spec.where is not None:
        out.print(f"where:  {show_path(spec.where.path)} = {spec.where.value}", markup=False)
    _show_fields(spec)


def _show_posts(spec: HttpProfile) -> None:
    out.print("posts JSON or XML to an address it is given (see docs/http-push.md)", markup=False)
    if spec.record is not None:
        out.print(f"cards:  written {spec.card_notation}", markup=False)
    _show_fields(spec)


def _show_fields(spec: MqttJsonProfile | HttpProfile) -> None:
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


def _show_payloads(spec: BleProfile | SerialProfile | LorawanProfile) -> None:
    payloads: Sequence[PayloadRows]
    if isinstance(spec, SerialProfile):
        payloads = spec.payloads
        speeds = " or ".join(map(str, spec.line.baud))
        out.print(f"line:   {speeds} Bd, parity {spec.line.parity}; frames of {spec.frame}", highlight=False)
    elif isinstance(spec, BleProfile):
        payloads = spec.packets
    else:
        payloads = spec.uplinks
    for payload in payloads:
        out.print(_recognised(payload), markup=False, highlight=False)
        table = Table("quantity", "where", "unit", "rules")
        for row in payload.fields:
            where = row.key or f"{row.type}@{row.at}" + (f" bits {row.bits}" if row.bits else "")
            table.add_row(row.quantity, where, row.spec.unit, _rules(row).replace("[", r"\["))
        out.print(table)


def _recognised(payload: PayloadRows) -> str:
    """How a payload is told from others, in words."""
    told = payload.model_dump(exclude_defaults=True, exclude={"fields", "also", "byte_order"})
    if "company" in told:
        told["company"] = f"0x{told['company']:04X}"
    return "payload " + ", ".join(f"{name} {_value(value)}" for name, value in told.items())


_SHOWN_ELSEWHERE = {
    "quantity", "states", "path", "other_paths", "fc", "address", "type", "bit", "word_order", "at", "key",
    "bits", "byte_order",
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


@app.command()
def page() -> None:
    """Print docs/devices.md: every bundled model, what it reads and where its layout was seen."""
    try:
        typer.echo(write_page(Catalogue().all()), nl=False)
    except FileProblems as error:
        raise _stop(error) from None
