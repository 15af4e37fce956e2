"""`campus vault consent give|withdraw|list|status`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, cast

import typer
from rich.console import Console

from foundation.commands import UsageError
from identity_vault import roster
from identity_vault.audit import operator
from identity_vault.commands.opening import ConfigFile, PassphraseFile
from identity_vault.commands.whom import (
    NumberFile,
    choose_guardian,
    find_pupil,
    open_in_words,
    read_day,
    read_number,
    read_purpose,
)
from identity_vault.rights import consents
from identity_vault.rights.consents import WITHDRAWAL_MINUTES_MAX, Standing
from identity_vault.roster.consents import GivenBy
from identity_vault.vault import Vault
from telemetry.purposes import PURPOSES

app = typer.Typer(no_args_is_help=True, help="Who has agreed to what; withdrawals.")
console = Console()

_MS_PER_MINUTE = 60_000
PurposeName = Annotated[str, typer.Option("--purpose", help="health, sport, access or nutrition.")]


@app.command()
def give(
    config_file: ConfigFile,
    purpose: PurposeName,
    evidence: Annotated[
        str, typer.Option(help="Where the signed form is, such as: folder 2026-3, sheet 17.")
    ],
    by: Annotated[str, typer.Option(help="guardian, or pupil from 14 years on.")] = "guardian",
    relation: Annotated[
        str | None, typer.Option(help="Which guardian, such as 母亲, where there are several.")
    ] = None,
    date: Annotated[str | None, typer.Option(help="When it was given; left out, today.")] = None,
    until: Annotated[str | None, typer.Option(help="Last day it holds; left out, until withdrawn.")] = None,
    number_file: NumberFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """Record a consent that was given on paper."""
    with open_in_words(config_file, passphrase_file) as vault:
        if by not in {"guardian", "pupil"}:
            raise UsageError("--by: guardian or pupil")
        wanted, zone = read_purpose(purpose), vault.config.zone
        number = read_number(number_file)
        given_ms, until_ms = read_day("--date", date, zone), read_day("--until", until, zone, end=True)
        with vault.begin() as connection:
            pupil = find_pupil(vault, connection, number)
            # Paper may be signed by a guardian who is not on file; --relation says which one is.
            guardian = None
            if by == "guardian" and relation is not None:
                guardian = choose_guardian(vault, connection, pupil, relation).id
            code = consents.give(
                vault,
                connection,
                operator(),
                pupil.id,
                wanted,
                given_by=cast("GivenBy", by),
                evidence=evidence,
                given_ms=given_ms,
                guardian=guardian,
                until_ms=until_ms,
            )
    console.print(f"已登记 recorded; receipt {code}", highlight=False)


@app.command()
def withdraw(
    config_file: ConfigFile,
    purpose: PurposeName,
    number_file: NumberFile = None,
    passphrase_file: PassphraseFile = None,
) -> None:
    """End every consent of a pupil to a purpose, and queue the records there are for deletion."""
    with open_in_words(config_file, passphrase_file) as vault:
        wanted, number = read_purpose(purpose), read_number(number_file)
        with vault.begin() as connection:
            pupil = find_pupil(vault, connection, number)
            code = consents.withdraw(vault, connection, operator(), pupil.id, wanted)
    console.print(f"已撤回 withdrawn; receipt {code}", highlight=False)
    console.print(
        f"Gateways that can be reached stop within {WITHDRAWAL_MINUTES_MAX} minutes; see: "
        f"campus vault consent status {config_file}",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )


@app.command("list")
def list_(
    config_file: ConfigFile, number_file: NumberFile = None, passphrase_file: PassphraseFile = None
) -> None:
    """Show how each purpose stands for a pupil."""
    with open_in_words(config_file, passphrase_file) as vault:
        number = read_number(number_file)
        with vault.read() as connection:
            found = consents.standings(vault, connection, find_pupil(vault, connection, number))
        for standing in found:
            info = PURPOSES[standing.purpose]
            words = _in_words(vault, standing) if info.needs_consent else "无需同意 needs no consent"
            _print(f"{standing.purpose:<10} {info.zh}  {words}")


@app.command()
def status(config_file: ConfigFile, passphrase_file: PassphraseFile = None) -> None:
    """Show withdrawals and deletions that the collector or a gateway has not confirmed yet."""
    with open_in_words(config_file, passphrase_file) as vault, vault.read() as connection:
        found, now_ms = consents.pending(connection), vault.now_ms()
        for one in found:
            about = "all data" if one.purpose is None else one.purpose
            _print(f"{one.receipt}  {about}, {_minutes(now_ms - one.made_ms)} ago")
            if one.collector_ms is None:
                _print("  collector: has not deleted the records yet")
            for gateway, asked_ms in one.gateways.items():
                heard = (
                    "never heard of"
                    if asked_ms is None
                    else f"last heard of {_minutes(now_ms - asked_ms)} ago"
                )
                late = now_ms - one.made_ms > WITHDRAWAL_MINUTES_MAX * _MS_PER_MINUTE
                _print(f"  {gateway}: has not confirmed, {heard}{'; LATE' if late else ''}")
        if not found:
            console.print("全部已确认 everything is confirmed")


def _in_words(vault: Vault, standing: Standing) -> str:
    consent, zone = standing.consent, vault.config.zone

    def day(time_ms: int) -> str:
        return f"{datetime.fromtimestamp(time_ms / 1_000, zone):%Y-%m-%d}"

    if consent is None:
        return "未同意 no consent"
    if standing.may_collect:
        end = "" if standing.until_ms is None else f" until {day(standing.until_ms)}"
        return f"已同意 agreed by the {consent.given_by} on {day(consent.given_ms)}{end}"
    if standing.unheeded:
        return (
            f"不算数 agreed by the pupil only, who is under {roster.OWN_CONSENT_AGE}: a guardian has to agree"
            " (Personal Information Protection Law, article 31)"
        )
    if standing.holds:
        return "已离校 the pupil has left: nothing is collected"
    if consent.withdrawn_ms is None:
        ended = "已到期 ended" if consent.until_ms is not None else "尚未开始 not begun"
    else:
        ended = f"已撤回 withdrawn on {day(consent.withdrawn_ms)}"
    return ended


def _minutes(ms: int) -> str:
    return f"{max(0, ms // _MS_PER_MINUTE)} min"


def _print(text: str) -> None:
    console.print(text, soft_wrap=True, markup=False, highlight=False)
