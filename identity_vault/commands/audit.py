"""`campus vault audit verify | list | review | prune`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Final

import typer
from rich.console import Console
from sqlalchemy import Connection, func, select

from foundation.commands import UsageError, errors_in_words
from identity_vault.audit import (
    KEEP_DAYS_MIN,
    AuditDamagedError,
    find,
    has_noted,
    note_of,
    operator,
    prune,
    record,
    verify,
)
from identity_vault.commands.opening import ConfigFile, PassphraseFile, open_from
from identity_vault.database import tables
from identity_vault.database.engine import VaultUnavailableError
from identity_vault.names import Grant, review, unreviewed
from identity_vault.roster import find_pupil
from identity_vault.vault import Vault

LINES_MAX: Final = 1_000

app = typer.Typer(
    no_args_is_help=True,
    help="谁看过、改过谁的资料 — who looked at or changed whose data; break-glass to review.",
)
console = Console()


@app.command("verify")
def verify_audit(
    config_file: ConfigFile,
    noted: Annotated[
        str, typer.Option(metavar="NOTE", help="What this command told you to note the last time.")
    ] = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Check the whole chain. Exits with 1 and names the rows where something was tampered with.

    Note what it says at the end somewhere else: only that shows an older state of all files put back.
    """
    with errors_in_words(), open_from(config_file, passphrase_file) as vault, _reading(vault) as connection:
        wrong = [str(problem) for problem in verify(vault, connection)]
        try:
            if noted and not has_noted(connection, noted):
                wrong.append(f"{noted}: this row is not there any more: an older state was put back")
        except ValueError as error:
            raise UsageError(f"--noted: {error}") from error
        rows = connection.scalar(select(func.count()).select_from(tables.audit))
        note = note_of(connection)
    for one in wrong:
        _say(f"✗ {one}")
    if wrong:
        _say(f"审计记录被改动 the audit was tampered with: {len(wrong)} places")
        raise typer.Exit(1)
    _say(f"✓ 审计记录完整 the audit is whole: {rows} rows")
    _say(f"请抄下 please note: {note}")


@app.command("list")
def list_audit(
    config_file: ConfigFile,
    action: Annotated[str | None, typer.Option(help="Only this action, such as resolve.")] = None,
    actor: Annotated[str | None, typer.Option(help="Only this actor, such as collector.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M"], help="School's local time.")
    ] = None,
    *,
    pupil: Annotated[
        bool, typer.Option("--pupil", help="Only about one pupil; the student number is asked for.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=LINES_MAX, help="So many of the newest rows.")] = 100,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Show rows, the newest last. That somebody looked is itself a row."""
    # Not an option: a number in a command line stays in the shell's history.
    number = typer.prompt("学号 student number", hide_input=True) if pupil else None
    with errors_in_words(), open_from(config_file, passphrase_file) as vault, _writing(vault) as connection:
        wanted = None
        if number is not None:
            found = find_pupil(vault, connection, number)
            if found is None:
                raise UsageError("there is no pupil of this student number")
            wanted = found.id
        since_ms = int(since.replace(tzinfo=vault.config.zone).timestamp() * 1_000) if since else 0
        rows = find(connection, action=action, actor=actor, pupil=wanted, since_ms=since_ms, limit=limit)
        record(vault, connection, actor=operator(), action="audit_list", pupil=wanted, rows=len(rows))
    for row in rows:
        about = " ".join(filter(None, (row.purpose, row.pupil)))
        _say(f"{row.seq:>8}  {_time(vault, row.at_ms)}  {row.action:<20} {row.actor}  {about}  {row.detail}")


@app.command("review")
def review_grants(
    config_file: ConfigFile,
    accept: Annotated[str | None, typer.Option(metavar="ID", help="This grant was right.")] = None,
    object_: Annotated[
        str | None, typer.Option("--object", metavar="ID", help="It was not; one that still holds ends.")
    ] = None,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who decides.")] = "",
    passphrase_file: PassphraseFile = None,
) -> None:
    """Show the break-glass grants that nobody has reviewed, or decide on one."""
    with errors_in_words(), open_from(config_file, passphrase_file) as vault, _writing(vault) as connection:
        grant = accept or object_
        if grant is None:
            waiting = unreviewed(vault, connection)
            record(vault, connection, actor=operator(), action="break_glass_list", grants=len(waiting))
        elif accept and object_:
            raise UsageError("--accept or --object, one at a time")
        elif not by.strip():
            raise UsageError("--by: who decides has to be named")
        elif not review(
            vault, connection, grant, accepted=accept is not None, reviewer=by.strip(), actor=operator()
        ):
            raise UsageError("no grant of that id waits for a review; without options they are listed")
    if grant is not None:
        _say("✓ 已记录 noted")
        return
    for one in waiting:
        _show(vault, one)
    _say(f"待复核 to review: {len(waiting)}")


@app.command("prune")
def prune_audit(
    config_file: ConfigFile,
    keep_days: Annotated[int, typer.Option(help=f"Rows younger than this stay; {KEEP_DAYS_MIN} at least.")],
    *,
    damaged: Annotated[
        bool, typer.Option("--damaged", help="Also rows that were tampered with, of which you kept a copy.")
    ] = False,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Remove the oldest rows. The chain goes on from an anchor and stays verifiable."""
    with errors_in_words(), open_from(config_file, passphrase_file) as vault, _writing(vault) as connection:
        try:
            removed = prune(vault, connection, actor=operator(), keep_days=keep_days, damaged=damaged)
        except ValueError as error:
            raise UsageError(f"--keep-days: {error}") from error
        except AuditDamagedError as error:
            raise UsageError(
                f"nothing was removed, for it is evidence: {error}; keep a copy of the database, then --damaged"
            ) from error
    _say(f"✓ 已删除 removed: {removed} rows")


def _show(vault: Vault, grant: Grant) -> None:
    _say(
        f"{grant.id}  {_time(vault, grant.granted_ms)} – {_time(vault, grant.expires_ms)}  "
        f"{grant.role} → {grant.purpose}, {grant.names} names, {grant.session}"
    )
    _say(f"    {' '.join((grant.reason or '理由读不出 the reason does not open: it was damaged').split())}")


def _time(vault: Vault, at_ms: int) -> str:
    local = datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(vault.config.zone)
    return f"{local:%Y-%m-%d %H:%M:%S}"


def _say(line: str) -> None:
    # No table: in a narrow terminal it cuts what people want to search for.
    shown = "".join(letter if letter.isprintable() else "?" for letter in line)
    console.print(shown, markup=False, highlight=False, soft_wrap=True)


@contextlib.contextmanager
def _writing(vault: Vault) -> Iterator[Connection]:
    with _in_words(), vault.begin() as connection:
        yield connection


@contextlib.contextmanager
def _reading(vault: Vault) -> Iterator[Connection]:
    with _in_words(), vault.read() as connection:
        yield connection


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except VaultUnavailableError as error:
        raise UsageError(f"the vault's database cannot be used now: {error}; try again") from error
