"""`campus edge scan serial`: prints what speaks on each port, then a configuration stub."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from device_profiles.registry import Catalogue
from foundation.commands import UsageError, errors_in_words

if TYPE_CHECKING:
    from edge_agent.scan.serial import SerialFound

BY_ID: Final = Path("/dev/serial/by-id")
NOTHING_FOUND: Final = 1
told = Console(stderr=True, soft_wrap=True, highlight=False)


def scan_serial(
    ports: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PORT]...", help=f"Serial ports. None: all in {BY_ID}."),
    ] = None,
    listen_s: Annotated[
        float,
        typer.Option("--listen", min=0.1, max=120, help="Seconds to listen at each speed; cards need more."),
    ] = 2.5,
    directories: Annotated[
        list[Path] | None, typer.Option("--profiles", help="A folder with profiles of your own; repeatable.")
    ] = None,
) -> None:
    """Listen on serial ports at every speed the profiles know, then ask what they ask. Never configures.

    Stop the gateway first: a port has one reader. The stub on standard output goes into gateway.toml.
    Exit code 1: nothing known speaks.
    """
    with errors_in_words():
        paths = [str(path.absolute()) for path in ports or _by_id()]
        found = asyncio.run(_run(paths, Catalogue(directories or ()), listen_s))
    if not found:
        told.print(f"[red]✗[/] nothing known speaks on {len(paths)} ports; check wires and supply")
        raise typer.Exit(NOTHING_FOUND)
    typer.echo("\n\n".join(stub(number, path, one) for number, (path, one) in enumerate(found, 1)))


async def _run(paths: Sequence[str], catalogue: Catalogue, listen_s: float) -> list[tuple[str, SerialFound]]:
    # serialx only where it is used.
    from edge_agent.drivers.serial.port import PortAwayError  # noqa: PLC0415  # said above
    from edge_agent.scan.serial import SerialScan  # noqa: PLC0415  # said above

    found = []
    scan = SerialScan(catalogue, listen_s=listen_s, tell=lambda text: told.print(f"    {text}", markup=False))
    for path in paths:
        told.print(f"{path}", markup=False)
        try:
            one = await scan.port(path)
        except PortAwayError as error:
            told.print(f"[red]✗[/] {error}")
            continue
        if one is None:
            told.print("[red]✗[/] nothing known speaks here; what speaks seldom needs a longer --listen")
            continue
        found.append((path, one))
        at = f"{one.settings.baud} Bd, parity {one.settings.parity}"
        told.print(
            f"[green]✓[/] frames of {one.frame} at {at}" + ("" if one.fits else "; no profile fits yet")
        )
        for fit in one.fits:
            told.print(f"    {fit.profile}: {fit.told}", markup=False)
    return found


def _by_id() -> list[Path]:
    found = sorted(BY_ID.glob("*")) if BY_ID.is_dir() else []
    if not found:
        raise UsageError(f"there is no port in {BY_ID}; name one, such as /dev/ttyUSB0")
    return found


def stub(number: int, path: str, found: SerialFound) -> str:
    """A [[serial]] table for what was found on a port."""
    best = found.fits[0].profile if found.fits else "family/model"
    others = ", ".join(fit.profile for fit in found.fits[1:])
    note = f"  # or {others}" if others else "" if found.fits else "  # none fits; campus profile list"
    lines = [
        "[[serial]]",
        f'name = "port-{number}"',
        f"port = {json.dumps(path)}",
        f"baud = {found.settings.baud}",
        f'parity = "{found.settings.parity}"',
    ]
    for at, address in enumerate(found.addresses or ("",), 1):
        lines += [
            "",
            "[[serial.devices]]",
            f'id = "board-{number}-{at}"',
            f"profile = {json.dumps(best)}{note}",
            'place = "building/room"',
            *([f'address = "{address}"'] if address else []),
        ]
    return "\n".join(lines)
