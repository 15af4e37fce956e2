"""The scheduler of one bus: one request at a time, every device in its rhythm, commands first."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

import structlog

from device_profiles.modbus import RegisterRead
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.contract import Sink
from edge_agent.drivers.modbus import requests
from edge_agent.drivers.modbus.device import PROBE_CYCLES, PolledDevice
from edge_agent.drivers.modbus.late import LateReplies
from edge_agent.drivers.modbus.link import BusAwayError, Link, NoReplyError, NotTakenError, RefusedError
from edge_agent.drivers.modbus.requests import Request
from foundation.backoff import Backoff
from telemetry.readings import Chunk

log = structlog.get_logger()

COMMANDS_MAX: Final = 16
"""Commands that may wait for the bus."""
SPLIT_CODES: Final = (2, 3, 4)
"""Exceptions with which devices refuse a read that is too long or has a hole in it."""


class BusBusyError(Exception):
    """Too many commands wait already."""


class HeldBackError(NoReplyError):
    """Not asked: an answer could not have been told from an earlier one that is still to come."""


class _Command(NamedTuple):
    device: PolledDevice
    request: Request
    done: asyncio.Future[None]


class Bus:
    """Polls the devices of one bus for ever, and reconnects when the bus has gone."""

    def __init__(
        self,
        name: str,
        link: Link,
        devices: Sequence[PolledDevice],
        *,
        timeout_s: float,
        clock: Clock,
        counters: Counters,
    ) -> None:
        self.name = name
        self.devices = devices
        self._link = link
        self._timeout_s = timeout_s
        self._clock = clock
        self._counters = counters
        self._late = LateReplies()
        self._commands: deque[_Command] = deque()
        self._wake = asyncio.Event()
        self._healthy_polls = 0
        self._told_refusals: set[tuple[str, int]] = set()
        self._answered = False
        self._away = False

    async def run(self, sink: Sink) -> None:
        backoff = Backoff()
        try:
            while True:
                self._answered = False
                try:
                    await self._link.open()
                    await self._work(sink)
                except BusAwayError as error:
                    if self._answered:
                        backoff.reset()
                    say = log.debug if self._away else log.warning
                    say("bus is away, trying again", driver=self.name, reason=str(error))
                    self._away = True
                    self._fail_commands(error)
                await self._link.close()
                await asyncio.sleep(backoff.delay_s())
        finally:
            self._fail_commands(BusAwayError("the gateway stops"))
            await self._link.close()

    async def command(self, device: PolledDevice, request: Request) -> None:
        """Writes, before the next read. Raises BusBusyError, and LinkError when it did not work."""
        if len(self._commands) >= COMMANDS_MAX:
            raise BusBusyError(f"{COMMANDS_MAX} commands wait for {self.name} already")
        if not self._link.is_open:
            raise BusAwayError("the bus is away")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._commands.append(_Command(device, request, done))
        self._wake.set()
        await done

    async def poll_once(self, device: PolledDevice, sink: Sink) -> None:
        """One poll out of turn, for `check`. Raises BusAwayError."""
        if not self._link.is_open:
            await self._link.open()
        await self._poll(device, sink)

    async def close(self) -> None:
        await self._link.close()

    async def _work(self, sink: Sink) -> None:
        loop = asyncio.get_running_loop()
        for device in self.devices:
            device.start(loop.time())
        while True:
            await self._obey()
            device = self._next(loop.time())
            wait_s = device.due_s - loop.time()
            if wait_s > 0:
                await self._rest(wait_s)
                continue
            await self._poll(device, sink)
            device.schedule(loop.time())

    async def _rest(self, wait_s: float) -> None:
        """Until the time is over, or a command comes."""
        self._wake.clear()
        if self._commands:
            return
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            return

    def _next(self, now_s: float) -> PolledDevice:
        """The device that has waited longest; one in quarantine when the bus can afford it."""
        devices = [device for device in self.devices if not device.quarantined]
        healthy = len(devices)
        busy = any(device.due_s <= now_s for device in devices)
        for device in self.devices:
            if device.quarantined:
                polls = self._healthy_polls - device.healthy_polls_at_probe
                if not busy or polls >= PROBE_CYCLES * healthy:
                    devices.append(device)
        return min(devices, key=lambda device: device.due_s)

    async def _poll(self, device: PolledDevice, sink: Sink) -> None:
        """Asks for all that a device gives; hands over what came, also when it was not all."""
        device.counters.polls += 1
        device.healthy_polls_at_probe = self._healthy_polls
        chunk = Chunk()
        try:
            for read in tuple(device.plan):
                await self._read(device, read, chunk, sink)
                await self._obey()
        except HeldBackError:
            device.counters.missed += 1
        except NoReplyError as error:
            device.failed(garbled=error.garbled)
        finally:
            if chunk:
                sink.readings(chunk)
        if not device.quarantined:
            self._healthy_polls += 1

    async def _read(self, device: PolledDevice, read: RegisterRead, chunk: Chunk, sink: Sink) -> None:
        try:
            await self._ask_and_decode(device, read, chunk, sink)
        except RefusedError as error:
            parts = device.decoder.split(read) if error.code in SPLIT_CODES else ()
            if not parts:
                self._refused(device, read, error, sink)
                return
            answered = False
            for part in parts:
                try:
                    await self._ask_and_decode(device, part, chunk, sink)
                    answered = True
                except RefusedError as smaller:
                    # Smaller still at the next poll, if this was of any use.
                    self._refused(device, part, smaller, sink)
            if answered or any(device.decoder.split(part) for part in parts):
                device.split(read, parts)

    async def _ask_and_decode(
        self, device: PolledDevice, read: RegisterRead, chunk: Chunk, sink: Sink
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            body = await self._ask(device.unit, read)
        except RefusedError:
            device.answered(loop.time(), self._clock.now_ms())
            raise
        time_ms, now_s = self._clock.now_ms(), loop.time()
        device.answered(now_s, time_ms)
        values = requests.values(requests.read(read.fc, read.address, read.count), body)[: read.count]
        for reason in device.decoder.decode(
            read, values, time_ms, chunk, warming_up=device.warming_up(now_s)
        ):
            sink.refused(device.id, reason, len(body))

    async def _ask(self, unit: int, read: RegisterRead) -> bytes:
        """The body of the reply to a read, and surely to this one."""
        request = requests.read(read.fc, read.address, read.count)
        if not self._link.numbered:
            now_s = asyncio.get_running_loop().time()
            if self._late.could_pass(unit, request, now_s):
                probe = self._late.distinct(unit, read, now_s)
                if probe is None:
                    raise HeldBackError("an earlier answer may still be on its way")
                await self._exchange(unit, probe)
        return await self._exchange(unit, request)

    async def _exchange(self, unit: int, request: Request) -> bytes:
        loop = asyncio.get_running_loop()
        try:
            body = await self._link.exchange(unit, request, self._timeout_s)
        except NoReplyError:
            self._late.unanswered(unit, request, loop.time())
            raise
        except RefusedError:
            if not self._link.numbered and self._late.is_suspect(unit, loop.time()):
                # A refusal has no shape of its own: it may be the answer to an earlier request.
                self._late.unanswered(unit, request, loop.time())
                raise NoReplyError("a refusal that may be late", garbled=True) from None
            self._heard()
            raise
        if not self._late.could_pass(unit, request, loop.time()):
            self._late.answered(unit)
        self._heard()
        return body

    def _heard(self) -> None:
        self._answered = True
        self._counters.messages_in += 1
        if self._away:
            self._away = False
            log.info("bus is there again", driver=self.name)

    def _refused(self, device: PolledDevice, read: RegisterRead, error: RefusedError, sink: Sink) -> None:
        device.counters.exceptions += 1
        sink.refused(device.id, f"modbus_exception_{error.code}", 0)
        first = (device.id, error.code) not in self._told_refusals
        self._told_refusals.add((device.id, error.code))
        say = log.warning if first else log.debug
        say("device refuses", driver=self.name, device=device.id, read=str(read), reason=str(error))

    async def _obey(self) -> None:
        """Carries out the commands that wait now; those that come meanwhile wait for one poll."""
        for _ in range(len(self._commands)):
            command = self._commands.popleft()
            if command.done.done():
                continue
            try:
                await self._write(command.device.unit, command.request)
            except (NoReplyError, RefusedError, NotTakenError) as error:
                _settle(command.done, error)
            except BusAwayError as error:
                _settle(command.done, error)
                raise
            else:
                _settle(command.done, None)
            finally:
                _settle(command.done, BusAwayError("the gateway stops"))

    async def _write(self, unit: int, request: Request) -> None:
        now_s = asyncio.get_running_loop().time()
        several = request.fc in {requests.WRITE_COILS, requests.WRITE_REGISTERS}
        # Their reply does not tell the values; that of the others does.
        if several and not self._link.numbered and self._late.could_pass(unit, request, now_s):
            raise HeldBackError("the answer to an earlier write may still be on its way")
        body = await self._exchange(unit, request)
        if request.fc == requests.READ_WRITE_REGISTERS and not requests.took(request, body):
            raise NotTakenError("the device holds another value than was written")

    def _fail_commands(self, error: BusAwayError) -> None:
        while self._commands:
            _settle(self._commands.popleft().done, error)


def _settle(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
