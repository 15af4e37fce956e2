"""`campus simulate serial`: simulated boards on ptys, each like a board on a serial adapter."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from device_profiles.registry import Catalogue, Profile, ProfileNotFoundError, serial_spec
from foundation.commands import UsageError, errors_in_words
from simulators.modbus.truth import school_truth
from simulators.school import DEFAULT_SEED
from simulators.serial.board import SimulatedBoard
from simulators.serial.line import SerialLine
from simulators.timetable import Timeline

console = Console()
PORTS: Final = Path("/tmp/campus-serial")  # noqa: S108  # links for testers, nothing secret
OUT_S: Final = 1.0
METERS_MAX: Final = 32


def serial(
    profiles: Annotated[
        list[str] | None,
        typer.Option("--profile", help="A board model, as `campus profile list` shows; repeatable."),
    ] = None,
    folder: Annotated[Path, typer.Option("--ports", help="Where the links to the ptys are made.")] = PORTS,
    baud: Annotated[
        int | None, typer.Option("--baud", min=300, help="Speed of the lines; the profile's when left out.")
    ] = None,
    interval_s: Annotated[
        float, typer.Option("--interval", min=0.02, help="Seconds between two frames of what speaks itself.")
    ] = 1.0,
    meters: Annotated[
        int,
        typer.Option("--meters", min=1, max=METERS_MAX, help="Meters on a line whose frames have addresses."),
    ] = 1,
    silent: Annotated[bool, typer.Option("--silent", help="The boards say nothing.")] = False,  # noqa: FBT002  # a flag
    corrupt: Annotated[bool, typer.Option("--corrupt", help="Every frame has a wrong byte.")] = False,  # noqa: FBT002  # a flag
    duplicate: Annotated[bool, typer.Option("--duplicate", help="Every frame comes twice.")] = False,  # noqa: FBT002  # a flag
    noise_bytes: Annotated[
        int, typer.Option("--noise", min=0, max=64, help="Stray bytes before every frame.")
    ] = 0,
    latency_s: Annotated[float, typer.Option("--latency", min=0, help="Seconds until a board speaks.")] = 0.0,
    restart_s: Annotated[
        float | None, typer.Option("--restart-every", min=1, help="The boards lose their supply so often.")
    ] = None,
    unplug_s: Annotated[
        float | None,
        typer.Option("--unplug-every", min=1, help="Pull the adapters out so often, for a second."),
    ] = None,
    duration_s: Annotated[
        float | None, typer.Option("--duration", min=0.1, help="Seconds to run; for ever when left out.")
    ] = None,
    directories: Annotated[
        list[Path] | None, typer.Option("--profiles", help="A folder with profiles of your own; repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same school.")] = DEFAULT_SEED,
) -> None:
    """Run simulated boards until Ctrl-C, each on a pty of its own behind a link; prints where they are."""
    with errors_in_words():
        catalogue = Catalogue(directories or ())
        found = [_profile(catalogue, name) for name in profiles or ["plantower/pms5003"]]
        made = _boards(found, max(1, meters), interval_s, seed)
        for board in (board for boards in made for board in boards):
            faults = board.faults
            faults.silent, faults.corrupt, faults.duplicate = silent, corrupt, duplicate
            faults.noise_bytes, faults.latency_s = noise_bytes, latency_s
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--ports {folder}: {error.strerror}") from None
    lines = [
        SerialLine(
            folder / f"{profile.id.replace('/', '-')}-{number}",
            baud=baud or serial_spec(profile).line.baud[0],
        )
        for number, profile in enumerate(found, 1)
    ]
    asyncio.run(_serve(found, lines, made, restart_s, unplug_s, duration_s))
    said = sum(board.said for boards in made for board in boards)
    console.print(f"Sent: {said:,} frames", highlight=False)


def _profile(catalogue: Catalogue, name: str) -> Profile:
    try:
        profile = catalogue.get(name)
        serial_spec(profile)
    except (ProfileNotFoundError, ValueError) as error:
        raise UsageError(str(error)) from None
    return profile


def _boards(
    profiles: Sequence[Profile], meters: int, interval_s: float, seed: int
) -> list[list[SimulatedBoard]]:
    now_ms = time.time_ns() // 1_000_000
    timeline = Timeline(now_ms, now_ms, 1)
    made = []
    for number, profile in enumerate(profiles, 1):
        count = meters if serial_spec(profile).is_addressed else 1
        try:
            made.append(
                [
                    SimulatedBoard(
                        profile,
                        school_truth(
                            seed,
                            f"board-{number}-{at}",
                            profile.id,
                            timeline,
                            lambda _: time.time_ns() // 1_000_000,
                        ),
                        interval_s=interval_s,
                        address=str(at),
                        seed=seed + at,
                    )
                    for at in range(1, count + 1)
                ]
            )
        except ValueError as error:
            raise UsageError(str(error)) from None
    return made


async def _serve(
    profiles: Sequence[Profile],
    lines: Sequence[SerialLine],
    boards: Sequence[Sequence[SimulatedBoard]],
    restart_s: float | None,
    unplug_s: float | None,
    duration_s: float | None,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    for profile, line, on_line in zip(profiles, lines, boards, strict=True):
        line.plug()
        for board in on_line:
            board.attach(line)
        several = f", {len(on_line)} addresses from 1" if len(on_line) > 1 else ""
        console.print(
            f"Serving {profile.id} on {line.path} at {line.baud} Bd{several}", soft_wrap=True, highlight=False
        )
    faults = []
    if restart_s is not None:
        everyone = [board for on_line in boards for board in on_line]
        faults.append(asyncio.create_task(_restart(everyone, restart_s), name="restarts"))
    if unplug_s is not None:
        faults.append(asyncio.create_task(_unplug(lines, unplug_s), name="unplugs"))
    try:
        async with asyncio.timeout(duration_s):
            await stop.wait()
    except TimeoutError:
        pass
    finally:
        for task in faults:
            task.cancel()
        for board in (board for on_line in boards for board in on_line):
            board.switch_off()
        for line in lines:
            line.unplug()


async def _restart(boards: Sequence[SimulatedBoard], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        for board in boards:
            board.restart()


async def _unplug(lines: Sequence[SerialLine], every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        for line in lines:
            line.unplug()
        await asyncio.sleep(OUT_S)
        for line in lines:
            line.plug()
