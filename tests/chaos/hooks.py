"""What a test adds to a process of its own: a witness of the gateway's promises, a place to die.

Installed in the forked process before `campus` runs. Everything else in it is as shipped. The
witness wraps the place to die, so that a death after a commit comes before the promise is told.
"""

from __future__ import annotations

import base64
import functools
import inspect
import itertools
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from collector.intake.commit import Commits
from collector.records import alerts, streams
from collector.series import duckdb_store
from collector.series.duckdb_store import DuckDbStore
from edge_agent.buffer import BatchId, BufferFullError, Item, SqliteBuffer
from edge_agent.buffer.store import Store
from edge_agent.configuring.kept import KeptFile
from edge_agent.configuring.switch import Switch
from edge_agent.running_drivers import RunningDrivers
from foundation import broker, wholefile

Point = tuple[Any, str, str]
COLLECTOR_POINTS: dict[str, Point] = {
    "within the transaction of received": (alerts, "add_fresh", "after"),
    "after the commit of received": (Commits, "received", "after"),
    "before the series store": (DuckDbStore, "append", "before"),
    "after the series store": (DuckDbStore, "append", "after"),
    "within a transaction of marks": (streams, "save", "after"),
    "after the commit of stored": (Commits, "stored", "after"),
    "between two acknowledgements": (broker._AiomqttLink, "publish", "after"),
}
"""Where a collector can be told to die: owner and name of a function, before or after it."""
GATEWAY_POINTS: dict[str, Point] = {
    "within the transaction of an append": (Store, "append", "after"),
    "after the commit of an append": (SqliteBuffer, "append", "after"),
    "within the transaction of an accept": (Store, "delete", "after"),
    "after the commit of an accept": (SqliteBuffer, "accept", "after"),
    "within the transaction of a received": (Store, "mark_received", "after"),
}
"""The same for a gateway."""
CONFIGURATION_POINTS: dict[str, Point] = {
    "before the driver is made": (Switch, "prepare", "before"),
    "before the version is written": (KeptFile, "write", "before"),
    "before the new file is in place": (Path, "replace", "before"),
    "before its place is durable": (wholefile, "sync_folder", "before"),
    "after the version is written": (KeptFile, "write", "after"),
    "between the old drivers and the new": (RunningDrivers, "stop_gone", "after"),
    "after the new drivers have begun": (Switch, "carry_out", "after"),
}
"""The same for a gateway that is configured."""


def install(wanted: dict[str, Any]) -> None:
    if point := wanted.get("die_at"):
        _die_at(*(COLLECTOR_POINTS | GATEWAY_POINTS | CONFIGURATION_POINTS)[point], wanted["nth"])
    if readings := wanted.get("no_room_for"):
        _no_room_for(readings, wanted["times"])
    if path := wanted.get("witness"):
        _watch_appends(path)
    if path := wanted.get("clock"):
        _set_clock(path)


def _watch_appends(path: str) -> None:
    """Writes down what the buffer is given, before, and what it promises, after. A written line is
    safe from kill -9: it is in the kernel. A kill may tear it, so each life begins a new one.
    """
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, b"\n")

    def tell(**entry: Any) -> None:
        os.write(file, json.dumps(entry).encode() + b"\n")

    open_, append = SqliteBuffer.open, SqliteBuffer.append

    async def witnessed_open(*arguments: Any, **options: Any) -> SqliteBuffer:
        buffer = await open_(*arguments, **options)
        tell(opened=buffer.generation, last=buffer._engine.store.tally.last)
        return buffer

    async def witnessed_append(self: SqliteBuffer, items: Sequence[Item]) -> list[BatchId]:
        tell(
            given=[
                (one.stream, one.readings, one.records, one.time_base_ms, base64.b85encode(one.body).decode())
                for one in items
            ]
        )
        try:
            ids = await append(self, items)
        except BufferFullError:
            tell(failed=True)
            raise
        tell(promised=ids)
        return ids

    SqliteBuffer.open = witnessed_open  # type: ignore[method-assign]  # the hook
    SqliteBuffer.append = witnessed_append  # type: ignore[method-assign]  # the hook


def _no_room_for(readings: int, times: int) -> None:
    """A disk on which small appends still find room, until one large one has failed so often
    by itself.
    """
    execute, failures = duckdb_store._execute, Counter[tuple[str, int]]()

    def without_room(writer: Any, sql: str, points: Any, applied: Any, series: Any) -> None:
        nonlocal times
        if points and len(points["ts"]) >= readings and times:
            if (first := applied["first"].tolist()) == applied["last"].tolist():
                failures[applied["gateway"][0], first[0]] += 1
                times = 0 if max(failures.values()) >= times else times
            raise duckdb.IOException("could not write: No space left on device")
        execute(writer, sql, points, applied, series)

    duckdb_store._execute = without_room  # type: ignore[assignment]  # the hook


def _die_at(owner: Any, name: str, when: str, nth: int) -> None:
    """Dies as by kill -9, by its own hand, at the n-th pass."""
    work = getattr(owner, name)
    passes = itertools.count(1)

    def passed() -> None:
        if next(passes) == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    @functools.wraps(work)
    async def slow(*arguments: Any, **options: Any) -> Any:
        if when == "before":
            passed()
        result = await work(*arguments, **options)
        if when == "after":
            passed()
        return result

    @functools.wraps(work)
    def quick(*arguments: Any, **options: Any) -> Any:
        if when == "before":
            passed()
        result = work(*arguments, **options)
        if when == "after":
            passed()
        return result

    setattr(owner, name, slow if inspect.iscoroutinefunction(work) else quick)


def _set_clock(path: str) -> None:
    """A wall clock that is wrong by the seconds in a file, which may change at any moment."""
    time_ns = time.time_ns

    def wrong_ns() -> int:
        return time_ns() + int(Path(path).read_text("ascii") or "0") * 10**9

    time.time_ns = wrong_ns
    time.time = lambda: wrong_ns() / 1e9
