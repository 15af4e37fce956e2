"""Connections: devices whose values do not stand in their advertisements, each in its turn."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import Final

import structlog
from bleak import BleakClient
from bleak.exc import BleakDBusError, BleakGATTProtocolError

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
LOOK_S: Final = 0.2
"""How often a turn looks whether it should end."""
KEEP_S: Final = 30.0
"""A device that is read less often than this is left alone in between."""
READ: Final = "read"
FULL: Final = "connection-limit"
"""Within what BlueZ says when the adapter holds as many connections as it can."""


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
        self._connected = 0
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
            say("no connection, trying again", driver=self._driver, device=device.told_as, reason=str(error))
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
            if isinstance(error, BleakDBusError) and FULL in (error.dbus_error_details or ""):
                self._full()
            raise _LinkEndedError(f"cannot connect: {_kind(error)}") from error
        self._connected += 1
        try:
            return await self._use(seat, client, lost)
        finally:
            self._connected -= 1
            with contextlib.suppress(*FOREIGN):
                async with asyncio.timeout(DISCONNECT_S_MAX):
                    await client.disconnect()

    def _full(self) -> None:
        """The adapter holds fewer connections than configured: from now on so many take turns."""
        holds = max(self._connected, 1)
        if holds < self._turns.links_max:
            self._turns.links_max = holds
            log.warning(
                "the adapter holds fewer connections than links_max says: devices take turns",
                driver=self._driver,
                links=holds,
                gap_s=round(self._turns.gap_s),
            )

    async def _use(self, seat: Seat, client: BleakClient, lost: asyncio.Event) -> float:
        loop, device = asyncio.get_running_loop(), seat.device
        # A profile of a service knows more characteristics than any one device has.
        rows = [row for row in device.decoder.characteristics if _has(client, row)]
        if not rows:
            self._sink.refused(device.told_as, "no_known_characteristic", 0)
            return KEEP_S
        session = _Session(loop.time(), seat.turn_s)
        for row in rows:
            if row.mode == READ:
                session.due_s[row] = loop.time()
            else:
                session.notified |= await self._subscribe(seat, client, row, session)
        while not lost.is_set():
            for row in session.due(loop.time()):
                await self._read(seat, client, row, session)
                session.due_s[row] = loop.time() + row.interval_s
            if seat.gone:
                return 0.0
            if session.heard_s > session.since_s:
                self._well(seat)
            if (rest_s := self._rest_s(session, loop.time())) is not None:
                return rest_s
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await lost.wait()
        raise _LinkEndedError("the connection was lost")

    def _rest_s(self, session: _Session, now_s: float) -> float | None:
        """Seconds until the next turn where this one should end; None where it should not.

        Raises _LinkEndedError for a connection that is of no use.
        """
        waits = self._turns.somebody_waits(now_s)
        if not session.notified and session.due_s:
            rest_s = min(session.due_s.values()) - now_s
            return rest_s if rest_s >= KEEP_S or (rest_s > 0 and waits) else None
        if now_s >= session.end_s and waits:
            return 0.0
        if now_s - session.heard_s > self._silent_s:
            raise _LinkEndedError("connected, but nothing comes")
        return None

    def _well(self, seat: Seat) -> None:
        seat.backoff.reset()
        if self._reported.forget((seat.device.id, "away")):
            log.info("connected again", driver=self._driver, device=seat.device.told_as)

    async def _subscribe(
        self, seat: Seat, client: BleakClient, row: Characteristic, session: _Session
    ) -> bool:
        """Whether notifications of this characteristic will come."""
        take = partial(self._take, seat, row.uuid, session)
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                await client.start_notify(row.uuid, lambda _, data: take(bytes(data)))
        except BleakGATTProtocolError as error:
            self._refused(seat, error)
            return False
        except FOREIGN as error:
            raise _LinkEndedError(f"no notifications: {_kind(error)}") from error
        return True

    async def _read(self, seat: Seat, client: BleakClient, row: Characteristic, session: _Session) -> None:
        seat.device.counters.polls += 1
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                data = await client.read_gatt_char(row.uuid)
        except BleakGATTProtocolError as error:
            self._refused(seat, error)
        except FOREIGN as error:
            raise _LinkEndedError(f"no answer: {_kind(error)}") from error
        else:
            self._take(seat, row.uuid, session, bytes(data))

    def _take(self, seat: Seat, uuid: str, session: _Session, data: bytes) -> None:
        session.heard_s = asyncio.get_running_loop().time()
        self._hearing.value(seat.device, uuid, data)

    def _refused(self, seat: Seat, error: BleakGATTProtocolError) -> None:
        """The device lives, but does not give this value."""
        seat.device.counters.exceptions += 1
        self._sink.refused(seat.device.told_as, f"gatt_error_0x{error.code:02x}", 0)


class _Session:
    """One connection: what is to be read when, whether values come by themselves, when the last came."""

    def __init__(self, since_s: float, turn_s: float) -> None:
        self.since_s = since_s
        self.end_s = since_s + turn_s
        self.heard_s = since_s
        self.notified = False
        self.due_s: dict[Characteristic, float] = {}

    def due(self, now_s: float) -> list[Characteristic]:
        return [row for row, at_s in self.due_s.items() if at_s <= now_s]


def _has(client: BleakClient, row: Characteristic) -> bool:
    return client.services.get_characteristic(row.uuid) is not None


def _kind(error: BaseException) -> str:
    """What went wrong in a fixed word: the texts of bleak name addresses."""
    return type(error).__name__
