"""Keeps what a server took until it is on its disk, for servers that answer before it is.

VictoriaMetrics answers 204 at once and writes to disk some seconds later; what it had answered in
between is gone when it is killed. So every block is held for `hold_s` after it was written. Once a
second the server is asked when it started: when that has changed, everything held is written again,
and held anew. A block is durable when the server that took it has been seen running `hold_s` later.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog
import zstandard

from collector.series.contract import StoreAwayError, StoreUnavailableError

HOLD_S: Final = 20.0
"""VictoriaMetrics 1.79 lost at most the last 9 s in our runs with kill -9."""
POLL_S: Final = 1.0

log = structlog.get_logger()


def pack(lines: bytes) -> bytes:
    """A tenth of the bytes for a tenth of a microsecond a line."""
    return zstandard.ZstdCompressor(level=1).compress(lines)


@dataclass(slots=True)
class _Held:
    packed: bytes
    start: str
    written_s: float
    durable: asyncio.Future[None]


class Holding:
    """Used from one event loop. `write(lines)` and `started()`, which names the run of the server, raise
    StoreUnavailableError; they are never called at the same time.
    """

    def __init__(
        self,
        write: Callable[[bytes], Awaitable[None]],
        started: Callable[[], Awaitable[str]],
        *,
        bytes_max: int,
        hold_s: float = HOLD_S,
    ) -> None:
        self._write = write
        self._started = started
        self._bytes_max = bytes_max
        self._hold_s = hold_s
        self._held: deque[_Held] = deque()
        self._start = ""
        self._turn = asyncio.Lock()
        self._changed = asyncio.Condition()
        self._trouble: StoreUnavailableError | None = None
        self._watching: asyncio.Task[None] | None = None
        self.bytes = 0
        self.rewritten = 0

    async def put(self, lines: bytes, packed: bytes) -> asyncio.Future[None]:
        """Writes a block, which is held as `pack` packs it; what it returns completes when the block is
        durable. Waits while too much is held already. Raises StoreUnavailableError.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._trouble or self._has_room(len(packed)))
            if not self._has_room(len(packed)):
                raise StoreAwayError(str(self._trouble))
            self.bytes += len(packed)
        try:
            async with self._turn:
                if not self._start:
                    self._start = await self._started()
                await self._write(lines)
                durable = asyncio.get_running_loop().create_future()
                self._held.append(_Held(packed, self._start, time.monotonic(), durable))
        except BaseException:
            await self._free(len(packed))
            raise
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch(), name="series-holding")
        return durable

    def _has_room(self, size_bytes: int) -> bool:
        return not self.bytes or self.bytes + size_bytes <= self._bytes_max

    async def _free(self, size_bytes: int) -> None:
        async with self._changed:
            self.bytes -= size_bytes
            self._changed.notify_all()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(min(POLL_S, self._hold_s / 4))
            if not self._held and not self._trouble:
                continue
            try:
                await self._look()
            except StoreUnavailableError as error:
                await self._note(error)
            except Exception as error:
                # The boundary of a task that must not end: what is held would wait for ever.
                log.exception("series store cannot be watched")
                await self._note(StoreAwayError(f"{type(error).__name__} while watching the series store"))
            else:
                await self._note(None)

    async def _note(self, trouble: StoreUnavailableError | None) -> None:
        async with self._changed:
            self._trouble = trouble
            self._changed.notify_all()

    async def _look(self) -> None:
        """One look at the server, with nothing being written: so what it has taken since the look before
        was taken by the run that one of the two saw.
        """
        async with self._turn:
            seen_s = time.monotonic()
            start = await self._started()
            if start != self._start:
                log.warning(
                    "series store has restarted; writing again what it may have lost", blocks=len(self._held)
                )
                self._start = start
            await self._write_again()
        while self._held and self._is_durable(self._held[0], seen_s):
            held = self._held.popleft()
            if not held.durable.done():
                held.durable.set_result(None)
            await self._free(len(held.packed))

    async def _write_again(self) -> None:
        unpacker = zstandard.ZstdDecompressor()
        for held in self._held:
            if held.start != self._start:
                await self._write(await asyncio.to_thread(unpacker.decompress, held.packed))
                self.rewritten += 1
                held.start, held.written_s = self._start, time.monotonic()

    def _is_durable(self, held: _Held, seen_s: float) -> bool:
        return held.start == self._start and held.written_s + self._hold_s <= seen_s

    async def close(self) -> None:
        """What is held stays unacknowledged: it comes again."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
        for held in self._held:
            if not held.durable.done():
                held.durable.set_exception(
                    StoreUnavailableError("the store was closed before this was durable")
                )
                held.durable.exception()  # looked at, also where nobody waits any more
        self._held.clear()
        await self._note(StoreUnavailableError("the store is closed"))
