"""`campus demo`."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.table import Table

from campus.demo.devices import devices_of
from campus.demo.run import Outcome, Progress, run_demo
from campus.demo.site import Site, free_port, make_site
from foundation import logs
from foundation.commands import errors_in_words
from simulators.devices import Simulation
from simulators.school import DEFAULT_SEED, School
from simulators.timetable import FIRST_MORNING_MS, Timeline

WEB_PORT = 8420
VAULT_PORT = 8430
LINE_S = 5.0
"""How often a run without a terminal prints a line."""

_KINDS: Final = {
    "morning_check": "晨检 morning checks",
    "access_event": "进出 access events",
    "heart_rate_window": "心率 heart-rate windows",
    "meal_record": "用餐 meals",
    "safety_event": "报警 safety events",
}

app = typer.Typer(invoke_without_command=True)
console = Console()


@app.callback()
def demo(
    duration_s: Annotated[
        float | None, typer.Option("--duration", min=1, help="Stop after so many seconds.")
    ] = None,
    folder: Annotated[Path, typer.Option("--dir", help="Where the demo's files go.")] = Path(".demo"),
    seed: Annotated[int, typer.Option(help="Another seed, another school.")] = DEFAULT_SEED,
    speed: Annotated[
        float, typer.Option(min=1, max=3_600, help="How much faster the school's day runs.")
    ] = 60.0,
) -> None:
    """Run a whole simulated school on this machine: broker, gateways, vault, collector, page.

    The classroom gateway reads devices over MQTT, Modbus, Bluetooth and a serial line.

    Open the address it prints. Ctrl-C stops it; the last line says how many readings were
    acknowledged and found in the store again. Exit code 0: all of them, each once.
    """
    logs.configure("error")
    with errors_in_words():
        school = School(seed)
        # The school's day begins with the morning checks, whatever the hour is here.
        timeline = Timeline(time.time_ns() // 1_000_000, FIRST_MORNING_MS, speed)
        outcome = asyncio.run(_run(folder, Simulation(school, timeline), duration_s))
    raise typer.Exit(_conclude(outcome))


async def _run(folder: Path, simulation: Simulation, duration_s: float | None) -> Outcome:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    school = simulation.school
    async with devices_of(school, simulation.timeline) as served:
        site = make_site(
            folder,
            school,
            web_port=free_port(WEB_PORT),
            broker_port=free_port(),
            vault_port=free_port(VAULT_PORT),
            served=served,
        )
        with _reporter(site) as report:
            return await run_demo(site, simulation, duration_s=duration_s, stop=stop, report=report)


@contextlib.contextmanager
def _reporter(site: Site) -> Iterator[Callable[[Progress], None]]:
    if console.is_terminal:
        with Live(console=console, refresh_per_second=4) as live:
            yield lambda progress: live.update(_panel(site, progress))
        return
    last_s = float("-inf")

    def line(progress: Progress) -> None:
        nonlocal last_s
        if last_s < 0:
            console.print(f"网页 page: {progress.url}", highlight=False)
        if progress.elapsed_s - last_s >= LINE_S:
            last_s = progress.elapsed_s
            console.print(
                f"{progress.elapsed_s:5.0f} s  读数 readings in {progress.readings_in:,}  "
                f"已缓存 buffered {progress.buffered:,}  已确认 acknowledged {progress.acknowledged:,}  "
                f"个人记录 records {progress.records:,}  警报 alerts {progress.alerts}",
                highlight=False,
                soft_wrap=True,
            )

    yield line


def _panel(site: Site, progress: Progress) -> Panel:
    table = Table.grid(padding=(0, 3))
    table.add_row("网页 page", f"[bold link={progress.url}]{progress.url}[/]")
    table.add_row("设备消息 device messages", f"{progress.messages:,}")
    table.add_row("读数 readings in", f"{progress.readings_in:,}")
    table.add_row("已缓存 buffered", f"{progress.buffered:,}")
    table.add_row("已确认 acknowledged", f"[green]{progress.acknowledged:,}[/]")
    table.add_row("个人记录（代号） records", f"{progress.records:,}")
    table.add_row("发热警报 alerts", f"[red]{progress.alerts}[/]")
    table.add_row("", f"[dim]{progress.elapsed_s:.0f} s · Ctrl-C 停止 stops[/]")
    table.add_row("", f"[dim]{site.folder}/ · mosquitto_pub -p {site.broker_port} …[/]")
    return Panel(table, title="校园脉动 Campus Pulse", expand=False)


def _conclude(outcome: Outcome) -> int:
    if outcome.waiting_batches:
        console.print(f"{outcome.waiting_batches} 批仍在网关缓存 batches still wait in a gateway's buffer")
    kinds = ", ".join(f"{_KINDS[name]} {count:,}" for name, count in outcome.by_type.items() if count)
    console.print(
        f"{kinds or '无个人记录 no records'}; 警报 alerts {outcome.alerts:,}", highlight=False, soft_wrap=True
    )
    if outcome.complete:
        console.print(
            f"[green]✓[/] 已确认的 {outcome.acknowledged_readings:,} 个读数全部入库 "
            f"all {outcome.acknowledged_readings:,} acknowledged readings are in the store",
            highlight=False,
            soft_wrap=True,
        )
        return 0
    console.print(
        f"[red]✗[/] 已确认 {outcome.acknowledged_readings:,} 个读数, 库中 {outcome.stored_readings:,} 个 "
        f"acknowledged {outcome.acknowledged_readings:,} readings and {outcome.acknowledged_records:,} "
        f"records, the stores hold {outcome.stored_readings:,} and {outcome.stored_records:,}",
        highlight=False,
        soft_wrap=True,
    )
    return 1
