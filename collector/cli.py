"""`campus collector …`: the collector's commands."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from collector import fleet_commands
from collector.account_commands import account_app, token_app
from collector.audit_commands import app as audit_app
from collector.authority_commands import app as authority_app
from collector.broker_commands import app as broker_app
from collector.command_records import files_in_words
from collector.config import load_config
from collector.database_commands import app as database_app
from collector.gateway_commands import app as gateway_app
from collector.series.metrics_page import metrics_page
from collector.service import Service
from foundation import logs
from foundation.commands import errors_in_words
from foundation.keyfiles import create_signing_key, public_text
from foundation.stopping import run_until_told

app = typer.Typer(
    no_args_is_help=True, help="The collector: takes batches in, stores them, shows rooms and alerts."
)
app.add_typer(gateway_app, name="gateway")
app.add_typer(authority_app, name="authority")
app.add_typer(broker_app, name="broker")
gateway_app.command("configure")(fleet_commands.configure)
gateway_app.command("configuration")(fleet_commands.show)
app.add_typer(database_app, name="database")
app.add_typer(account_app, name="account")
app.add_typer(token_app, name="token")
app.add_typer(audit_app, name="audit")
console = Console()

ConfigFile = Annotated[
    Path, typer.Argument(help="The collector's configuration, see collector/collector.sample.toml.")
]


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


@app.command()
def check(config_file: ConfigFile) -> None:
    """Check the configuration, the key, plug-ins and notifiers. Connects nowhere, changes nothing.

    Exit code 2: something is wrong, and what.
    """
    with files_in_words():
        config = load_config(config_file)
        logs.configure("error")
        Service(config)
    console.print(f"[green]✓[/] {escape(str(config_file))}: configuration and key are good", highlight=False)
    for name in config.plugins.enabled:
        console.print(f"[green]✓[/] plug-in {name}", highlight=False)
    for table in config.notifier:
        console.print(f"[green]✓[/] notifier {table.section.name} ({table.section.kind})", highlight=False)
