"""`campus simulate roster`: the files that a vault imports, of people who do not exist."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from foundation.commands import UsageError, errors_in_words
from foundation.oserrors import why
from simulators.cli_common import SchoolOption, SeedOption, console, read_school
from simulators.larger_school import plan_of
from simulators.roster_files import write_all
from simulators.school import DEFAULT_SEED, School


def roster(
    out: Annotated[Path, typer.Option("--out", help="The folder to write into.")],
    pupils: Annotated[
        int | None,
        typer.Option("--pupils", help="A school of so many pupils; the school of --school when left out."),
    ] = None,
    seed: SeedOption = DEFAULT_SEED,
    school_file: SchoolOption = None,
) -> None:
    """Write roster, timetable and calendar of a simulated school."""
    with errors_in_words():
        if pupils is not None and school_file is not None:
            raise UsageError("give either --pupils or --school")
        try:
            school = read_school(school_file, seed) if pupils is None else School(seed, plan_of(pupils))
        except ValueError as error:
            raise UsageError(f"--pupils {pupils}: {error}") from None
        try:
            files = write_all(school, out)
        except OSError as error:
            raise UsageError(f"{out} cannot be written: {why(error)}") from error
    console.print(f"{len(school.pupils)} pupils of {' · '.join(school.name)}", highlight=False)
    for file in files:
        console.print(f"Written: {file}", soft_wrap=True, highlight=False)
