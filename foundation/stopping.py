"""A program that runs until Ctrl-C or SIGTERM, and then ends in good order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import Final, Protocol

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Stoppable(Protocol):
    """`run` works until `stop` is called, closes what it has opened and returns."""

    async def run(self) -> None: ...

    def stop(self) -> None: ...


async def run_until_told(service: Stoppable) -> None:
    """Runs a service; a signal stops it. Raises what its `run` raises."""
    loop = asyncio.get_running_loop()

    def stop(*_: object) -> None:
        # Not the loop's own handlers: those end with it, and a second signal would kill the program.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(service.stop)

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        await service.run()
    except BaseException:
        for number, handler in before.items():
            signal.signal(number, handler)
        raise
    for number in before:
        # Everything is closed; what remains is the interpreter's own end.
        signal.signal(number, signal.SIG_IGN)
