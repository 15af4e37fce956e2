"""`campus simulate serial`: simulated boards on ptys, each like a board on a serial adapter."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from device_profiles.registry import Catalogue, Profile, ProfileNotFoundError, serial_spec
from foundation.commands import UsageError, errors_in_words
from simulators.drive import Drive, wall_clock_ms
from simulators.modbus.truth import school_truth
from simulators.school import DEFAULT_SEED, School
from simulators.serial.board import SimulatedBoard
from simulators.serial.line import SerialLine
from simulators.serial.own_board import OwnBoard
from simulators.serial.people import KIND_OF_PROFILE, BoardUsers
from simulators.timetable import FIRST_MORNING_MS, Timeline

console = Console()
PORTS: Final = Path("/tmp/campus-serial")  # noqa: S108  # links for testers, nothing secret
OUT_S: Final = 1.0
METERS_MAX: Final = 32
SCHOOL_SPEED: Final = 60.0
"""At a board of ours people come as in a school whose day lasts some minutes."""


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
    asyncio.run(_serve(found, lines, made, seed, restart_s, unplug_s, duration_s))
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
) -> list[list[SimulatedBoard | OwnBoard]]:
    """The boards of each line: one, or as many meters as asked for."""
    timeline = Timeline(wall_clock_ms(), wall_clock_ms(), 1)
    made: list[list[SimulatedBoard | OwnBoard]] = []
    for number, profile in enumerate(profiles, 1):
        kind = KIND_OF_PROFILE.get(profile.id)
        if kind is not None:
            made.append([OwnBoard(kind, serial=f"SIM{number:05d}".encode())])
            continue
        on_line: list[SimulatedBoard | OwnBoard] = []
        for at in range(1, (meters if serial_spec(profile).is_addressed else 1) + 1):
            truth = school_truth(
                seed, f"board-{number}-{at}", profile.id, timeline, lambda _: wall_clock_ms()
            )
            try:
                board = SimulatedBoard(profile, truth, interval_s=interval_s, address=str(at), seed=seed + at)
            except ValueError as error:
                raise UsageError(str(error)) from None
            on_line.append(board)
        made.append(on_line)
    return made


def _users(profile: Profile, board: OwnBoard, seed: int) -> BoardUsers:
    """The people who use a board of ours, as they do at the simulated school."""
    school = School(seed)
    device = next(one for one in school.on("serial") if one.profile == profile.id)
    drive = Drive(school, Timeline(wall_clock_ms(), FIRST_MORNING_MS, SCHOOL_SPEED))
    return BoardUsers(drive, device, KIND_OF_PROFILE[profile.id], board)


async def _serve(
    profiles: Sequence[Profile],
    lines: Sequence[SerialLine],
    boards: Sequence[Sequence[SimulatedBoard | OwnBoard]],
    seed: int,
    restart_s: float | None,
    unplug_s: float | None,
    duration_s: float | None,
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        for profile, line, on_line in zip(profiles, lines, boards, strict=True):
            await stack.enter_async_context(line)
            for board in on_line:
                board.attach(line)
                stack.callback(board.switch_off)
                if isinstance(board, OwnBoard):
                    await stack.enter_async_context(_users(profile, board, seed))
            several = f", {len(on_line)} addresses from 1" if len(on_line) > 1 else ""
            told = f"Serving {profile.id} on {line.path} at {line.baud} Bd{several}"
            console.print(told, soft_wrap=True, highlight=False)
        everyone = [board for on_line in boards for board in on_line]
        failing = [
            asyncio.create_task(_restart(everyone, restart_s), name="restarts"),
            asyncio.create_task(_unplug(lines, unplug_s), name="unplugs"),
        ]
        try:
            async with asyncio.timeout(duration_s):
                await stop.wait()
        except TimeoutError:
            pass
        finally:
            for task in failing:
                task.cancel()


async def _restart(boards: Sequence[SimulatedBoard | OwnBoard], every_s: float | None) -> None:
    while every_s is not None:
        await asyncio.sleep(every_s)
        for board in boards:
            board.restart()


async def _unplug(lines: Sequence[SerialLine], every_s: float | None) -> None:
    while every_s is not None:
        await asyncio.sleep(every_s)
        for line in lines:
            line.unplug()
        await asyncio.sleep(OUT_S)
        for line in lines:
            line.plug()
