"""A port from its opening to its end: who is asked when, which speed is tried."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, NoReturn

import structlog

from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.contract import Sink
from edge_agent.drivers.serial.board import Board, Question
from edge_agent.drivers.serial.conversation import UNKNOWN, Conversation
from edge_agent.drivers.serial.port import PortSettings, SerialPort
from edge_agent.drivers.serial.speeds import SpeedTrial

log = structlog.get_logger()

BITS_A_CHARACTER_MAX: Final = 12
FRAME_BYTES: Final = 64
"""An answer's length for the time it needs on the wire; longer ones have the profile's `answer_s`."""
START_AGAIN_S: Final = 10.0
"""So long without a good frame, a board that must be told to speak is told again: it may have restarted."""
PAUSE_S: Final = 0.02
"""Between an answer and the next question, for adapters and meters that switch direction."""


class Session:
    """One opening of a port. `work` lasts until the port is lost."""

    def __init__(
        self,
        name: str,
        settings: PortSettings,
        boards: Sequence[Board],
        speeds: SpeedTrial,
        *,
        clock: Clock,
        counters: Counters,
        sink: Sink,
    ) -> None:
        self.name = name
        self._boards = boards
        self._speeds = speeds
        self._sink = sink
        self._stirred = asyncio.Event()
        self._started_s = 0.0
        self._port = SerialPort(settings, self._hear, self._stirred.set)
        self._talk = Conversation(
            boards,
            speeds,
            write=self._port.write,
            stir=self._stirred.set,
            clock=clock,
            counters=counters,
            sink=sink,
        )

    def _hear(self, data: bytes) -> None:
        self._talk.hear(data)

    async def open(self) -> None:
        """Raises PortAwayError."""
        await self._port.open(self._speeds.baud)
        self._talk.clear()
        now_s = asyncio.get_running_loop().time()
        self._speeds.start(now_s)
        for board in self._boards:
            board.start(now_s)

    async def close(self) -> None:
        await self._port.close()

    async def work(self) -> NoReturn:
        """Raises PortAwayError when the port is lost."""
        loop = asyncio.get_running_loop()
        await self._start_up()
        while True:
            now_s = loop.time()
            gives_up_s = self._speeds.gives_up_at_s()
            if gives_up_s is not None and gives_up_s <= now_s:
                await self._next_speed()
                continue
            starts_s = self._starts_again_s()
            if starts_s is not None and starts_s <= now_s:
                await self._start_up()
                continue
            asked = self._next_question()
            if asked is not None and asked[0].due_s(asked[1]) <= now_s:
                await self._ask(*asked)
                await self._rest(loop.time() + PAUSE_S)
                continue
            due_s = None if asked is None else asked[0].due_s(asked[1])
            ends = (gives_up_s, starts_s, due_s)
            await self._rest(min((end for end in ends if end is not None), default=None))

    async def _rest(self, until_s: float | None) -> None:
        """Until then, or until something stirs. Raises PortAwayError."""
        try:
            async with asyncio.timeout_at(until_s):
                await self._stirred.wait()
        except TimeoutError:
            pass
        self._stirred.clear()
        self._port.ensure_there()

    async def _start_up(self) -> None:
        spec = self._boards[0].decoder.spec
        for request in spec.start_up:
            await self._talk.start_up(bytes.fromhex(request), spec.answer_s)
        self._started_s = asyncio.get_running_loop().time()

    def _starts_again_s(self) -> float | None:
        """When a board that speaks by itself is to be told to, if it then has not spoken."""
        board = self._boards[0]
        if board.is_asked or not board.decoder.spec.start_up:
            return None
        return max(self._started_s, board.heard_s or 0.0) + START_AGAIN_S

    async def _next_speed(self) -> None:
        speeds, heard = self._speeds, self._speeds.heard_bytes
        if heard:
            device = self._boards[0].id if len(self._boards) == 1 else UNKNOWN
            self._sink.refused(device, "wrong_speed", heard)
        baud = speeds.next()
        log.debug("trying another speed", driver=self.name, baud=baud)
        await self._port.set_baud(baud)
        self._talk.clear()
        now_s = asyncio.get_running_loop().time()
        speeds.start(now_s)
        for board in self._boards:
            board.speed_changed(now_s, ask_now=not (board.quarantined and speeds.round_over))
        await self._start_up()

    def _next_question(self) -> tuple[Board, Question] | None:
        """What has waited longest of all that the boards are to be asked."""
        asked = [
            (board, question) for board in self._boards if (question := board.next_question()) is not None
        ]
        return min(asked, key=lambda one: one[0].due_s(one[1]), default=None)

    async def _ask(self, board: Board, question: Question) -> None:
        loop = asyncio.get_running_loop()
        board.counters.polls += 1
        wire_s = (len(question.data) + FRAME_BYTES) * BITS_A_CHARACTER_MAX / self._speeds.baud
        try:
            await self._talk.ask(board, question, wire_s + board.decoder.spec.answer_s)
        except TimeoutError:
            self._port.ensure_there()
            board.failed(loop.time(), garbled=self._talk.heard_bytes > 0)
            self._talk.clear()
            self._speeds.unanswered()
        else:
            if self._talk.was_refused:
                # It may have been switched off and on, and wait to be started again.
                board.answered()
                await self._start_up()
        board.schedule(question, loop.time())
        if not self._speeds.settled and not board.quarantined:
            # One answer settles no speed; the next one need not wait for its interval.
            question.due_s = loop.time()
