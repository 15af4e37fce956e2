"""The gateway's buffer in a SQLite file, behind the contract in contract.py."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Container, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from edge_agent.buffer.contract import BatchId, BufferStats, Item, Leased, Removed
from edge_agent.buffer.engine import Engine
from telemetry.batch import Gap, Stream
from telemetry.ranges import Range

T = TypeVar("T")

DISK_FREE_BYTES_MIN: Final = 16 * 1024 * 1024


class SqliteBuffer:
    """Implements `Buffer`. All work on the file is done in one thread of its own, in the order of
    the calls, so that waiting for the disk never stops the event loop.

    Beside `path` lie its log (`-wal`, `-shm`), a ballast file and at most three damaged sets.
    docs/buffer.md has the invariants and the format.
    """

    def __init__(self, engine: Engine, executor: ThreadPoolExecutor) -> None:
        self._engine = engine
        self._executor = executor
        self._closed = False

    @classmethod
    async def open(
        cls, path: Path, *, bytes_max: int, disk_free_bytes_min: int = DISK_FREE_BYTES_MIN
    ) -> Self:
        """Opens the file, or makes it; a damaged one is put aside and salvaged first.

        `bytes_max` bounds the sum of the bodies and 256 bytes a batch. With less than
        `disk_free_bytes_min` free on the file system, old data is given up as if that were reached.
        Raises BufferFullError when the disk takes not even an empty file, OSError when the
        directory cannot be used.
        """
        executor = ThreadPoolExecutor(1, thread_name_prefix="buffer")
        opening = executor.submit(Engine, path, bytes_max=bytes_max, disk_free_bytes_min=disk_free_bytes_min)
        try:
            engine = await asyncio.wrap_future(opening)
        except BaseException:
            opening.add_done_callback(_close_abandoned)
            executor.shutdown(wait=False)
            raise
        return cls(engine, executor)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, call)

    @property
    def generation(self) -> str:
        return self._engine.store.generation

    async def rebound(self, *, bytes_max: int, disk_free_bytes_min: int) -> None:
        """Other bounds from now on, as `open` has them. The file stays as it is; what is above them is given
        up with the next `append`.
        """

        def change() -> None:
            self._engine.bytes_max = bytes_max
            self._engine.disk_free_bytes_min = disk_free_bytes_min

        await self._run(change)

    async def append(self, items: Sequence[Item]) -> list[BatchId]:
        return await self._run(lambda: self._engine.append(items))

    async def lease(self, batches_max: int, stream: Stream | None = None) -> list[Leased]:
        return await self._run(lambda: self._engine.lease(batches_max, stream))

    async def received(self, stream: Stream, generation: str, ranges: Sequence[Range]) -> None:
        await self._run(lambda: self._engine.received(stream, generation, ranges))

    async def accept(self, stream: Stream, generation: str, ranges: Sequence[Range]) -> Removed:
        return await self._run(lambda: self._engine.accept(stream, generation, ranges))

    async def reject(self, id_: BatchId, reason: str) -> Removed:
        return await self._run(lambda: self._engine.reject(id_, reason))

    async def erase(self, pseudonyms: Container[str]) -> int:
        erased, after = 0, -1
        while True:
            # Step by step: what is read meanwhile is committed between two of them.
            step = await self._run(functools.partial(self._engine.erase, pseudonyms, after))
            erased += step.records
            if step.last_key is None:
                await self._run(self._engine.finish_erasing)
                return erased
            after = step.last_key

    async def keep(self, ids: Sequence[BatchId] | None = None) -> None:
        await self._run(lambda: self._engine.keep(ids))

    async def unreceived_alarms(self) -> list[BatchId]:
        return await self._run(self._engine.unreceived_alarms)

    async def gaps(self, limit: int) -> tuple[Gap, ...]:
        return await self._run(lambda: self._engine.gaps(limit))

    async def gaps_delivered(self, gaps: Sequence[Gap]) -> None:
        await self._run(lambda: self._engine.gaps_delivered(gaps))

    def stats(self) -> BufferStats:
        return self._engine.stats

    async def close(self) -> None:
        """Folds the log into the file. A second call is fine, any other call after it is not."""
        if not self._closed:
            self._closed = True
            await self._run(self._engine.close)
            self._executor.shutdown()


def _close_abandoned(opening: Future[Engine]) -> None:
    """Closes a file whose opening nobody waited for; runs in the buffer's own thread."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
