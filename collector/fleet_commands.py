"""`campus collector gateway configure` and `… configuration`: what gateways run, from a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from sqlalchemy import Connection

from collector.command_records import files_in_words, opened_records
from collector.fleet.reading import TextProblemsError, as_toml, read_toml
from collector.fleet.standing import Word, standing
from collector.intake.line import wall_ms
from collector.overview import GatewayOverview
from collector.records import Records, configurations
from collector.records.configurations import NOTE_CHARS_MAX, GatewayKey, UnknownGatewayError
from collector.times import iso
from foundation.commands import UsageError
from foundation.tomlfile import FileProblems, Problem
from telemetry.configuration import BYTES_MAX, Sections

console = Console()

ConfigFile = Annotated[
    Path, typer.Argument(help="The collector's configuration, see collector/collector.sample.toml.")
]
School = Annotated[str, typer.Argument(help="The school's id.")]
Gateway = Annotated[str, typer.Argument(help="The gateway's id.")]

_WORDS: Final[dict[Word, str]] = {
    "own": "the one of its own file; none was made here",
    "same": "the newest",
    "waiting": "not the newest yet",
    "refused": "not the newest: it refused that",
    "unable": "unknown; its program knows of no configuration from a collector",
}


def configure(
    config_file: ConfigFile,
    school: School,
    gateway: Gateway,
    file: Annotated[
        Path,
        typer.Argument(help="The tables of gateway.toml that a collector may set; - reads them from stdin."),
    ],
    note: Annotated[str, typer.Option(help="Why, for those who read the history.")] = "",
) -> None:
    """Make a new version of a gateway's configuration. A running collector sends it within seconds.

    What equals the newest version makes no new one, unless the gateway has refused that: then it is sent
    again. What the gateway cannot apply it refuses, with a reason that `configuration` shows.
    """
    with files_in_words():
        if len(note) > NOTE_CHARS_MAX:
            raise UsageError(f"--note: at most {NOTE_CHARS_MAX} characters")
        sections = _read(file)
        with opened_records(config_file) as records:
            made, new = _make(records, (school, gateway), sections, note)
    if new:
        console.print(f"[green]✓[/] version {made.version} of {school}/{gateway}")
    else:
        console.print(f"[green]✓[/] version {made.version} of {school}/{gateway} says the same already")


def show(
    config_file: ConfigFile,
    school: School,
    gateway: Gateway,
    *,
    toml: Annotated[bool, typer.Option("--toml", help="Only the newest version, for a file.")] = False,
) -> None:
    """Show which version a gateway should run, which it runs, and why it refused one."""
    key = (school, gateway)

    def read(connection: Connection) -> tuple[configurations.Version | None, Sections]:
        wanted = configurations.find(connection, key)
        found = configurations.sections(connection, key, wanted.version) if wanted else None
        return wanted, found or {}

    with files_in_words(), opened_records(config_file) as records:
        if key not in {(one.school, one.id) for one in records.list_gateways()}:
            raise _unknown(key)
        wanted, sections = records.look_now(read)
        state = records.look_now(lambda connection: configurations.find_state(connection, key))
    if toml:
        print(as_toml(sections), end="")  # noqa: T201  # the text itself, for a file
        return
    how = standing(key, GatewayOverview(), {key: wanted} if wanted else {}, {key: state} if state else {})
    lines = {
        "wanted": "none"
        if wanted is None
        else f"{wanted.version}, made {iso(wanted.made_ms)} by {wanted.made_by}  {wanted.note}".rstrip(),
        "running": "it never said" if how.running is None else f"{how.running}: {_WORDS[how.word]}",
    }
    if how.refused is not None:
        lines["refused"] = f"{how.refused}: {how.reason}"
    if how.reported_ms is not None:
        lines["since"] = iso(how.reported_ms)
    for name, text in lines.items():
        console.print(f"{name.ljust(7)}  {text}", soft_wrap=True, markup=False, highlight=False)


def _read(file: Path) -> Sections:
    name = "stdin" if file == Path("-") else str(file)
    try:
        data = sys.stdin.buffer.read(BYTES_MAX + 1) if name == "stdin" else file.read_bytes()
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from error
    if len(data) > BYTES_MAX:
        raise UsageError(f"{name} is larger than {BYTES_MAX} bytes")
    try:
        return read_toml(data)
    except TextProblemsError as error:
        raise FileProblems(
            [
                Problem(name if one.line is None else f"{name}:{one.line}", one.words.en)
                for one in error.problems
            ]
        ) from None


def _make(
    records: Records, key: GatewayKey, sections: Sections, note: str
) -> tuple[configurations.Version, bool]:
    try:
        return records.run_now(
            lambda connection: configurations.make(
                connection, key, sections, note=note, by="command", at_ms=wall_ms()
            )
        )
    except UnknownGatewayError:
        raise _unknown(key) from None


def _unknown(key: GatewayKey) -> UsageError:
    return UsageError(f"no gateway {'/'.join(key)} is registered; see: campus collector gateway list")
