"""`campus simulate osdp`: card readers on a pty, each with a key of its own."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from firmware_bridges.osdp_keys import create_key, load_key
from foundation.commands import UsageError, errors_in_words
from simulators.school import DEFAULT_SEED, School
from simulators.serial.line import SerialLine

if TYPE_CHECKING:
    from simulators.osdp.reader import SimulatedReader

console = Console()
PTY: Final = Path("/tmp/campus-osdp")  # noqa: S108  # a link for testers, nothing secret
READERS_MAX: Final = 8


def osdp(
    pty: Annotated[Path, typer.Option("--pty", help="The link to the pty.")] = PTY,
    keys: Annotated[
        Path,
        typer.Option("--keys", help="Folder of the readers' keys, reader-1.key and on; made if missing."),
    ] = Path("osdp-keys"),
    readers: Annotated[int, typer.Option("--readers", min=1, max=READERS_MAX, help="Addresses from 1.")] = 1,
    baud: Annotated[int, typer.Option("--baud", min=300, help="Speed of the line.")] = 9_600,
    card_s: Annotated[float, typer.Option("--card-every", min=0.1, help="Seconds between two cards.")] = 3.0,
    restart_s: Annotated[
        float | None, typer.Option("--restart-every", min=1, help="A reader loses its supply so often.")
    ] = None,
    silent: Annotated[bool, typer.Option("--silent", help="The readers do not answer.")] = False,  # noqa: FBT002  # a flag
    duration_s: Annotated[
        float | None, typer.Option("--duration", min=0.1, help="Seconds to run; for ever when left out.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same cards.")] = DEFAULT_SEED,
) -> None:
    """Run simulated OSDP card readers until Ctrl-C; pupils of the simulated school hold their cards to them."""
    # libosdp only where it is used: it is an extra of its own.
    try:
        from simulators.osdp.reader import SimulatedReader  # noqa: PLC0415  # said above
    except ModuleNotFoundError:
        console.print("[red]error:[/] this needs a library: pip install 'campus-pulse\\[osdp]'")
        raise typer.Exit(2) from None

    with errors_in_words():
        files = [keys / f"reader-{number}.key" for number in range(1, readers + 1)]
        made = [
            SimulatedReader(number, load_key(file) if file.exists() else create_key(file))
            for number, file in enumerate(files, 1)
        ]
        if not pty.parent.is_dir():
            raise UsageError(f"--pty {pty}: there is no folder {pty.parent}")
    for reader in made:
        reader.silent = silent
    cards = [bytes.fromhex(pupil.card) for pupil in School(seed).pupils]
    line = SerialLine(pty, baud=baud)

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        async with line:
            for reader, file in zip(made, files, strict=True):
                reader.attach(line)
                console.print(
                    f"Serving reader {reader.address} on {pty} at {baud} Bd, its key in {file}",
                    soft_wrap=True,
                    highlight=False,
                )
            chance = random.Random(seed)  # noqa: S311  # which pupil comes next, no secret
            async with asyncio.TaskGroup() as group:
                coming = group.create_task(_come(made, cards, chance, card_s), name="cards")
                failing = group.create_task(_fail(made, chance, restart_s), name="restarts")
                try:
                    async with asyncio.timeout(duration_s):
                        await stop.wait()
                except TimeoutError:
                    pass
                coming.cancel()
                failing.cancel()
            for reader in made:
                reader.switch_off()

    asyncio.run(serve())


async def _come(
    readers: Sequence[SimulatedReader], cards: Sequence[bytes], chance: random.Random, every_s: float
) -> None:
    """Pupils hold their cards to a reader, one after the other."""
    while True:
        await asyncio.sleep(every_s)
        chance.choice(readers).hold_card(chance.choice(cards))


async def _fail(readers: Sequence[SimulatedReader], chance: random.Random, every_s: float | None) -> None:
    while every_s is not None:
        await asyncio.sleep(every_s)
        chance.choice(readers).restart()
