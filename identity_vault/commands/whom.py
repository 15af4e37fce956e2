"""How the commands about one pupil learn who acts and whose data it is, without a name in a shell's history."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import Connection

from foundation.commands import UsageError, errors_in_words
from identity_vault import roster
from identity_vault.commands.opening import open_from
from identity_vault.database.engine import VaultUnavailableError
from identity_vault.fields import FieldError
from identity_vault.rights.consents import ConsentError
from identity_vault.rights.orders import OrdersFullError
from identity_vault.rights.views import Reader
from identity_vault.vault import Vault
from telemetry.purposes import PURPOSES, Purpose

NUMBER_CHARS_MAX: Final = 64
NumberFile = Annotated[
    Path | None,
    typer.Option(
        "--number-file",
        help="A file with the student number, - for standard input; left out, it is asked for.",
    ),
]


@contextmanager
def open_in_words(config_file: Path, passphrase_file: Path | None) -> Iterator[Vault]:
    """The open vault; whatever its user can mend ends the command in words, with exit code 2."""
    with errors_in_words():
        try:
            with open_from(config_file, passphrase_file) as vault:
                yield vault
        except (ConsentError, FieldError, OrdersFullError) as error:
            raise UsageError(str(error)) from error
        except VaultUnavailableError as error:
            raise UsageError(f"the vault's database cannot be used now: {error}; try again") from error


def read_number(file: Path | None) -> str:
    """The student number: never an argument, which would stand in the shell's history. Raises UsageError."""
    try:
        if file is None:
            if not sys.stdin.isatty():
                raise UsageError("the student number is needed: --number-file FILE, or - for standard input")
            text = typer.prompt("学号 student number", prompt_suffix=": ")
        elif str(file) == "-":
            text = sys.stdin.readline(NUMBER_CHARS_MAX + 1)
        else:
            text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"--number-file: {file} cannot be read: {cause}") from error
    number = str(text).strip()
    if not 0 < len(number) <= NUMBER_CHARS_MAX or not number.isprintable():
        raise UsageError(f"a student number has 1 to {NUMBER_CHARS_MAX} characters on one line")
    return number


def find_pupil(vault: Vault, connection: Connection, number: str) -> roster.Pupil:
    """Raises UsageError."""
    pupil = roster.find_pupil(vault, connection, number)
    if pupil is None:
        raise UsageError("no pupil has this student number; compare it with the roster you imported")
    return pupil


def read_purpose(text: str) -> Purpose:
    """A purpose that needs consent. Raises UsageError."""
    names = [name for name, info in PURPOSES.items() if info.needs_consent]
    found = next((name for name in names if name == text), None)
    if found is None:
        raise UsageError(f"--purpose: one of {', '.join(names)}; safety needs no consent")
    return found


def read_day(option: str, text: str | None, zone: ZoneInfo, *, end: bool = False) -> int | None:
    """The beginning of a day at school in ms UTC, or its end. Raises UsageError."""
    if text is None:
        return None
    try:
        moment = datetime.combine(date.fromisoformat(text), time.max if end else time.min, zone)
        return int(moment.astimezone(UTC).timestamp() * 1_000)
    except (ValueError, OverflowError):
        raise UsageError(f"{option}: a date such as 2026-09-01") from None


def choose_guardian(
    vault: Vault, connection: Connection, pupil: roster.Pupil, relation: str | None
) -> roster.Guardian:
    """The pupil's only guardian, or the one of this relation. Raises UsageError."""
    guardians = roster.guardians_of(vault, connection, [pupil.id])
    if relation is not None:
        guardians = [one for one in guardians if one.details.relation == relation]
    if len(guardians) == 1:
        return guardians[0]
    if not guardians:
        raise UsageError("no such guardian is on file; import the roster with guardians first")
    known = "、".join(sorted({one.details.relation or "?" for one in guardians}))
    raise UsageError(f"several guardians are on file; say which with --relation, one of: {known}")


def reader(vault: Vault, language: str) -> Reader:
    """Raises UsageError."""
    for one in ("zh", "en"):
        if language == one:
            return Reader("zh" if one == "zh" else "en", vault.config.zone)
    raise UsageError("--lang: zh or en")
