"""The drivers that run: which source each one reads, and how some are changed while the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import structlog

from edge_agent.drivers import Driver, DriverMaker, Sink
from foundation.plugins import PluginError

if TYPE_CHECKING:
    from edge_agent.config import Source

log = structlog.get_logger()


class DriverFaultError(Exception):
    """A driver could not be made. The message names its section and the kind of fault."""


class Change(NamedTuple):
    """The difference between what runs and what shall: drivers by section, made but not started."""

    sources: Mapping[str, Source]
    new: Mapping[str, Driver]
    gone: frozenset[str]
    """Changed ones are in both."""


class RunningDrivers:
    """Starts, stops and changes drivers; a source that stays the same keeps its driver.

    A driver that ends with an error is a fault of the program: `excused` is asked whether it is told of
    and left at that; otherwise it ends the gateway, as any task of the group does.
    """

    def __init__(self, maker: DriverMaker) -> None:
        self._maker = maker
        self._sources: dict[str, Source] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._begin: Callable[[str, Driver], asyncio.Task[None]] | None = None
        self.excused: Callable[[str, Exception], bool] = lambda _section, _error: False

    def __len__(self) -> int:
        return len(self._tasks)

    def enter(self, group: asyncio.TaskGroup, sink: Sink) -> None:
        """Where the drivers are to run, and what they give their readings to."""

        def begin(section: str, driver: Driver) -> asyncio.Task[None]:
            return group.create_task(self._run(section, driver, sink), name=f"driver-{driver.name}")

        self._begin = begin

    async def _run(self, section: str, driver: Driver, sink: Sink) -> None:
        try:
            await driver.run(sink)
        except Exception as error:
            if not self.excused(section, error):
                raise
            log.exception("driver ended by a fault", section=section)

    def prepare(self, wanted: Mapping[str, Source]) -> Change:
        """What would have to change, its drivers made; nothing is changed yet. A driver that has ended is
        made anew. Raises DriverFaultError.
        """
        before = self._sources
        new: dict[str, Driver] = {}
        for section, source in wanted.items():
            task = self._tasks.get(section)
            if before.get(section) != source or (task is not None and task.done()):
                try:
                    new[section] = self._maker.make(section, source)
                except PluginError as error:
                    raise DriverFaultError(f"{section}: {error}") from error
                except Exception as error:
                    log.exception("driver cannot be made", section=section)
                    raise DriverFaultError(
                        f"{section}: its driver cannot be made ({type(error).__name__}); the gateway's log "
                        "has the place"
                    ) from error
        gone = frozenset(section for section in before if section in new or section not in wanted)
        return Change(dict(wanted), new, gone)

    async def stop_gone(self, change: Change) -> None:
        """Returns when what these drivers had begun is handed over; ports and connections are free then."""
        await self._end(change.gone)
        self._sources = {name: one for name, one in self._sources.items() if name not in change.gone}

    def start_new(self, change: Change) -> None:
        assert self._begin is not None, "`enter` has to be called first"
        for section, driver in change.new.items():
            self._tasks[section] = self._begin(section, driver)
        self._sources = dict(change.sources)

    async def stop(self) -> None:
        """Ends all of them."""
        await self._end(tuple(self._tasks))

    async def _end(self, sections: Iterable[str]) -> None:
        tasks = [self._tasks.pop(section) for section in sections if section in self._tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
