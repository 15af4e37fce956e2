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
DEVICE_FAILURE: Final = 4
INTERRUPTION_S: Final = 1.0


def modbus(
    profiles: Annotated[
        list[str] | None,
        typer.Option(
            "--profile",
            help="A device model, as `campus profile list` shows; repeatable: the units take turns.",
        ),
    ] = None,
    units: Annotated[str, typer.Option("--units", help="Unit numbers, such as 1-32 or 1,2,5.")] = "1-3",
    tcp: Annotated[
        int | None, typer.Option("--tcp", min=1, max=65_535, help="Serve Modbus TCP on this port.")
    ] = None,
    pty: Annotated[
        Path | None, typer.Option("--pty", help="Serve Modbus RTU on a pty behind this symbolic link.")
    ] = None,
    baud: Annotated[
        int | None,
        typer.Option("--baud", min=300, help="Speed of the pty; as the profile says when left out."),
    ] = None,
    echo: Annotated[  # noqa: FBT002  # a flag of the command line
        bool, typer.Option("--echo", help="Like an adapter that gives back what is sent.")
    ] = False,
    silent: Annotated[str, typer.Option("--silent", help="Units that do not answer, such as 5 or 3,7.")] = "",
    corrupt: Annotated[str, typer.Option("--corrupt", help="Units whose answers have a wrong byte.")] = "",
    refuse: Annotated[str, typer.Option("--refuse", help="Units that refuse everything (exception 4).")] = "",
    latency_s: Annotated[float, typer.Option("--latency", min=0, help="Seconds until a unit answers.")] = 0.0,
    interrupt_s: Annotated[
        float | None,
        typer.Option(
            "--interrupt-every", min=1, help="Pull the adapter out (or end the host) so often, for a second."
        ),
    ] = None,
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
        deaf, spoilt, refusing = (parse_units(text) if text else () for text in (silent, corrupt, refuse))
        for unit in made:
            unit.faults.latency_s = latency_s
            unit.faults.silent = unit.unit in deaf
            unit.faults.corrupt = unit.unit in spoilt
            unit.faults.exception = DEVICE_FAILURE if unit.unit in refusing else None
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
        asyncio.run(_serve(host, f"{len(made)} units on {where}", duration_s, interrupt_s))
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
        truth = school_truth(
            seed,
            f"unit-{number}",
            name,
            timeline,
            lambda _: time.time_ns() // 1_000_000,
            phases=3 if any(row.quantity == "power_l3" for row in spec.fields) else 1,
        )
        made.append(SimulatedUnit(number, spec, truth))
    return made


async def _serve(
    host: RtuBus | TcpHost, what: str, duration_s: float | None, interrupt_s: float | None
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    until_s = None if duration_s is None else loop.time() + duration_s
    async with host:
        console.print(f"Serving {what}", soft_wrap=True, highlight=False)
        while not await _stopped(stop, interrupt_s, until_s) and interrupt_s is not None:
            await host.stop()
            if await _stopped(stop, INTERRUPTION_S, until_s):
                return
            await host.start()


async def _stopped(stop: asyncio.Event, wait_s: float | None, until_s: float | None) -> bool:
    """Waits; True when the end has come, and not only the wait is over."""
    loop = asyncio.get_running_loop()
    now_s = loop.time()
    ends = [end for end in (None if wait_s is None else now_s + wait_s, until_s) if end is not None]
    try:
        async with asyncio.timeout_at(min(ends) if ends else None):
            await stop.wait()
    except TimeoutError:
        return until_s is not None and loop.time() >= until_s
    return True


def _cannot(where: str, error: Exception) -> typer.Exit:
    Console(stderr=True).print(f"[red]error:[/] cannot serve on {where} ({error})", soft_wrap=True)
    return typer.Exit(1)
