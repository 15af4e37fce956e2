"""Reads cards from the OSDP readers of one line, over the secure channel only."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

import structlog

from device_profiles.observations import CheckObservation, TapObservation
from edge_agent.clock import Clock
from edge_agent.counters import Counters, DeviceCounters
from edge_agent.drivers.contract import DeviceReport, Sink
from edge_agent.drivers.osdp.config import OsdpReader, OsdpSource
from edge_agent.drivers.serial.port import PortAwayError, PortSettings, SerialPort
from edge_agent.drivers.taps import HeldCards
from firmware_bridges.osdp_keys import load_key
from firmware_bridges.osdp_panel import REFRESH_S, CardRead, Panel, ReaderSettings
from foundation.backoff import Backoff
from telemetry.readings import Chunk

log = structlog.get_logger()

UNREAD_BYTES_MAX: Final = 512
SEEN_INTERVAL_S: Final = 1.0
"""A reader in a secure channel answers many times a second; so often it is noted that it did."""


class OsdpDriver:
    """One line: opens its port again whenever it was lost, and begins a new panel each time."""

    def __init__(self, source: OsdpSource, *, clock: Clock, counters: Counters) -> None:
        """Raises KeyFileError."""
        self.name = source.name
        self._source = source
        self._clock = clock
        self._counters = counters
        self._settings = [ReaderSettings(one.address, load_key(one.key_file)) for one in source.readers]
        for one in source.readers:
            counters.devices.setdefault(one.id, DeviceCounters())

    async def run(self, sink: Sink) -> None:
        log.info(
            "panel of card readers", driver=self.name, port=self._source.port, readers=len(self._settings)
        )
        backoff, away = Backoff(), False
        held = HeldCards()
        while True:
            line = _Line(self._source, self._settings, self._clock, self._counters, sink, held)
            try:
                await line.open()
                backoff.reset()
                if away:
                    away = False
                    log.info("port is there again", driver=self.name)
                await line.work()
            except PortAwayError as error:
                say = log.debug if away else log.warning
                say("port is away, trying again", driver=self.name, reason=str(error))
                away = True
            finally:
                await line.close()
            await asyncio.sleep(backoff.delay_s())

    async def check(self, timeout_s: float) -> AsyncIterator[DeviceReport]:
        # Apart from what runs, so that nothing of it is counted there.
        line = _Line(self._source, self._settings, self._clock, Counters(), _Nobody(), HeldCards())
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        waiting = list(zip(self._source.readers, line.panel.readers, strict=True))
        try:
            await line.open()
            while waiting and loop.time() < deadline_s:
                await line.step()
                for pair in [pair for pair in waiting if pair[1].secure]:
                    waiting.remove(pair)
                    yield DeviceReport(pair[0].id, ok=True, text="in a secure channel")
        except PortAwayError as error:
            for configured, _ in waiting:
                yield DeviceReport(configured.id, ok=False, text=f"{self._source.port}: {error}")
            return
        finally:
            await line.close()
        for configured, reader in waiting:
            text = "answers, but its key is another one" if reader.refused else "does not answer"
            yield DeviceReport(configured.id, ok=False, text=text)


class _Line:
    """One opening of the port, with its panel."""

    def __init__(
        self,
        source: OsdpSource,
        settings: list[ReaderSettings],
        clock: Clock,
        counters: Counters,
        sink: Sink,
        held: HeldCards,
    ) -> None:
        self._source = source
        self._clock = clock
        self._counters = counters
        self._sink = sink
        self._held = held
        self._unread = bytearray()
        self._stirred = asyncio.Event()
        self._port = SerialPort(PortSettings(source.port), self._hear, self._stirred.set)
        loop = asyncio.get_running_loop()
        self._now_s = loop.time
        self.panel = Panel(settings, self, card=self._card, now_s=loop.time)
        self._readers = {one.address: one for one in source.readers}
        self._states = [
            _State(self._readers[reader.address], self._of(reader.address)) for reader in self.panel.readers
        ]

    def _of(self, address: int) -> DeviceCounters:
        return self._counters.devices.setdefault(self._readers[address].id, DeviceCounters())

    async def open(self) -> None:
        """Raises PortAwayError."""
        await self._port.open(self._source.baud)

    async def close(self) -> None:
        for state in self._states:
            state.counters.silent = True
        await self._port.close()

    async def work(self) -> None:
        """Raises PortAwayError when the port is lost."""
        while True:
            await self.step()

    async def step(self) -> None:
        """Lets the panel do what is due, and waits for the next time or for bytes."""
        self._port.ensure_there()
        self.panel.refresh()
        self._note()
        try:
            async with asyncio.timeout(REFRESH_S):
                await self._stirred.wait()
        except TimeoutError:
            pass
        self._stirred.clear()

    def read(self, count: int) -> bytes:
        data = bytes(self._unread[:count])
        del self._unread[:count]
        return data

    def write(self, data: bytes) -> int:
        try:
            self._port.write(data)
        except PortAwayError:
            # Told by the next step; libosdp has no use for it.
            self._unread.clear()
        return len(data)

    def _hear(self, data: bytes) -> None:
        self._unread += data
        del self._unread[:-UNREAD_BYTES_MAX]
        self._stirred.set()

    def _card(self, card: CardRead) -> None:
        reader = self._readers[card.address]
        self._counters.messages_in += 1
        tap = TapObservation(self._clock.now_ms(), reader.id, reader.place, card.credential, reader.door)
        if self._held.is_new(tap):
            self._sink.tap(tap)

    def _note(self) -> None:
        now_s = self._now_s()
        for state, reader in zip(self._states, self.panel.readers, strict=True):
            name, counters = state.configured.id, state.counters
            if reader.secure and now_s - state.seen_s >= SEEN_INTERVAL_S:
                state.seen_s = now_s
                counters.last_seen_ms = self._clock.now_ms()
            if reader.secure != state.secure:
                state.secure = reader.secure
                counters.silent = not reader.secure
                counters.quarantines += not reader.secure
                say = log.info if reader.secure else log.warning
                say(
                    "reader is secure" if reader.secure else "reader lost",
                    driver=self._source.name,
                    device=name,
                )
            for _ in range(reader.refused - state.refused):
                counters.exceptions += 1
                self._sink.refused(name, "secure_channel_refused", 0)
            state.refused = reader.refused
            for reason, count in (reader.bad_cards - state.bad_cards).items():
                for _ in range(count):
                    self._sink.refused(name, reason, 0)
            state.bad_cards = reader.bad_cards.copy()


class _State:
    """What has been told of a reader."""

    def __init__(self, configured: OsdpReader, counters: DeviceCounters) -> None:
        self.configured = configured
        self.counters = counters
        self.secure = False
        self.seen_s = float("-inf")
        self.refused = 0
        self.bad_cards: Counter[str] = Counter()


class _Nobody:
    """A sink for `check`: a card that is held to a reader meanwhile is nobody's business."""

    def readings(self, chunk: Chunk) -> None: ...

    def check(self, observation: CheckObservation) -> None: ...

    def tap(self, observation: TapObservation) -> None: ...

    def refused(self, device: str, reason: str, size_bytes: int) -> None: ...
