"""Connections: devices whose values do not stand in their advertisements, each in its turn."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Final

import structlog
from bleak import BleakClient
from bleak.exc import BleakCharacteristicNotFoundError, BleakGATTProtocolError

from device_profiles.ble import Characteristic
from edge_agent.drivers.ble.bluez import FOREIGN
from edge_agent.drivers.ble.hearing import Hearing
from edge_agent.drivers.ble.turns import Seat, Turns
from edge_agent.drivers.contract import Sink
from foundation.logs import FirstOnly

log = structlog.get_logger()

CONNECT_S_MAX: Final = 15.0
ANSWER_S_MAX: Final = 5.0
DISCONNECT_S_MAX: Final = 5.0
LOOK_S: Final = 0.5
"""How often a turn looks whether it should end."""
KEEP_S: Final = 30.0
"""A device that is read less often than this is left alone in between."""
READ: Final = "read"
NOTIFY: Final = "notify"


class _LinkEndedError(Exception):
    """The connection has gone, or is of no use; the word says which."""


class Links:
    """Gives every device that wants a connection one in its turn, until cancelled."""

    def __init__(
        self, driver: str, adapter: str, turns: Turns, hearing: Hearing, sink: Sink, *, silent_s: float
    ) -> None:
        self._driver = driver
        self._adapter = adapter
        self._turns = turns
        self._hearing = hearing
        self._sink = sink
        self._silent_s = silent_s
        self._reported = FirstOnly()
        self._wake = asyncio.Event()
        # Adapters set up one connection at a time; BlueZ refuses a second attempt in between.
        self._connecting = asyncio.Lock()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                while (seat := self._turns.next(loop.time())) is not None:
                    self._turns.begin(seat, loop.time())
                    group.create_task(self._sit(seat), name=f"ble-link-{seat.device.id}")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._wake.wait()

    async def _sit(self, seat: Seat) -> None:
        """One turn, from the attempt to the end, however it ends."""
        loop, device = asyncio.get_running_loop(), seat.device
        rest_s = 0.0
        try:
            rest_s = await self._turn(seat)
        except _LinkEndedError as error:
            device.counters.timeouts += 1
            rest_s = seat.backoff.delay_s()
            say = log.info if self._reported.first((device.id, "away")) else log.debug
            say("no connection, trying again", driver=self._driver, device=device.id, reason=str(error))
        finally:
            seat.left_s = loop.time()
            self._turns.end(seat, loop.time(), rest_s)
            self._wake.set()

    async def _turn(self, seat: Seat) -> float:
        """Gives the seconds until the device wants the next turn. Raises _LinkEndedError."""
        device = seat.device
        assert device.peer is not None, "it is ready only when it was heard"
        lost = asyncio.Event()
        client = BleakClient(
            device.peer,
            disconnected_callback=lambda _: lost.set(),
            timeout=CONNECT_S_MAX,
            bluez={"adapter": self._adapter},
        )
        try:
            async with self._connecting, asyncio.timeout(CONNECT_S_MAX):
                await client.connect()
        except FOREIGN as error:
            raise _LinkEndedError(f"cannot connect: {_kind(error)}") from error
        try:
            return await self._use(seat, client, lost)
        finally:
            with contextlib.suppress(*FOREIGN):
                async with asyncio.timeout(DISCONNECT_S_MAX):
                    await client.disconnect()

    async def _use(self, seat: Seat, client: BleakClient, lost: asyncio.Event) -> float:
        loop, device = asyncio.get_running_loop(), seat.device
        heard = _Heard(loop.time())
        notified = 0
        for row in device.decoder.characteristics:
            if row.mode == NOTIFY:
                notified += await self._subscribe(seat, client, row, heard)
        due_s = {row: loop.time() for row in device.decoder.characteristics if row.mode == READ}
        end_s = loop.time() + seat.turn_s
        while not lost.is_set():
            for row in [row for row, at_s in due_s.items() if at_s <= loop.time()]:
                await self._read(seat, client, row, heard)
                due_s[row] = loop.time() + row.interval_s
            if heard.at_s > heard.since_s:
                self._well(seat)
            now_s = loop.time()
            next_read_s = min(due_s.values(), default=None)
            if next_read_s is not None and not notified:
                rest_s = next_read_s - now_s
                if rest_s >= KEEP_S or (rest_s > 0 and self._turns.somebody_waits(now_s)):
                    return rest_s
            if now_s >= end_s and self._turns.somebody_waits(now_s):
                return 0.0
            if now_s - heard.at_s > self._silent_s and (notified or next_read_s is None):
                raise _LinkEndedError("connected, but nothing comes")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await lost.wait()
        raise _LinkEndedError("the connection was lost")

    def _well(self, seat: Seat) -> None:
        seat.backoff.reset()
        if self._reported.forget((seat.device.id, "away")):
            log.info("connected again", driver=self._driver, device=seat.device.id)

    async def _subscribe(self, seat: Seat, client: BleakClient, row: Characteristic, heard: _Heard) -> bool:
        """Whether notifications of this characteristic will come."""
        take = partial(self._take, seat, row.uuid, heard)
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                await client.start_notify(row.uuid, lambda _, data: take(bytes(data)))
        except (BleakGATTProtocolError, BleakCharacteristicNotFoundError) as error:
            self._refused(seat, error)
            return False
        except FOREIGN as error:
            raise _LinkEndedError(f"no notifications: {_kind(error)}") from error
        return True

    async def _read(self, seat: Seat, client: BleakClient, row: Characteristic, heard: _Heard) -> None:
        seat.device.counters.polls += 1
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                data = await client.read_gatt_char(row.uuid)
        except (BleakGATTProtocolError, BleakCharacteristicNotFoundError) as error:
            self._refused(seat, error)
        except FOREIGN as error:
            raise _LinkEndedError(f"no answer: {_kind(error)}") from error
        else:
            self._take(seat, row.uuid, heard, bytes(data))

    def _take(self, seat: Seat, uuid: str, heard: _Heard, data: bytes) -> None:
        heard.at_s = asyncio.get_running_loop().time()
        self._hearing.value(seat.device, uuid, data)

    def _refused(self, seat: Seat, error: BleakGATTProtocolError | BleakCharacteristicNotFoundError) -> None:
        """The device lives, but does not give this value."""
        device = seat.device
        device.counters.exceptions += 1
        reason = "no_such_characteristic"
        if isinstance(error, BleakGATTProtocolError):
            reason = f"gatt_error_0x{error.code:02x}"
        self._sink.refused(device.id, reason, 0)


class _Heard:
    """When a value came last within one connection."""

    def __init__(self, since_s: float) -> None:
        self.since_s = since_s
        self.at_s = since_s


def _kind(error: BaseException) -> str:
    """What went wrong in a fixed word: the texts of bleak name addresses."""
    return type(error).__name__
