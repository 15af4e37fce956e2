"""What every command does with an error its user can mend: says it in words and exits with 2."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from foundation.keyfiles import KeyFileError
from foundation.plugins import PluginError
from foundation.tomlfile import FileProblems


class UsageError(Exception):
    """Something the user of a command can mend; the message names place, cause and remedy."""


@contextlib.contextmanager
def errors_in_words() -> Iterator[None]:
    """Turns errors of configuration, files and usage into plain lines and exit code 2."""
    try:
        yield
    except FileProblems as error:
        lines = [str(problem) for problem in error.problems]
    except (KeyFileError, PluginError, UsageError) as error:
        lines = [str(error)]
    else:
        return
    # Loaded only where there is something to say: 3 MB of a gateway's little memory.
    from rich.console import Console  # noqa: PLC0415  # said above
    from rich.markup import escape  # noqa: PLC0415  # said above

    console = Console(stderr=True)
    for line in lines:
        console.print(f"[red]error:[/] {escape(line)}", soft_wrap=True, highlight=False)
    raise SystemExit(2)
