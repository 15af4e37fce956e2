"""`campus edge scan modbus`: prints what answers, then a configuration stub."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from device_profiles.registry import Catalogue
from edge_agent.drivers.modbus.link import BusAwayError, Link
from edge_agent.drivers.settings import Parity
from edge_agent.scan.ble_cli import scan_ble
from edge_agent.scan.modbus import Found, scan
from edge_agent.scan.serial_cli import scan_serial
from foundation.commands import UsageError, errors_in_words

app = typer.Typer(no_args_is_help=True, help="Find devices: what answers, and which profile may fit.")
told = Console(stderr=True, soft_wrap=True, highlight=False)
"""Findings go to standard error, so that the stub can be written to a file by itself."""
UNIT_MAX: Final = 247
NOTHING_FOUND: Final = 1


@app.callback()
def _scan() -> None:
    """Find devices: what answers, and which profile may fit."""


app.command("serial")(scan_serial)
app.command("ble")(scan_ble)


@app.command("modbus")
def scan_modbus(
    tcp: Annotated[str | None, typer.Option("--tcp", help="A device or gateway, host:port.")] = None,
    serial: Annotated[str | None, typer.Option("--serial", help="A serial port.")] = None,
    baud: Annotated[int, typer.Option("--baud", min=300, help="Speed of the serial port.")] = 9_600,
    parity: Annotated[Parity, typer.Option("--parity", help="Parity of the serial port.")] = "none",
    units: Annotated[str, typer.Option("--units", help="Unit numbers, such as 1-32 or 1,2,5.")] = "1-32",
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=0.02, max=30, help="Seconds a unit may take to answer.")
    ] = 0.3,
    directories: Annotated[
        list[Path] | None, typer.Option("--profiles", help="A folder with profiles of your own; repeatable.")
    ] = None,
) -> None:
    """Ask every unit of a bus whether it is there and which Modbus profile may fit. Never writes.

    Stop the gateway first: a bus has one master. The stub on standard output goes into gateway.toml.
    Exit code 1: nothing answers.
    """
    with errors_in_words():
        if (tcp is None) == (serial is None):
            raise UsageError("give either --tcp host:port or --serial PORT")
        numbers = _numbers(units)
        link, bus = _tcp(tcp) if tcp is not None else _serial(serial or "", baud, parity)
        try:
            found = asyncio.run(_run(link, numbers, Catalogue(directories or ()), timeout_s))
        except BusAwayError as error:
            raise UsageError(f"{tcp or serial}: {error}") from None
    if not found:
        told.print(f"[red]✗[/] none of {len(numbers)} units answers; check wires, speed and parity")
        raise typer.Exit(NOTHING_FOUND)
    typer.echo(stub(bus, found))


async def _run(link: Link, units: Sequence[int], catalogue: Catalogue, timeout_s: float) -> list[Found]:
    found = []
    await link.open()
    try:
        async for one in scan(link, units, catalogue, timeout_s=timeout_s):
            found.append(one)
            told.print(f"[green]✓[/] unit {one.unit} answers" + ("" if one.fits else "; no profile fits"))
            for fit in one.fits:
                told.print(f"    {fit.profile}: {fit.told}", markup=False)
    finally:
        await link.close()
    return found


def stub(bus: str, found: Sequence[Found]) -> str:
    """A [[modbus]] table for what was found; `bus` is its serial or tcp line."""
    lines = ["[[modbus]]", 'name = "bus-1"', bus]
    for one in found:
        best = one.fits[0].profile if one.fits else "family/model"
        others = ", ".join(fit.profile for fit in one.fits[1:])
        note = (
            f"  # or {others}" if others else "" if one.fits else "  # no profile fits; campus profile list"
        )
        lines += [
            "",
            "[[modbus.devices]]",
            f'id = "unit-{one.unit}"',
            f"profile = {json.dumps(best)}{note}",
            'place = "building/room"',
            f"unit = {one.unit}",
        ]
    return "\n".join(lines)


def _tcp(address: str) -> tuple[Link, str]:
    from edge_agent.drivers.modbus.tcp import TcpLink  # noqa: PLC0415  # only where it is used

    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or not 1 <= int(port) <= 65_535:
        raise UsageError(f"--tcp {address!r} is no address; expected host:port such as 192.168.7.20:502")
    host = host.strip("[]")
    return TcpLink(host, int(port)), f"tcp = {{ host = {json.dumps(host)}, port = {port} }}"


def _serial(port: str, baud: int, parity: Parity) -> tuple[Link, str]:
    from edge_agent.drivers.modbus.rtu import RtuLink, SerialLine  # noqa: PLC0415  # as above

    letter = {"none": "N", "even": "E", "odd": "O"}[parity]
    line = f'serial = {{ port = {json.dumps(port)}, baud = {baud}, parity = "{parity}" }}'
    return RtuLink(SerialLine(port, baud, letter)), line


def _numbers(text: str) -> tuple[int, ...]:
    found: dict[int, None] = {}
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            raise UsageError(f"--units {text!r} names no units; expected something like 1-32 or 1,2,5")
        if not 1 <= int(first) <= int(last or first) <= UNIT_MAX:
            raise UsageError(f"--units {part.strip()!r} must lie within 1 to {UNIT_MAX}")
        found |= dict.fromkeys(range(int(first), int(last or first) + 1))
    return tuple(found)
