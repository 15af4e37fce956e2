"""`campus simulate school` and `campus simulate list`: a whole school, and what is in it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from foundation import logs
from foundation.broker import BrokerSettings
from foundation.commands import UsageError, errors_in_words
from simulators.cli_common import (
    LOCAL,
    BrokerOption,
    SchoolOption,
    SeedOption,
    console,
    now_ms,
    parse_broker,
    read_school,
    stop_without_broker,
)
from simulators.devices import Simulation
from simulators.drive import Drive
from simulators.gateway_file import gateway_tables, mqtt_served
from simulators.hosts import HostError, Served
from simulators.mqtt_faults import FAULTS, Fault, Faults
from simulators.plan import TRANSPORTS, DevicePlan, Transport
from simulators.publisher import Publisher, Totals
from simulators.running import HOSTED, Running, hosted, in_order
from simulators.school import DEFAULT_SEED, School
from simulators.timetable import FIRST_MORNING_MS, ZONE, Timeline

_REFRESH_S: Final = 0.5


def school(
    broker: BrokerOption = LOCAL,
    speed: Annotated[
        float, typer.Option("--speed", min=0.01, max=3_600, help="Seconds of school a second.")
    ] = 60.0,
    duration_s: Annotated[
        float | None, typer.Option("--duration", min=0.1, help="Seconds to run; for ever when left out.")
    ] = None,
    seed: SeedOption = DEFAULT_SEED,
    school_file: SchoolOption = None,
    start: Annotated[
        str | None,
        typer.Option("--start", help='When the school\'s clock starts: "2026-09-07T07:45", or "now".'),
    ] = None,
    check_every_s: Annotated[
        float, typer.Option("--check-every", min=0.05, help="Seconds between two pupils at a station.")
    ] = 4.0,
    checks: Annotated[
        Literal["all-day", "window"],
        typer.Option("--checks", help="When pupils come: at any hour, or in the morning window only."),
    ] = "all-day",
    transports: Annotated[
        str, typer.Option("--transports", help="Which devices to run, of mqtt,modbus,ble,serial,osdp,http.")
    ] = "mqtt",
    gateway: Annotated[
        str | None, typer.Option("--gateway", help="Whose file --gateway-config writes; else the first.")
    ] = None,
    gateway_config: Annotated[
        Path | None,
        typer.Option("--gateway-config", help="Write here what a gateway.toml needs to read the devices."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="Where serial ports appear; else a temporary folder.")
    ] = None,
    faults: Annotated[
        list[str] | None,
        typer.Option("--fault", help=f"Of MQTT devices, now and then; repeatable: {', '.join(FAULTS)}."),
    ] = None,
) -> None:
    """Run a whole simulated school until Ctrl-C: every device speaks as its vendor made it."""
    with errors_in_words():
        settings = parse_broker(broker)
        wanted = _transports(transports)
        kinds = _faults(faults or [], wanted)
        found = read_school(school_file, seed)
        whose = _gateway(found, gateway)
        simulation = Simulation(
            found,
            _timeline(start, speed),
            check_every_s=check_every_s,
            checks_all_day=checks == "all-day",
        )
        logs.configure("warning")
    publisher = None
    if "mqtt" in wanted and simulation.devices:
        publisher = Publisher(simulation, settings, faults=Faults(kinds, seed))
    try:
        asyncio.run(
            _run(
                simulation,
                publisher,
                wanted,
                settings,
                duration_s,
                check_every_s,
                folder,
                gateway_config,
                whose,
            )
        )
    except (HostError, OSError) as error:
        Console(stderr=True).print(f"[red]error:[/] {error}", soft_wrap=True, highlight=False)
        raise typer.Exit(1) from error
    if publisher is not None:
        console.print(_totals_line(publisher.totals), soft_wrap=True, highlight=False)
        if not publisher.totals.connections:
            stop_without_broker(settings, "nobody answered in all that time")


def list_devices(school_file: SchoolOption = None, seed: SeedOption = DEFAULT_SEED) -> None:
    """List the school's devices by transport and place."""
    with errors_in_words():
        found = read_school(school_file, seed)
    console.print(f"{' · '.join(found.name)}: {len(found.devices)} devices", highlight=False)
    for transport in TRANSPORTS:
        devices = sorted(found.on(transport), key=lambda device: (device.place, device.id))
        if devices:
            console.print(f"\n{transport}", style="bold")
        for one in devices:
            line = f"  {one.place:16} {one.id:28} {one.profile:28} {one.gateway:12} {_address(one.plan)}"
            console.print(line, soft_wrap=True, highlight=False)


def _address(plan: DevicePlan) -> str:
    if plan.modbus is not None:
        return f"{plan.modbus.bus} unit {plan.modbus.unit}"
    port = plan.serial or plan.osdp
    if port is not None:
        return port.port if port.address is None else f"{port.port} {port.address}"
    return plan.address if plan.http is None else plan.http.path


async def _run(
    simulation: Simulation,
    publisher: Publisher | None,
    transports: tuple[Transport, ...],
    broker: BrokerSettings,
    duration_s: float | None,
    check_every_s: float,
    folder: Path | None,
    gateway_config: Path | None,
    gateway: str,
) -> None:
    drive = Drive(
        simulation.school,
        simulation.timeline,
        checks_all_day=simulation.checks_all_day,
        pupil_every_s=check_every_s,
    )
    with _ports(folder) as ports:
        async with hosted(drive, in_order(transports), ports) as running:
            served = (*(mqtt_served(simulation.school, broker) if publisher else ()), *running.served)
            _tell(served, running)
            if gateway_config is not None:
                _write(gateway_config, gateway_tables(served, gateway), gateway)
            await _until_stopped(publisher, duration_s)


def _write(file: Path, tables: str, gateway: str) -> None:
    file.write_text(tables, "utf-8")
    console.print(f"Written: {file} for {gateway}", soft_wrap=True, highlight=False)


@contextlib.contextmanager
def _ports(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="campus-simulate-") as made:
        yield Path(made)


def _tell(served: tuple[Served, ...], running: Running) -> None:
    """Where each of them is, and what a gateway's process needs besides its file."""
    for one in served:
        line = f"{one.transport:8} {one.where}  {len(one.devices)} devices, {one.gateway}"
        console.print(line, soft_wrap=True, highlight=False)
    for name, value in running.environment.items():
        console.print(f"export {name}={value}", soft_wrap=True, highlight=False)


async def _until_stopped(publisher: Publisher | None, duration_s: float | None) -> None:
    """Runs the publisher under a display, until its time is over or somebody stops it."""
    what = _wait(duration_s) if publisher is None else publisher.run(duration_s)
    work = asyncio.create_task(what, name="simulator")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    if publisher is None:
        await asyncio.wait({work})
    else:
        with Live(_display(publisher), console=console, transient=True, auto_refresh=False) as live:
            while not work.done():
                await asyncio.wait({work}, timeout=_REFRESH_S)
                live.update(_display(publisher), refresh=console.is_terminal)
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def _wait(duration_s: float | None) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(duration_s):
            await asyncio.Event().wait()


def _display(publisher: Publisher) -> Table:
    totals = publisher.totals
    school_ms = publisher.simulation.timeline.school_ms(now_ms())
    clock = datetime.fromtimestamp(school_ms / 1_000, ZONE).strftime("%Y-%m-%d %H:%M")
    title = " · ".join((*publisher.simulation.school.name, clock))
    table = Table("设备 · device", "messages", "readings", title=title)
    for device, messages in totals.messages.most_common(12):
        table.add_row(device, f"{messages:,}", f"{totals.readings[device]:,}")
    table.caption = _totals_line(totals)
    return table


def _totals_line(totals: Totals) -> str:
    parts = (
        f"{totals.messages.total():,} messages",
        f"{totals.readings.total():,} readings",
        f"{totals.checks.total():,} checks ({totals.fevers} fevers, {totals.unknown_cards} unknown cards)",
        f"{totals.missed:,} missed",
    )
    struck = "".join(f", {number:,} × {kind}" for kind, number in sorted(totals.faults.items()))
    return "Published: " + ", ".join(parts) + struck


def _faults(names: list[str], transports: tuple[Transport, ...]) -> tuple[Fault, ...]:
    known: dict[str, Fault] = {one: one for one in FAULTS}
    for name in names:
        if name not in known:
            raise UsageError(f"--fault {name!r} is none of {', '.join(FAULTS)}")
    if names and "mqtt" not in transports:
        raise UsageError("--fault is for MQTT devices, and --transports leaves them out")
    return tuple(known[name] for name in names)


def _transports(text: str) -> tuple[Transport, ...]:
    known: dict[str, Transport] = {"mqtt": "mqtt", **{one: one for one in HOSTED}}
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            raise UsageError(f"--transports {name!r} is none of {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names))


def _gateway(found: School, wanted: str | None) -> str:
    names = [one.id for one in found.plan.gateways]
    if wanted is not None and wanted not in names:
        raise UsageError(f"--gateway {wanted!r} is none of {', '.join(names)}")
    return wanted or names[0]


def _timeline(start: str | None, speed: float) -> Timeline:
    present_ms = now_ms()
    if start == "now" or (start is None and speed == 1):
        return Timeline(present_ms, present_ms, speed)
    if start is None:
        return Timeline(present_ms, FIRST_MORNING_MS, speed)
    try:
        moment = datetime.fromisoformat(start)
    except ValueError:
        raise UsageError(f'--start {start!r} is no time; expected "2026-09-07T07:45" or "now"') from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZONE)
    return Timeline(present_ms, int(moment.timestamp() * 1_000), speed)
