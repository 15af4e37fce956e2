"""Reads the boards behind one serial port, each through its profile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final

import structlog

from device_profiles.observations import CheckObservation, TapObservation
from device_profiles.registry import Catalogue
from edge_agent.clock import Clock
from edge_agent.counters import Counters, DeviceCounters
from edge_agent.drivers.contract import DeviceReport, Sink
from edge_agent.drivers.serial.board import Board
from edge_agent.drivers.serial.config import SerialSource, bind_device
from edge_agent.drivers.serial.port import PortAwayError, PortSettings
from edge_agent.drivers.serial.session import Session
from edge_agent.drivers.serial.speeds import SpeedTrial
from foundation.backoff import Backoff
from telemetry.readings import Chunk, SeriesTable

log = structlog.get_logger()

PATIENCE_S: Final = 4.0
"""How long a speed is tried on a line that says nothing; boards that speak do so every second or two."""


class SerialDriver:
    """One port: opens it again whenever it was lost, at the speed that was right."""

    def __init__(
        self,
        source: SerialSource,
        *,
        catalogue: Catalogue,
        table: SeriesTable,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self.name = source.name
        self._source = source
        self._catalogue = catalogue
        self._table = table
        self._clock = clock
        self._counters = counters
        self._boards = self._make_boards(counters)
        self._speeds = self._make_trial(self._boards)
        self.is_open = False

    async def run(self, sink: Sink) -> None:
        log.info("listening on a port", driver=self.name, port=self._source.port, devices=len(self._boards))
        backoff, away = Backoff(), False
        session = self._session(self._boards, self._speeds, self._counters, sink)
        while True:
            try:
                await session.open()
                self.is_open = True
                backoff.reset()
                if away:
                    away = False
                    log.info("port is there again", driver=self.name)
                await session.work()
            except PortAwayError as error:
                say = log.debug if away else log.warning
                say("port is away, trying again", driver=self.name, reason=str(error))
                away = True
            finally:
                self.is_open = False
                await session.close()
            await asyncio.sleep(backoff.delay_s())

    async def check(self, timeout_s: float) -> AsyncIterator[DeviceReport]:
        # Apart from what runs, so that nothing of it is counted there.
        counters, heard = Counters(), _Heard(self._table)
        boards = self._make_boards(counters)
        session = self._session(boards, self._make_trial(boards), counters, heard)
        waiting = {board.id: board for board in boards}
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        working = asyncio.create_task(_open_and_work(session), name=f"check-{self.name}")
        try:
            while waiting and not working.done() and loop.time() < deadline_s:
                await heard.wait(working, deadline_s - loop.time())
                for name in [name for name in waiting if name in heard.told]:
                    del waiting[name]
                    yield DeviceReport(name, ok=True, text=", ".join(heard.told[name]))
            away = _why_away(working)
            for board in waiting.values():
                yield self._silent_report(board, heard, away)
        finally:
            working.cancel()
            await asyncio.wait({working})
            await session.close()

    def _silent_report(self, board: Board, heard: _Heard, away: str | None) -> DeviceReport:
        if away is not None:
            return DeviceReport(board.id, ok=False, text=f"{self._source.port}: {away}")
        reasons = heard.reasons.get(board.id, set()) | heard.reasons.get("unknown", set())
        if reasons:
            return DeviceReport(board.id, ok=False, text="refused: " + ", ".join(sorted(reasons)))
        if board.only_speaks_of_people:
            return DeviceReport(board.id, ok=True, text="the port opens; nobody was there in this time")
        text = "does not answer" if board.is_asked else "says nothing"
        return DeviceReport(board.id, ok=False, text=text)

    def _make_boards(self, counters: Counters) -> list[Board]:
        return [
            Board(
                bind_device(device, self._catalogue, self._table),
                interval_s=device.interval_s,
                counters=counters.devices.setdefault(device.id, DeviceCounters()),
                driver=self.name,
            )
            for device in self._source.devices
        ]

    def _make_trial(self, boards: Sequence[Board]) -> SpeedTrial:
        spec = boards[0].decoder.spec
        candidates = spec.line.baud if self._source.baud is None else (self._source.baud,)
        return SpeedTrial(candidates, patience_s=None if spec.polls else PATIENCE_S)

    def _session(
        self, boards: Sequence[Board], speeds: SpeedTrial, counters: Counters, sink: Sink
    ) -> Session:
        source, line = self._source, boards[0].decoder.spec.line
        settings = PortSettings(source.port, source.parity or line.parity, source.stop_bits or line.stop_bits)
        return Session(self.name, settings, boards, speeds, clock=self._clock, counters=counters, sink=sink)


async def _open_and_work(session: Session) -> None:
    await session.open()
    await session.work()


def _why_away(working: asyncio.Task[None]) -> str | None:
    if not working.done() or working.cancelled():
        return None
    error = working.exception()
    if isinstance(error, PortAwayError):
        return str(error)
    if error is not None:
        raise error
    return None


class _Heard:
    """A sink that keeps what was heard of each device, to be shown; of people only that they came."""

    def __init__(self, table: SeriesTable) -> None:
        self.told: dict[str, list[str]] = {}
        self.reasons: dict[str, set[str]] = {}
        self._table = table
        self._stirred = asyncio.Event()

    async def wait(self, working: asyncio.Task[None], timeout_s: float) -> None:
        """Until more was heard, the work has ended, or the time is over."""
        self._stirred.clear()
        stirred = asyncio.create_task(self._stirred.wait(), name="check-heard")
        await asyncio.wait({working, stirred}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        stirred.cancel()

    def readings(self, chunk: Chunk) -> None:
        for one in chunk.readings(self._table):
            self._tell(one.series.device, f"{one.series.quantity} {one.value:g}")

    def check(self, observation: CheckObservation) -> None:
        self._tell(observation.device, "a morning check")

    def tap(self, observation: TapObservation) -> None:
        self._tell(observation.device, "a card")

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        del size_bytes
        self.reasons.setdefault(device, set()).add(reason)

    def _tell(self, device: str, text: str) -> None:
        self.told.setdefault(device, []).append(text)
        self._stirred.set()
