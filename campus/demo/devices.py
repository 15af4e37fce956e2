"""The demo's devices that do not publish: on a Modbus bus, in the air, on serial lines."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from rich.console import Console

from simulators.drive import Drive
from simulators.hosts import HostError, Served
from simulators.running import HOSTED, hosted
from simulators.school import School
from simulators.timetable import Timeline

told = Console(stderr=True, soft_wrap=True, highlight=False)


@asynccontextmanager
async def devices_of(school: School, timeline: Timeline) -> AsyncIterator[Sequence[Served]]:
    """Runs them while the context lasts. A transport that cannot be simulated on this machine is said
    and left out: the demo shows the others.
    """
    drive = Drive(school, timeline)
    served: list[Served] = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="campus-demo-")))
        for transport in HOSTED:
            try:
                running = await stack.enter_async_context(hosted(drive, [transport], folder))
            except HostError as error:
                told.print(f"[yellow]![/] {transport}: {error}")
                continue
            served += running.served
            # The gateways run in this process, and look there for the bus of the simulated radio.
            os.environ.update(running.environment)
        yield served
