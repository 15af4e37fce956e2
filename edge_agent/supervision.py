"""A driver under supervision: what it gets wrong ends it alone, and it is started again.

It is made anew each time, for nobody knows in which state a fault has left it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import structlog

from device_profiles.observations import CheckObservation, TapObservation
from edge_agent.counters import DriverCounters
from edge_agent.drivers import Driver, Sink
from foundation.backoff import Backoff
from foundation.faults import kind_of, where_of
from foundation.logs import FirstOnly
from telemetry.readings import Chunk

AGAIN_S_FIRST: Final = 1.0
AGAIN_S_MAX: Final = 300.0
WELL_AFTER_S: Final = 300.0
"""A driver that has worked so long since it failed is well again: the longest wait between two tries."""
STOP_S_MAX: Final = 20.0
"""A driver that does not end when it is told to is left behind; the others do not wait for it."""
FAULTS_MAX: Final = 8
"""Different faults of a driver that are told before it is well again."""

log = structlog.get_logger()


class _Fault(NamedTuple):
    """How a driver ended, without the words of its error. where: in the code, if anywhere."""

    kind: str
    where: str = ""


class Supervisor:
    """Of one driver. section: as `sources_of` names it. make: a new driver; may raise anything.

    told: hears the section and the kind of each fault; None for one that is well again.
    """

    def __init__(
        self,
        section: str,
        make: Callable[[], Driver],
        figures: DriverCounters,
        told: Callable[[str, str | None], None],
    ) -> None:
        self._section = section
        self._make = make
        self._figures = figures
        self._tell = told
        self._backoff = Backoff(AGAIN_S_FIRST, AGAIN_S_MAX)
        self._reported = FirstOnly(FAULTS_MAX)

    async def run(self, sink: Sink, driver: Driver | None) -> None:
        """Until cancelled. driver: the one to begin with; None: it could not be made. Raises only what the
        sink has raised: that is a fault of the gateway, not of the driver that met it.
        """
        while True:
            fault = await self._attempt(sink, driver)
            driver = None
            self._figures.failures += 1
            self._figures.failing = True
            self._figures.error, self._figures.where = fault
            again_s = self._backoff.delay_s()
            say = log.error if self._reported.first(fault) else log.debug
            say("driver failed, it is started again", **self._words(fault), again_s=round(again_s, 1))
            self._tell(self._section, fault.kind)
            await asyncio.sleep(again_s)

    async def _attempt(self, sink: Sink, driver: Driver | None) -> _Fault:
        """How the driver has failed."""
        handed = _Handed(sink)
        # In a task of its own: what it does to its task, such as cancelling it, is its own affair.
        name = f"driver-{self._section.partition('/')[2]}"
        task = asyncio.create_task(self._run(handed, driver), name=name)
        well = asyncio.get_running_loop().call_later(WELL_AFTER_S, self._well)
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError:
            await self._stop(task)
            if handed.fault is None:
                raise
        finally:
            well.cancel()
        if handed.fault is not None:
            raise handed.fault
        return task.result()

    async def _run(self, handed: _Handed, driver: Driver | None) -> _Fault:
        handed.task = asyncio.current_task()
        try:
            await (driver or self._make()).run(handed)
        except asyncio.CancelledError:
            return _Fault("it cancelled itself")
        except (Exception, SystemExit) as error:  # noqa: BLE001  # the supervising boundary of drivers
            return _Fault(kind_of(error), where_of(error))
        return _Fault("it returned")

    async def _stop(self, task: asyncio.Task[_Fault]) -> None:
        task.cancel()
        ended, _ = await asyncio.wait({task}, timeout=STOP_S_MAX)
        if not ended:
            log.error("driver does not stop, it is left behind", section=self._section)
        elif not task.cancelled() and (fault := task.result()).where:
            log.warning("driver failed as it was stopped", **self._words(fault))

    def _words(self, fault: _Fault) -> dict[str, str]:
        return {"section": self._section, "error": fault.kind, "where": fault.where}

    def _well(self) -> None:
        self._backoff.reset()
        if self._figures.failing:
            self._figures.failing = False
            self._reported = FirstOnly(FAULTS_MAX)
            log.info("driver is well again", section=self._section, failures=self._figures.failures)
            self._tell(self._section, None)


class _Handed:
    """The sink as a driver is given it: a fault behind it ends the driver, which may take every error for its
    own.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.task: asyncio.Task[object] | None = None
        self.fault: Exception | None = None

    def readings(self, chunk: Chunk) -> None:
        with self._watched():
            self._sink.readings(chunk)

    def check(self, observation: CheckObservation) -> None:
        with self._watched():
            self._sink.check(observation)

    def tap(self, observation: TapObservation) -> None:
        with self._watched():
            self._sink.tap(observation)

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        with self._watched():
            self._sink.refused(device, reason, size_bytes)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.fault = self.fault or error
            if self.task is not None:
                self.task.cancel()
            raise
