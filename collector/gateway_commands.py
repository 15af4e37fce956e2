"""`campus collector gateway …`: which gateways may send, and how they come to that."""

from __future__ import annotations

import datetime as dt
from functools import partial
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer
from rich.console import Console
from rich.panel import Panel
from sqlalchemy import Connection

from collector.accounts.trail import Trail, operator
from collector.command_records import files_in_words, opened_records
from collector.config import CollectorConfig, load_config
from collector.enrolment.opening import open_registrar
from collector.enrolment.registrar import InvitationError, Registrar
from collector.intake.line import wall_ms
from collector.records import Gateway, Records, enrolment, gateways
from foundation.commands import UsageError
from foundation.keyfiles import load_signing_key, parse_public, public_text
from foundation.oserrors import why
from telemetry.enrolment import CODE_LIFE_MS
from telemetry.envelope import key_id
from telemetry.topics import IDENTIFIER

app = typer.Typer(no_args_is_help=True, help="Which gateways may send to this collector.")
console = Console()

ConfigFile = Annotated[
    Path, typer.Argument(help="The collector's configuration, see collector/collector.sample.toml.")
]
School = Annotated[str, typer.Option(help="The school's id, as in the gateway's configuration.")]
GatewayId = Annotated[str, typer.Option("--id", help="The gateway's id.")]
InvitedSchool = Annotated[str, typer.Argument(metavar="SCHOOL", help="The school's id.")]
InvitedGateway = Annotated[str, typer.Argument(metavar="GATEWAY", help="The id the gateway is to have.")]


@app.command("invite")
def invite_gateway(
    config_file: ConfigFile,
    school: InvitedSchool,
    gateway: InvitedGateway,
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="In the place of one that is registered: it ends then.")
    ] = False,
) -> None:
    """Make a code with which a gateway enrols. It works once and for 15 minutes.

    Works beside a running collector. A new code for the same gateway ends the older one.
    """
    _invite(config_file, school, gateway, replaces=replace)


@app.command("replace")
def replace_gateway(config_file: ConfigFile, school: InvitedSchool, gateway: InvitedGateway) -> None:
    """Make a code for another box in the place of a gateway: invite --replace.

    Once the new one has enrolled, keys and certificates of the old one are refused.
    """
    _invite(config_file, school, gateway, replaces=True)


def _invite(config_file: Path, school: str, gateway: str, *, replaces: bool) -> None:
    with files_in_words():
        config = load_config(config_file)
        with opened_records(config_file) as records:
            registrar = _registrar(config, records)
            try:
                invited, add = registrar.invite(
                    school, gateway, replaces=replaces, by=operator(), now_ms=wall_ms()
                )
                records.run_now(add)
            except InvitationError as error:
                raise UsageError(str(error)) from error
    assert config.enrolment is not None, "or there were no registrar"
    zone = ZoneInfo(config.enrolment.timezone)
    until = dt.datetime.fromtimestamp(invited.expires_ms / 1000, zone).strftime("%H:%M")
    console.print(Panel.fit(f"[bold]{' '.join(invited.code)}[/]", padding=(1, 4)))
    minutes = CODE_LIFE_MS // 60_000
    console.print(
        f"注册码 code for {school}/{gateway}: {minutes} 分钟内、一次有效 works once, until {until}\n"
        "在网关上运行 run on the gateway:\n",
        soft_wrap=True,
        markup=False,
        highlight=False,
    )
    command = f"  campus gateway enrol {registrar.url} --code {invited.code}"
    console.print(command, soft_wrap=True, markup=False, highlight=False)


@app.command("add")
def add_gateway(
    config_file: ConfigFile,
    school: School,
    id_: GatewayId,
    public_key: Annotated[str, typer.Option(help="The key that `campus edge keygen` printed.")],
) -> None:
    """Let a gateway send that has no code. A running collector knows it within two seconds."""
    with files_in_words():
        for name, value in (("--school", school), ("--id", id_)):
            if not IDENTIFIER.fullmatch(value):
                raise UsageError(
                    f"{name} {value!r}: use 1 to 63 lower-case letters, digits, - or _, such as gw-301"
                )
        try:
            key = parse_public(public_key)
        except ValueError as error:
            raise UsageError(f"--public-key: {error}") from error
        gateway = Gateway(school, id_, public_text(key), key_id(key).hex(), "active", wall_ms())
        config = load_config(config_file)

        def add(connection: Connection) -> None:
            gateways.add(connection, gateway)
            note(connection, operator(), "gateway.add", f"{school}/{id_}", f"key {gateway.key_id}")

        with opened_records(config_file) as records:
            note = _trail(config, records).add
            records.run_now(add)
    console.print(f"[green]✓[/] {school}/{id_} may send")


@app.command("revoke")
def revoke_gateway(config_file: ConfigFile, school: School, id_: GatewayId) -> None:
    """Refuse a gateway from now on, with its keys and certificates. What it has sent stays."""
    with files_in_words(), opened_records(config_file) as records:
        config = load_config(config_file)
        note = _trail(config, records).add

        def revoke(connection: Connection) -> bool:
            found = enrolment.revoke_gateway(connection, school, id_, wall_ms())
            if found:
                note(connection, operator(), "gateway.revoke", f"{school}/{id_}")
            return found

        if not records.run_now(revoke):
            raise UsageError(f"{school}/{id_} is no active gateway; see: campus collector gateway list")
        if config.enrolment is not None:
            _write_crl(records, _registrar(config, records))
    console.print(f"[green]✓[/] {school}/{id_} is refused from now on")


def _write_crl(records: Records, registrar: Registrar) -> None:
    try:
        records.run_now(partial(registrar.renew_crl, now_ms=wall_ms()))
    except OSError as error:
        console.print(
            f"{registrar.authority.crl_file} cannot be written: {why(error)}. The collector refuses the gateway; "
            "the broker does once the running collector has written that file.",
            soft_wrap=True,
            markup=False,
            highlight=False,
        )


def _trail(config: CollectorConfig, records: Records) -> Trail:
    return Trail(records, load_signing_key(config.collector.key_file), wall_ms)


def _registrar(config: CollectorConfig, records: Records) -> Registrar:
    return open_registrar(config, load_signing_key(config.collector.key_file), records, wall_ms)


@app.command("list")
def list_gateways(config_file: ConfigFile) -> None:
    """Show all gateways, revoked ones too, and until when their certificates are good."""
    with files_in_words(), opened_records(config_file) as records:
        found = records.list_gateways()
        held = {(one.school, one.gateway): one for one in records.look_now(enrolment.certificates)}
    rows = [("school", "gateway", "state", "certificate until", "public key")]
    for one in found:
        certificate = held.get((one.school, one.id))
        until = _day(certificate.not_after_ms) if certificate else "-"
        rows.append((one.school, one.id, one.state, until, one.public_key))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        # No rich table: in a narrow terminal it cuts the key, which people want to compare.
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        console.print(line.rstrip(), soft_wrap=True, markup=False, highlight=False)


def _day(time_ms: int) -> str:
    return dt.datetime.fromtimestamp(time_ms / 1000, dt.UTC).strftime("%Y-%m-%d")
