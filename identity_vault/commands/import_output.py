"""What the imports say: problems as lines, changes as a table, and how far a long one has come."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from foundation.commands import UsageError, errors_in_words
from foundation.tomlfile import FileProblems, Problem
from identity_vault.database.engine import VaultUnavailableError
from identity_vault.fields import FieldError
from identity_vault.imports.problems import SHOWN_MAX, ImportProblems
from identity_vault.imports.tables import FILE_BYTES_MAX

console = Console()
errors = Console(stderr=True)


@contextlib.contextmanager
def problems_in_words() -> Iterator[None]:
    """As `errors_in_words`, for the problems of files too: at most SHOWN_MAX, and how many there are."""
    with errors_in_words():
        try:
            yield
        except ImportProblems as error:
            lines = [_line(str(problem)) for problem in error.problems[:SHOWN_MAX]]
            more = error.count - len(lines)
            said = f"{more} more problems; nothing was imported" if more else "nothing was imported"
            raise FileProblems([*lines, Problem("import", said)]) from error
        except (VaultUnavailableError, FieldError) as error:
            raise UsageError(f"nothing was imported: {error}") from error


def _line(said: str) -> Problem:
    place, _, rest = said.partition(": ")
    return Problem(place, rest)


def read_files(paths: Sequence[Path]) -> list[tuple[str, bytes]]:
    """Names and contents; what is larger than a list can be is not read whole. Raises UsageError."""
    found: list[tuple[str, bytes]] = []
    for path in paths:
        try:
            with path.open("rb") as file:
                found.append((str(path), file.read(FILE_BYTES_MAX + 1)))
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}; name a file") from error
    return found


def say_counts(title: str, counts: Sequence[tuple[str, int]], *, dry_run: bool) -> None:
    """A table of what was changed, or would be."""
    table = Table(title=f"{title}: {'would change' if dry_run else 'done'}", title_justify="left")
    table.add_column("")
    table.add_column("", justify="right")
    table.show_header = False
    for what, count in counts:
        table.add_row(escape(what), str(count))
    console.print(table)
    if dry_run:
        console.print("A dry run: nothing was changed. Leave out --dry-run to import.")


def say(note: str) -> None:
    """A remark below the table."""
    console.print(note, markup=False, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, gone when it is done; what it gives is told how many of how many."""
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
