"""`campus collector account …` and `campus collector token …`: who may sign in, by hand.

They work beside a running collector, which knows at its next request.
"""

from __future__ import annotations

import getpass
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final, cast

import typer
from rich.console import Console

from collector.accounts.lockout import is_locked
from collector.accounts.model import Account, NewAccount
from collector.accounts.permissions import ROLES, Permission, Role
from collector.accounts.service import Accounts
from collector.accounts.tokens import DAYS_MAX, SCOPES
from collector.accounts.trail import operator
from collector.command_accounts import with_accounts
from collector.command_records import files_in_words
from collector.intake.line import wall_ms
from foundation.commands import UsageError

account_app = typer.Typer(no_args_is_help=True, help="Who may sign in to page and API, and as what.")
token_app = typer.Typer(no_args_is_help=True, help="API tokens: how a program asks in somebody's name.")
console = Console()

ConfigFile = Annotated[
    Path, typer.Argument(help="The collector's configuration, see collector/collector.sample.toml.")
]
Username = Annotated[str, typer.Option(help="1 to 64 lower-case letters, digits or . _ @ -")]
RoleName = Annotated[str, typer.Option(help=f"One of {', '.join(ROLES)}.")]
Schools = Annotated[
    list[str] | None, typer.Option("--school", help="Only data of this school; may be repeated.")
]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--class", help="Of a class or PE teacher: their class, as 3-2 or school/3-2; may be repeated."
    ),
]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]
Ask = Annotated[
    bool, typer.Option("--ask", help="Ask for the password; otherwise one is made and shown once.")
]

_STDIN_CHARS_MAX: Final = 1_000


@account_app.command("add")
def add_account(
    config_file: ConfigFile,
    username: Username,
    role: RoleName,
    *,
    name: Annotated[str, typer.Option(help="As the page greets them; left out: the username.")] = "",
    school: Schools = None,
    class_: Classes = None,
    password_stdin: PasswordStdin = False,
    ask: Ask = False,
) -> None:
    """Add somebody. They choose their own password when they sign in first."""
    password = _password(stdin=password_stdin, ask=ask)
    new = NewAccount(username, name or username, cast("Role", role), _tuple(school), _tuple(class_))
    made = with_accounts(config_file, lambda accounts: accounts.staff.add(new, operator(), password))
    console.print(f"[green]✓[/] {username} may sign in as {role}")
    if password is None:
        _show_once("password", made)


@account_app.command("list")
def list_accounts(config_file: ConfigFile) -> None:
    """Show all accounts, disabled ones too."""
    found = with_accounts(config_file, lambda accounts: accounts.staff.all())
    _table(("username", "name", "role", "schools", "classes", "second factor", "state"), map(_row, found))


@account_app.command("password")
def reset_password(
    config_file: ConfigFile, username: Username, *, password_stdin: PasswordStdin = False, ask: Ask = False
) -> None:
    """Give somebody a new password, which they change when they sign in. Their sessions and tokens end."""
    password = _password(stdin=password_stdin, ask=ask)
    made = with_accounts(
        config_file, lambda accounts: accounts.staff.reset_password(username, operator(), password)
    )
    console.print(
        f"[green]✓[/] {username} has a new password; sessions and tokens from before are worth nothing"
    )
    if password is None:
        _show_once("password", made)


@account_app.command("role")
def change_role(
    config_file: ConfigFile,
    username: Username,
    role: RoleName,
    school: Schools = None,
    class_: Classes = None,
) -> None:
    """Change what somebody may, and for which schools and classes. Their sessions end."""

    async def change(accounts: Accounts) -> Account:
        found = await accounts.staff.find(username)
        return await accounts.staff.change(
            username,
            operator(),
            display_name=found.display_name if found else username,
            role=cast("Role", role),
            schools=_tuple(school),
            classes=_tuple(class_),
        )

    with_accounts(config_file, change)
    console.print(f"[green]✓[/] {username} is {role}")


@account_app.command("disable")
def disable_account(config_file: ConfigFile, username: Username) -> None:
    """Let somebody in no more. Their sessions and tokens end; what they did stays in the audit."""
    with_accounts(config_file, lambda accounts: accounts.staff.disable(username, operator()))
    console.print(f"[green]✓[/] {username} cannot sign in any more, and no token of theirs works")


@account_app.command("enable")
def enable_account(config_file: ConfigFile, username: Username) -> None:
    """Let somebody in again who was disabled."""
    with_accounts(config_file, lambda accounts: accounts.staff.enable(username, operator()))
    console.print(f"[green]✓[/] {username} may sign in again")


@account_app.command("unlock")
def unlock_account(config_file: ConfigFile, username: Username) -> None:
    """End the wait after too many wrong passwords."""
    with_accounts(config_file, lambda accounts: accounts.staff.unlock(username, operator()))
    console.print(f"[green]✓[/] {username} need not wait")


@account_app.command("totp-reset")
def reset_totp(config_file: ConfigFile, username: Username) -> None:
    """Take away a second factor whose phone and recovery codes are lost."""
    with_accounts(config_file, lambda accounts: accounts.staff.reset_totp(username, operator()))
    console.print(f"[green]✓[/] {username} has no second factor")


@account_app.command("link")
def link_account(
    config_file: ConfigFile,
    username: Username,
    issuer: Annotated[str, typer.Option(help="The sign-in service, as [accounts.oidc] names it.")],
    subject: Annotated[str, typer.Option(help="Who they are there: the claim sub.")],
    *,
    only: Annotated[bool, typer.Option("--only", help="Without a password from now on.")] = False,
) -> None:
    """Let somebody in by the school's sign-in service."""
    with_accounts(
        config_file, lambda accounts: accounts.staff.link(username, operator(), issuer, subject, only=only)
    )
    console.print(f"[green]✓[/] {username} may come by the sign-in service")


@account_app.command("unlink")
def unlink_account(config_file: ConfigFile, username: Username) -> None:
    """The password only, from now on."""
    with_accounts(config_file, lambda accounts: accounts.staff.unlink(username, operator()))
    console.print(f"[green]✓[/] {username} signs in with the password only")


@token_app.command("add")
def add_token(
    config_file: ConfigFile,
    username: Username,
    name: Annotated[str, typer.Option(help="What it is for.")],
    scope: Annotated[list[str], typer.Option(help=f"May be repeated: {', '.join(SCOPES)}.")],
    days: Annotated[int, typer.Option(min=1, max=DAYS_MAX, help="How long it is good.")] = 90,
) -> None:
    """Make a token in somebody's name. It may what it is given and its owner may, and is shown once."""
    scopes = [cast("Permission", one) for one in scope]

    async def make(accounts: Accounts) -> str:
        account = await _account(accounts, username)
        return (await accounts.tokens.make(account.id, name, scopes, days, operator())).secret

    made = with_accounts(config_file, make)
    console.print(f"[green]✓[/] {username} has another token, good for {days} days")
    _show_once("token", made)


@token_app.command("list")
def list_tokens(config_file: ConfigFile, username: Username) -> None:
    """Show the tokens of somebody, those that are over too."""

    async def find(accounts: Accounts) -> list[tuple[str, ...]]:
        return [
            (
                str(one.id),
                one.name,
                ", ".join(one.scopes),
                _day(one.expires_ms),
                _day(one.used_ms),
                "revoked"
                if one.revoked_ms is not None
                else "over"
                if one.expires_ms <= wall_ms()
                else "good",
            )
            for one in await accounts.tokens.of((await _account(accounts, username)).id)
        ]

    _table(("id", "name", "scopes", "until", "last used", "state"), with_accounts(config_file, find))


@token_app.command("revoke")
def revoke_token(
    config_file: ConfigFile,
    username: Username,
    id_: Annotated[int, typer.Option("--id", help="As the list shows it.")],
) -> None:
    """Take a token no more."""

    async def revoke(accounts: Accounts) -> None:
        await accounts.tokens.revoke((await _account(accounts, username)).id, id_, operator())

    with_accounts(config_file, revoke)
    console.print(f"[green]✓[/] token {id_} is refused from now on")


async def _account(accounts: Accounts, username: str) -> Account:
    found = await accounts.staff.find(username)
    if found is None:
        raise UsageError("there is no account of this username; see: campus collector account list")
    return found


def _password(*, stdin: bool, ask: bool) -> str | None:
    """None: one is to be made. Never an option of its own: other users of the machine see those."""
    if stdin:
        return sys.stdin.readline(_STDIN_CHARS_MAX).rstrip("\r\n")
    if not ask:
        return None
    with files_in_words():
        first = getpass.getpass("Password: ")
        if getpass.getpass("Once more: ") != first:
            raise UsageError("the two are not the same")
    return first


def _show_once(what: str, secret: str) -> None:
    console.print(
        f"Its {what}, which is shown this once:" if what == "token" else f"The first {what}, shown once:"
    )
    console.print(f"\n  {secret}\n", markup=False, highlight=False, soft_wrap=True)


def _row(account: Account) -> tuple[str, ...]:
    state: str = account.state
    if account.state == "active" and is_locked(account.locked_until_ms, wall_ms()):
        state = "locked for a while"
    return (
        account.username,
        account.display_name,
        account.role,
        "all" if account.schools is None else ", ".join(account.schools),
        "–" if account.classes is None else ", ".join(map(str, account.classes)),
        "yes" if account.has_totp else "no",
        state,
    )


def _table(head: Sequence[str], found: Iterable[Sequence[str]]) -> None:
    rows = [head, *found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        console.print(line.rstrip(), soft_wrap=True, markup=False, highlight=False)


def _day(time_ms: int | None) -> str:
    return "never" if time_ms is None else datetime.fromtimestamp(time_ms / 1_000, UTC).date().isoformat()


def _tuple(texts: list[str] | None) -> tuple[str, ...] | None:
    return tuple(texts) if texts else None
