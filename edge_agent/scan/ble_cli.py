"""`campus edge scan ble`: prints what is in the air, then a configuration stub."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from device_profiles.registry import Catalogue
from foundation.commands import UsageError, errors_in_words

if TYPE_CHECKING:
    from edge_agent.scan.ble import Found

NOTHING_FOUND: Final = 1
told = Console(stderr=True, soft_wrap=True, highlight=False)


def scan_ble(
    adapter: Annotated[str, typer.Option("--adapter", help="The Bluetooth adapter.")] = "hci0",
    listen_s: Annotated[
        float,
        typer.Option("--listen", min=0.5, max=600, help="Seconds to listen; many sensors speak once in ten."),
    ] = 12.0,
    connect: Annotated[  # noqa: FBT002  # a flag of the command line
        bool,
        typer.Option("--connect", help="Connect to those that no profile fits and look at their values."),
    ] = False,
    directories: Annotated[
        list[Path] | None, typer.Option("--profiles", help="A folder with profiles of your own; repeatable.")
    ] = None,
) -> None:
    """List the Bluetooth devices that are heard, and which profile may fit. Never writes to one.

    Stop the gateway first: an adapter has one user. The stub on standard output goes into gateway.toml;
    it holds the devices that a profile fits. An address can be a pupil's band: keep the list to yourself.
    Exit code 1: nobody that a profile fits is heard.
    """
    with errors_in_words():
        catalogue = Catalogue(directories or ())
        found = asyncio.run(_run(adapter, listen_s, catalogue, connect=connect))
    fitting = [one for one in found if one.fits]
    if not fitting:
        told.print(
            f"[red]✗[/] of {len(found)} devices heard no profile fits any"
            if found
            else f"[red]✗[/] nobody is heard at {adapter}; is the device on, and near?"
        )
        raise typer.Exit(NOTHING_FOUND)
    typer.echo(stub(adapter, fitting))


async def _run(adapter: str, listen_s: float, catalogue: Catalogue, *, connect: bool) -> list[Found]:
    # bleak only where it is used.
    from edge_agent.drivers.ble.bluez import RadioAwayError  # noqa: PLC0415  # said above
    from edge_agent.scan.ble import fit_advertised, listen, look_into  # noqa: PLC0415  # said above

    logging.getLogger("bleak").setLevel(logging.ERROR)
    told.print(f"listening at {adapter} for {listen_s:g} s …", markup=False)
    try:
        found = await listen(adapter, listen_s)
    except RadioAwayError as error:
        raise UsageError(f"{error}; is Bluetooth switched on, and are you allowed to use it?") from None
    for one in found:
        one.fits = fit_advertised(one, catalogue)
        if connect and not one.fits:
            one.fits = await look_into(one, adapter, catalogue)
        name = f"  {one.name}" if one.name else ""
        mark = "[green]✓[/]" if one.fits else "[dim]·[/]"
        told.print(f"{mark} {one.address}  {one.rssi} dBm", end="")
        nothing = "  no profile fits" + ("" if connect else "; --connect looks further")
        told.print(f"{name}{'' if one.fits else nothing}", markup=False)
        for fit in one.fits:
            told.print(f"    {fit.profile}: {fit.told}", markup=False)
    return found


def stub(adapter: str, found: Sequence[Found]) -> str:
    """A [[ble]] table for these devices."""
    lines = ["[[ble]]", 'name = "radio-1"', f"adapter = {json.dumps(adapter)}"]
    for number, one in enumerate(found, 1):
        best, *others = one.fits
        note = f"  # or {', '.join(fit.profile for fit in others)}" if others else ""
        lines += [
            "",
            "[[ble.devices]]",
            f'id = "device-{number}"',
            f"profile = {json.dumps(best.profile)}{note}",
            'place = "building/room"',
            f"address = {json.dumps(one.address)}",
        ]
        if best.encrypted:
            lines.append(f'bind_key_file = "device-{number}.key"  # 32 hexadecimal digits; chmod 600')
    return "\n".join(lines)
