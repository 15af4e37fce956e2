"""`campus collector …`: the collector's commands."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from collector import fleet_commands
from collector.command_records import files_in_words, opened_records
from collector.config import load_config
from collector.database_commands import app as database_app
from collector.intake.line import wall_ms
from collector.records import Gateway
from collector.series.metrics_page import metrics_page
from collector.service import Service
from foundation import logs
from foundation.commands import UsageError, errors_in_words
from foundation.keyfiles import create_signing_key, parse_public, public_text
from foundation.stopping import run_until_told
from telemetry.envelope import key_id
from telemetry.topics import IDENTIFIER

app = typer.Typer(
    no_args_is_help=True, help="The collector: takes batches in, stores them, shows rooms and alerts."
)
gateway_app = typer.Typer(no_args_is_help=True, help="Which gateways may send to this collector.")
app.add_typer(gateway_app, name="gateway")
gateway_app.command("configure")(fleet_commands.configure)
gateway_app.command("configuration")(fleet_commands.show)
app.add_typer(database_app, name="database")
console = Console()

ConfigFile = Annotated[
    Path, typer.Argument(help="The collector's configuration, see collector/collector.sample.toml.")
]
School = Annotated[str, typer.Option(help="The school's id, as in the gateway's configuration.")]
GatewayId = Annotated[str, typer.Option("--id", help="The gateway's id.")]


@app.command()
def keygen(
    out: Annotated[Path, typer.Option(help="Where to write the private key.")] = Path("collector.key"),
) -> None:
    """Make this collector's key and show the public half, which every gateway needs.

    With it a gateway knows that an acknowledgement is this collector's.
    """
    with errors_in_words():
        public = public_text(create_signing_key(out).public_key())
    console.print(f"Private key written to [bold]{escape(str(out))}[/]. Keep it on this collector.")
    console.print("In every gateway's configuration write:\n")
    console.print(f'  [collector]\n  public_key = "{public}"', markup=False, highlight=False)


@app.command()
def metrics() -> None:
    """Write the page of metric names: campus collector metrics > docs/metrics.md."""
    print(metrics_page(), end="")  # noqa: T201  # the page itself, for a file


@app.command()
def run(config_file: ConfigFile) -> None:
    """Run the collector until Ctrl-C or SIGTERM."""
    with files_in_words():
        config = load_config(config_file)
        logs.configure(config.log.level, config.log.format)
        asyncio.run(run_until_told(Service(config)))


@gateway_app.command("add")
def add_gateway(
    config_file: ConfigFile,
    school: School,
    id_: GatewayId,
    public_key: Annotated[str, typer.Option(help="The key that `campus edge keygen` printed.")],
) -> None:
    """Let a gateway send. A running collector knows it within two seconds."""
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
        with opened_records(config_file) as records:
            records.add_gateway(gateway)
    console.print(f"[green]✓[/] {school}/{id_} may send")


@gateway_app.command("revoke")
def revoke_gateway(config_file: ConfigFile, school: School, id_: GatewayId) -> None:
    """Refuse a gateway from now on. What it has sent stays."""
    with files_in_words(), opened_records(config_file) as records:
        if not records.revoke_gateway(school, id_, wall_ms()):
            raise UsageError(f"{school}/{id_} is no active gateway; see: campus collector gateway list")
    console.print(f"[green]✓[/] {school}/{id_} is refused from now on")


@gateway_app.command("list")
def list_gateways(config_file: ConfigFile) -> None:
    """Show all gateways, revoked ones too."""
    with files_in_words(), opened_records(config_file) as records:
        found = records.list_gateways()
    rows = [("school", "gateway", "state", "public key")]
    rows += [(one.school, one.id, one.state, one.public_key) for one in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        # No rich table: in a narrow terminal it cuts the key, which people want to compare.
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        console.print(line.rstrip(), soft_wrap=True, markup=False, highlight=False)
