"""`campus edge …`: the gateway's commands."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from device_profiles.registry import Catalogue
from edge_agent import running
from edge_agent.buffer.peek import BufferUnreadableError, read_stats
from edge_agent.clock import Clock
from edge_agent.config import GatewayConfig, PersonalSection, load_config
from edge_agent.configuring.beginning import begin
from edge_agent.configuring.cli import configuration, describe
from edge_agent.configuring.kept import KeptFile
from edge_agent.counters import Counters
from edge_agent.drivers import Driver, make_drivers
from edge_agent.failing_drivers import FailingFile
from edge_agent.gate import load_policy
from edge_agent.scan import cli as scan_cli
from edge_agent.uplink.choice import make_uplink
from edge_agent.uplink.contract import UplinkError
from firmware_bridges.osdp_keys import create_key
from foundation import logs
from foundation.commands import UsageError, errors_in_words
from foundation.faults import kind_of, where_of
from foundation.keyfiles import create_signing_key, load_signing_key, public_text
from telemetry.envelope import Signer
from telemetry.readings import SeriesTable

app = typer.Typer(
    no_args_is_help=True, help="The gateway: reads devices, strips identity, buffers, forwards."
)
app.add_typer(scan_cli.app, name="scan")
app.command("configuration")(configuration)
console = Console()

ConfigFile = Annotated[
    Path, typer.Argument(help="The gateway's configuration, see edge_agent/gateway.sample.toml.")
]


@app.command()
def keygen(
    out: Annotated[Path, typer.Option(help="Where to write the private key.")] = Path("gateway.key"),
) -> None:
    """Make this gateway's key and show the public half, which the collector needs.

    The private key never leaves the gateway. The file is readable by its owner only.
    """
    with errors_in_words():
        public = public_text(create_signing_key(out).public_key())
    console.print(f"Private key written to [bold]{out}[/]. Keep it on this gateway.")
    console.print(f"Public key: [bold]{public}[/]\n\nOn the collector, run:")
    console.print(
        f"  campus collector gateway add collector.toml --school SCHOOL --id GATEWAY --public-key {public}",
        soft_wrap=True,
        highlight=False,
    )
    console.print("\nand where the identity vault is, for cards and bands:")
    console.print(f"  campus vault gateway add vault.toml GATEWAY {public}", soft_wrap=True, highlight=False)


@app.command("osdp-key")
def osdp_key(
    out: Annotated[Path, typer.Argument(help="Where to write the key; one file a reader.")],
) -> None:
    """Make a key for the secure channel of one OSDP card reader, readable by its owner only.

    The reader's own tool puts it into the reader; after that nobody else can talk to it.
    """
    with errors_in_words():
        create_key(out)
    console.print(f"Key written to [bold]{out}[/]. Put the same digits into the reader, and nowhere else.")


@app.command()
def run(config_file: ConfigFile) -> None:
    """Run the gateway until Ctrl-C or SIGTERM.

    It needs no collector to start: what it reads waits in the buffer, for weeks if it must.
    """
    running.run(config_file)


@app.command()
def check(
    config_file: ConfigFile,
    timeout_s: Annotated[
        float, typer.Option("--timeout", help="Seconds to wait for a device's first message.")
    ] = 20.0,
) -> None:
    """Check the configuration, then connect and report a device a line. Changes nothing.

    Beside a running gateway it also names the drivers that fail there.

    Exit code 0: everything answers. 1: something does not. 2: the configuration is wrong.
    """
    with errors_in_words():
        config = load_config(config_file)
        logs.configure("error")
        load_signing_key(config.gateway.key_file)
        _report(str(config_file), "configuration and key are good", ok=True)
        beginning = begin(
            config, KeptFile(config.gateway.data_dir, config.collector.public_key), look_only=True
        )
        good = _report("configuration", describe(beginning), ok=beginning.refused is None)
        good = _report_failing(config) and good
        ok = asyncio.run(_check(beginning.config, timeout_s)) and good
    raise typer.Exit(0 if ok else 1)


def _report(what: str, text: str, *, ok: bool) -> bool:
    """Prints a line of `check`; gives `ok` back."""
    mark = "[green]✓[/]" if ok else "[red]✗[/]"
    console.print(f"{mark} {escape(what)}: {escape(text)}", soft_wrap=True, highlight=False)
    return ok


def _report_failing(config: GatewayConfig) -> bool:
    """Drivers that have failed in the gateway that runs, or was killed."""
    found = FailingFile(config.gateway.data_dir).read()
    for one in found:
        text = (
            f"运行中的驱动程序出错 failures since the gateway's start: {one.failures}, the last: {one.error}"
            f"{one.where and f' in {one.where}'}; it is started again by itself"
        )
        _report(f"driver {one.driver}", text, ok=False)
    return not found


async def _check_personal(config: GatewayConfig, personal: PersonalSection, clock: Clock) -> bool:
    """The vault, the map of the last run, and the policy."""
    from edge_agent.identity.check import look_at_map, look_at_vault  # noqa: PLC0415  # where there is a vault

    looks = [await look_at_vault(config, personal), look_at_map(config, personal, clock)]
    policy = load_policy(personal.policy)
    good = [_report(look.what, look.text, ok=look.ok) for look in looks]
    return _report("policy", f"version {policy.version}", ok=True) and all(good)


async def _check_uplink(config: GatewayConfig) -> bool:
    gateway = config.gateway
    signer = Signer(load_signing_key(gateway.key_file))
    uplink = make_uplink(config.collector, gateway.school, gateway.id, signer=signer, counters=Counters())
    try:
        found = await uplink.check()
    except UplinkError as error:
        return _report("uplink", str(error), ok=False)
    return _report("uplink", found, ok=True)


async def _check(config: GatewayConfig, timeout_s: float) -> bool:
    clock = Clock(config.gateway.clock)
    results = [await _check_uplink(config)]
    if config.personal:
        results.append(await _check_personal(config, config.personal, clock))
    drivers = make_drivers(
        config,
        catalogue=Catalogue(config.profile_dirs),
        table=SeriesTable(),
        clock=clock,
        counters=Counters(),
    )
    # At the same time: one silent port must not make a person wait for each of the others.
    with console.status(f"listening for at most {timeout_s:g} s …"):
        checks = [
            asyncio.create_task(_check_driver(driver, timeout_s), name=f"check-{driver.name}")
            for driver in drivers
        ]
        results += await asyncio.gather(*checks)
    return all(results)


async def _check_driver(driver: Driver, timeout_s: float) -> bool:
    """Tells of each device as soon as its driver does."""
    try:
        return all([_report(one.device, one.text, ok=one.ok) async for one in driver.check(timeout_s)])
    except Exception as error:  # noqa: BLE001  # a supervising boundary: the other drivers are checked too
        text = f"驱动程序出错 its driver failed: {kind_of(error)} in {where_of(error)}"
        return _report(driver.name, text, ok=False)


@app.command()
def buffer(config_file: ConfigFile) -> None:
    """Show what waits in the buffer, also while the gateway runs. Reads only."""
    with errors_in_words():
        config = load_config(config_file)
        try:
            stats = read_stats(config.gateway.data_dir / "buffer.db")
        except BufferUnreadableError as error:
            raise UsageError(str(error)) from error
    table = Table("", "value")
    table.add_row("batches waiting", str(stats.batches))
    table.add_row("urgent among them", str(stats.urgent_batches))
    table.add_row("bytes", f"{stats.size_bytes:,} of {config.buffer.bytes_max:,}")
    table.add_row("damaged files put aside", str(stats.quarantined))
    for reason, count in sorted(stats.given_up.items()):
        table.add_row(f"readings given up: {reason}", f"{count:,}")
    console.print(table)
