"""The drivers that run: which source each one reads, and how some are changed while the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import structlog

from device_profiles.registry import ProfileNotFoundError, WrongTransportError
from edge_agent.counters import Counters, DriverCounters
from edge_agent.drivers import Driver, DriverMaker, Sink
from edge_agent.drivers.settings import Source
from edge_agent.failing_drivers import FailingFile, FailingKeeper
from edge_agent.supervision import Supervisor
from foundation.faults import kind_of, where_of
from foundation.keyfiles import KeyFileError
from foundation.plugins import PluginError
from foundation.tomlfile import FileProblems

_MENDABLE: Final = (PluginError, KeyFileError, FileProblems, ProfileNotFoundError, WrongTransportError)
"""Why a driver cannot be made, in words for who has written the configuration."""

log = structlog.get_logger()


class DriverFaultError(Exception):
    """A driver could not be made. The message names its section and the kind of fault."""


class Change(NamedTuple):
    """The difference between what runs and what shall: drivers by section, made but not started."""

    sources: Mapping[str, Source]
    new: Mapping[str, Driver | None]
    """None: to be tried again."""
    gone: frozenset[str]
    """Changed ones are in both."""


class RunningDrivers:
    """Starts, stops and changes drivers; a source that stays the same keeps its driver.

    A driver that fails is started again alone (`supervision`), stands in `file` until it is well, and `failed`
    is told its section and the kind of fault.
    """

    def __init__(self, maker: DriverMaker, counters: Counters, file: FailingFile) -> None:
        self._maker = maker
        self._counters = counters
        self._keeper = FailingKeeper(file, counters.drivers)
        self._keeping: asyncio.Task[None] | None = None
        self._sources: dict[str, Source] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._begin: Callable[[str, Source, Driver | None], asyncio.Task[None]] | None = None
        self.failed: Callable[[str, str], None] = lambda _section, _kind: None
        """Set before a driver begins."""

    def __len__(self) -> int:
        return len(self._tasks)

    def enter(self, group: asyncio.TaskGroup, sink: Sink) -> None:
        """Where the drivers are to run, and what they give their readings to."""

        def begin(section: str, source: Source, driver: Driver | None) -> asyncio.Task[None]:
            figures = self._counters.drivers.setdefault(source.name, DriverCounters())
            figures.failing = False  # what has failed was another one
            supervisor = Supervisor(
                section,
                lambda: self._maker.make(section, source),
                figures,
                self._told,
            )
            return group.create_task(supervisor.run(sink, driver), name=f"supervisor-{source.name}")

        self._begin = begin
        self._keeping = group.create_task(self._keeper.run(), name="failing-drivers")

    def _told(self, section: str, kind: str | None) -> None:
        self._keeper.changed()
        if kind is not None:
            self.failed(section, kind)

    def prepare(self, wanted: Mapping[str, Source], *, at_start: bool = False) -> Change:
        """What would have to change, its drivers made; nothing is changed yet. at_start: where the program
        fails to make a driver, the others are not to wait for it. Raises DriverFaultError.
        """
        before = self._sources
        new: dict[str, Driver | None] = {}
        for section, source in wanted.items():
            if before.get(section) != source:
                try:
                    new[section] = self._maker.make(section, source)
                except _MENDABLE as error:
                    raise DriverFaultError(f"{section}: {error}") from error
                except Exception as error:
                    kind, where = kind_of(error), where_of(error)
                    if at_start:
                        new[section] = None
                        continue
                    log.error("driver cannot be made", section=section, error=kind, where=where)
                    raise DriverFaultError(
                        f"{section}: its driver cannot be made ({kind}); the gateway's log has the place"
                    ) from error
        gone = frozenset(section for section in before if section in new or section not in wanted)
        return Change(dict(wanted), new, gone)

    async def stop_gone(self, change: Change) -> None:
        """Returns when what these drivers had begun is handed over; ports and connections are free then."""
        await self._end(change.gone)
        names = {source.name for source in change.sources.values()}
        for section in change.gone:
            if (name := self._sources.pop(section).name) not in names:
                self._counters.forget_driver(name)

    def start_new(self, change: Change) -> None:
        assert self._begin is not None, "`enter` has to be called first"
        for section, driver in change.new.items():
            self._tasks[section] = self._begin(section, change.sources[section], driver)
        self._sources = dict(change.sources)
        self._keeper.changed()

    async def stop(self) -> None:
        """Ends all of them."""
        await self._end(tuple(self._tasks))
        if self._keeping is not None:
            self._keeper.end()
            await asyncio.wait([self._keeping])

    async def _end(self, sections: Iterable[str]) -> None:
        tasks = [self._tasks.pop(section) for section in sections if section in self._tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
