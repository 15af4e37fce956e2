"""`campus collector database …`: the records database by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from rich.console import Console
from rich.markup import escape

from collector.config import CollectorConfig, load_config
from collector.intake.line import wall_ms
from collector.records import Records, RecordsFileError, RecordsUnavailableError, administration
from collector.records.rekey import rekey as seal_anew
from collector.records.schema import HEAD, REVISIONS
from foundation.commands import UsageError, errors_in_words
from foundation.keyfiles import load_signing_key

app = typer.Typer(no_args_is_help=True, help="The records database: its revision, its key, its size.")
console = Console()

Found = TypeVar("Found")
ConfigFile = Annotated[
    Path, typer.Argument(help="The collector's configuration, see collector/collector.sample.toml.")
]


@app.command()
def status(config_file: ConfigFile) -> None:
    """Show where the records are, at which revision, and how many there are. Changes nothing."""
    with errors_in_words():
        config = load_config(config_file)
        found = _asked(lambda: administration.status(config.records_place, _key(config)))
    if found.revision is None:
        revision = "none: the collector makes the tables at its first start"
    elif found.revision == HEAD:
        revision = f"{HEAD}, this program's"
    else:
        revision = f"{found.revision}; this program needs {HEAD}, run: campus collector database upgrade"
    key = f"{found.key}, of this collector's key file" if found.key else "none yet"
    if not found.key_fits:
        key = "of another key file than this collector's"
    lines = {
        "database": found.database,
        "revision": revision,
        "key": key,
        "size": f"{found.size_bytes / 1024**2:.1f} MiB",
        **{name: f"{count:,}" for name, count in found.rows.items()},
    }
    width = max(map(len, lines))
    for name, value in lines.items():
        console.print(f"{name.ljust(width)}  {value}", soft_wrap=True, markup=False, highlight=False)


@app.command()
def upgrade(config_file: ConfigFile) -> None:
    """Take the database to this program's revision. Stop the collector first, and make a backup.

    Beside an SQLite file a copy is made; it is deleted with the first record whose time is over.
    """
    with errors_in_words():
        config = load_config(config_file)
        done = _asked(lambda: administration.migrate(config.records_place, _key(config), HEAD))
    _tell(done, HEAD)


@app.command()
def downgrade(
    config_file: ConfigFile,
    to: Annotated[str, typer.Option(help=f"The revision: {', '.join(REVISIONS[:-1])}.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Also where rows are lost.")] = False,
) -> None:
    """Take the database back to the revision of an older program. Stop the collector first.

    Sealed columns are in clear again below revision 0003.
    """
    with errors_in_words():
        config = load_config(config_file)
        if to not in REVISIONS[:-1]:
            raise UsageError(f"--to {to!r}: there are {', '.join(REVISIONS[:-1])}")
        key = _key(config)
        lost = _asked(lambda: administration.losses(config.records_place, key, to))
        if lost and not yes:
            what = ", ".join(f"{count} of {name}" for name, count in lost.items())
            raise UsageError(f"revision {to} has no place for these rows: {what}; --yes deletes them")
        done = _asked(lambda: administration.migrate(config.records_place, key, to))
    _tell(done, to)


@app.command()
def rekey(
    config_file: ConfigFile,
    old_key_file: Annotated[
        Path | None, typer.Option(help="The key file from before, if the collector has another one now.")
    ] = None,
) -> None:
    """Seal everything anew under a new key. A running collector goes on meanwhile.

    The key grows from the collector's key file and a random number in the database, which is a new one
    afterwards. After the key file itself was replaced, name the one before.
    """
    with errors_in_words():
        config = load_config(config_file)
        old_key = load_signing_key(old_key_file) if old_key_file else None
        records = _asked(lambda: Records.open(config.records_place, _key(config), "command", old_key))
        try:
            count = _asked(lambda: seal_anew(records, wall_ms()))
            _asked(records.clean)
        finally:
            records.close_now()
    console.print(f"[green]✓[/] {count} rows sealed anew, under key {records.keyring.current}")


def _tell(done: administration.Migrated | None, target: str) -> None:
    if done is None:
        console.print(f"[green]✓[/] at revision {target} already")
        return
    console.print(f"[green]✓[/] from revision {done.before} to {done.after}")
    if done.copy:
        console.print(f"  as it was before: {escape(str(done.copy))}", soft_wrap=True, highlight=False)


def _key(config: CollectorConfig) -> Ed25519PrivateKey:
    return load_signing_key(config.collector.key_file)


def _asked(work: Callable[[], Found]) -> Found:
    try:
        return work()
    except RecordsFileError as error:
        raise UsageError(str(error)) from error
    except RecordsUnavailableError as error:
        raise UsageError(f"the records database cannot be used now: {error}; try again") from error
