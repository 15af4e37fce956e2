"""`campus simulate modbus`: simulated devices on a TCP port, or on a pty like on a serial adapter."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from device_profiles.modbus_schema import ModbusProfile
from device_profiles.registry import Catalogue, ProfileNotFoundError, modbus_spec
from foundation.commands import UsageError, errors_in_words
from simulators.modbus.rtu import RtuBus
from simulators.modbus.tcp import TcpHost
from simulators.modbus.truth import school_truth
from simulators.modbus.unit import SimulatedUnit
from simulators.school import DEFAULT_SEED
from simulators.timetable import Timeline

console = Console()
UNIT_MAX: Final = 247


def modbus(
    profiles: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            help="A device model, as `campus profile list` shows; repeatable: the units take turns.",
        ),
    ] = None,
    units: Annotated[str, typer.Option("--units", help="Unit numbers, such as 1-32 or 1,2,5.")] = "1-3",
    tcp: Annotated[int | None, typer.Option("--tcp", help="Serve Modbus TCP on this port.")] = None,
    pty: Annotated[
        Path | None, typer.Option("--pty", help="Serve Modbus RTU on a pty behind this symbolic link.")
    ] = None,
    baud: Annotated[
        int | None,
        typer.Option("--baud", min=300, help="Speed of the pty; as the profile says when left out."),
    ] = None,
    echo: Annotated[
        bool, typer.Option("--echo", help="Like an adapter that gives back what is sent.")
    ] = False,  # noqa: FBT002  # a flag of the command line
    silent: Annotated[str, typer.Option("--silent", help="Units that do not answer, such as 5 or 3,7.")] = "",
    latency_s: Annotated[float, typer.Option("--latency", min=0, help="Seconds until a unit answers.")] = 0.0,
    duration_s: Annotated[
        float | None, typer.Option("--duration", min=0.1, help="Seconds to run; for ever when left out.")
    ] = None,
    directories: Annotated[
        list[Path] | None, typer.Option("--profiles", help="A folder with profiles of your own; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same school.")] = DEFAULT_SEED,
) -> None:
    """Run simulated Modbus devices until Ctrl-C, each with the registers of its model."""
    with errors_in_words():
        if (tcp is None) == (pty is None):
            raise UsageError("give either --tcp PORT or --pty PATH")
        models = [(name, _spec(directories, name)) for name in profiles or ["renke/rs-ws-n01"]]
        made = _units(parse_units(units), models, seed)
        for unit in made:
            unit.faults.latency_s = latency_s
            unit.faults.silent = bool(silent) and unit.unit in parse_units(silent)
        line = models[0][1].serial
        bits = 9 + (line.parity != "none") + line.stop_bits
        # pymodbus writes down every request for a unit that is not there; here that is no error.
        logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
        if pty is not None:
            host: RtuBus | TcpHost = RtuBus(
                pty, made, baud=baud or line.baud, bits_a_character=bits, echo=echo
            )
            where = f"{pty} at {baud or line.baud} Bd"
        else:
            host, where = TcpHost(made, tcp or 0), f"127.0.0.1:{tcp}"
    try:
        asyncio.run(_serve(host, f"{len(made)} units on {where}", duration_s))
    except (OSError, RuntimeError) as error:
        raise _cannot(where, error) from error
    asked = sum(unit.asked.total() for unit in made)
    console.print(f"Answered: {asked:,} requests", highlight=False)


def parse_units(text: str) -> tuple[int, ...]:
    """``1-32`` or ``1,2,5-7``, as unit numbers without repeats. Raises UsageError."""
    found: dict[int, None] = {}
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            raise UsageError(f"{text!r} names no units; expected something like 1-32 or 1,2,5")
        numbers = range(int(first), int(last or first) + 1)
        if not numbers or numbers[0] < 1 or numbers[-1] > UNIT_MAX:
            raise UsageError(f"{part.strip()!r} must lie within 1 to {UNIT_MAX}")
        found |= dict.fromkeys(numbers)
    return tuple(found)


def _spec(directories: Sequence[Path] | None, name: str) -> ModbusProfile:
    try:
        return modbus_spec(Catalogue(directories or ()).get(name))
    except (ProfileNotFoundError, ValueError) as error:
        raise UsageError(str(error)) from None


def _units(
    numbers: Sequence[int], models: Sequence[tuple[str, ModbusProfile]], seed: int
) -> list[SimulatedUnit]:
    now_ms = time.time_ns() // 1_000_000
    timeline = Timeline(now_ms, now_ms, 1)
    made = []
    for at, number in enumerate(numbers):
        name, spec = models[at % len(models)]
        truth = school_truth(seed, f"unit-{number}", name, timeline, lambda _: time.time_ns() // 1_000_000)
        made.append(SimulatedUnit(number, spec, truth))
    return made


async def _serve(host: RtuBus | TcpHost, what: str, duration_s: float | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with host:
        console.print(f"Serving {what}", soft_wrap=True, highlight=False)
        try:
            async with asyncio.timeout(duration_s):
                await stop.wait()
        except TimeoutError:
            return


def _cannot(where: str, error: Exception) -> typer.Exit:
    Console(stderr=True).print(f"[red]error:[/] cannot serve on {where} ({error})", soft_wrap=True)
    return typer.Exit(1)
