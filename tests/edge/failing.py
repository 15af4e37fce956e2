"""Drivers that fail, for tests; what they say when they do must not be seen anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

import pytest

from edge_agent import supervision
from edge_agent.drivers.contract import DeviceReport, Sink

SECRET = "card 04A1B2C3"
FAILED = "driver failed, it is started again"


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails is tried again at once."""
    monkeypatch.setattr(supervision, "AGAIN_S_FIRST", 0.002)
    monkeypatch.setattr(supervision, "AGAIN_S_MAX", 0.01)


def task_of(name: str) -> asyncio.Task[Any]:
    (found,) = (task for task in asyncio.all_tasks() if task.get_name() == name)
    return found


def said(logs: Sequence[Any], event: str) -> list[Any]:
    return [one for one in logs if one["event"] == event]


class Plain:
    """A driver that does what a test says, once."""

    name = "plain"

    def __init__(self, work: Callable[[Sink], Coroutine[Any, Any, None]]) -> None:
        self._work = work

    async def run(self, sink: Sink) -> None:
        await self._work(sink)

    async def check(self, timeout_s: float) -> AsyncIterator[DeviceReport]:
        raise RuntimeError(SECRET)
        yield DeviceReport("never", ok=True, text=f"{timeout_s:g}")


async def work(sink: Sink) -> None:
    del sink
    await asyncio.Event().wait()


async def fail(sink: Sink) -> None:
    del sink
    raise RuntimeError(SECRET)
