"""What is said on one port: bytes to frames, frames to the board that sent them, questions to answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.contract import Sink
from edge_agent.drivers.serial.acks import Acknowledger
from edge_agent.drivers.serial.board import Board, Question
from edge_agent.drivers.serial.port import PortAwayError
from edge_agent.drivers.serial.speeds import SpeedTrial
from edge_agent.drivers.taps import HeldCards
from firmware_bridges.frames import CODECS, Frame, FrameReader
from telemetry.readings import Chunk

UNKNOWN: Final = "unknown"
OWN_BOARDS: Final = "cobs"
IDENTIFIER: Final = "data_identifier"
"""Under this name a framing with addresses tells what a frame is about."""
REQUEST: Final = "request"
"""A frame with this value is what a master has sent: an adapter gives it back."""
REFUSALS: Final = frozenset({"device_refused", "not_ready"})
"""Faults that are an answer all the same."""


class Conversation:
    """Everything that is heard. `write` sends to the port, `stir` wakes its task."""

    def __init__(
        self,
        boards: Sequence[Board],
        speeds: SpeedTrial,
        *,
        write: Callable[[bytes], None],
        stir: Callable[[], None],
        clock: Clock,
        counters: Counters,
        sink: Sink,
    ) -> None:
        self._boards = boards
        self._speeds = speeds
        self._write = write
        self._stir = stir
        self._clock = clock
        self._counters = counters
        self._sink = sink
        spec = boards[0].decoder.spec
        self._make_codec = CODECS[spec.frame]
        self._reader = FrameReader(self._make_codec())
        self._told_faults: Counter[str] = Counter()
        self._acks = Acknowledger() if spec.frame == OWN_BOARDS else None
        self._polled = any(board.is_asked for board in boards)
        starts = [bytes.fromhex(text) for text in spec.start_up]
        asked = [question.data for board in boards for question in board.questions]
        self._echoed = {frame.payload for data in (*starts, *asked) for frame in self._parse(data)} - {b""}
        self._identifiers = {data: _identifier(self._parse(data)) for data in asked}
        self._held = HeldCards()
        self._owed: list[bytes] = []
        self._asked: tuple[Board, Question] | None = None
        self._answer: asyncio.Future[None] | None = None
        self._starting = False
        self.heard_bytes = 0
        """Since something was asked."""
        self.was_refused = False
        """The last question was answered by a refusal."""

    def _parse(self, request: bytes) -> list[Frame]:
        """What a request looks like when an adapter gives it back."""
        return FrameReader(self._make_codec()).feed(request)

    def clear(self) -> None:
        """Forgets what has begun: the port was opened, or its speed has changed."""
        self._reader.clear()

    async def start_up(self, request: bytes, answer_s: float) -> None:
        """Sends what the boards want to hear first; what they answer is not looked at."""
        self._starting = True
        try:
            await self._exchange(request, answer_s)
        except TimeoutError:
            # Not every board answers this.
            return
        finally:
            self._starting = False

    async def ask(self, board: Board, question: Question, answer_s: float) -> None:
        """One question; what is answered is handed over before this returns. Raises TimeoutError."""
        self._asked = (board, question)
        try:
            await self._exchange(question.data, answer_s)
        finally:
            self._asked = None

    async def _exchange(self, data: bytes, answer_s: float) -> None:
        self.heard_bytes = 0
        self.was_refused = False
        self._answer = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(answer_s):
                self._write(data)
                await self._answer
        finally:
            self._answer = None

    def hear(self, data: bytes) -> None:
        """Bytes of the port, however they are cut."""
        self.heard_bytes += len(data)
        frames = self._reader.feed(data)
        faults = self._reader.faults
        faulty = faults != self._told_faults
        self._speeds.heard(len(data), faulty=faulty)
        if faulty:
            self._tell_faults(len(data))
        if frames:
            chunk = Chunk()
            for frame in frames:
                self._frame(frame, chunk)
            if chunk:
                self._sink.readings(chunk)
            self._acknowledge()
        if not self._speeds.settled:
            self._stir()

    def _acknowledge(self) -> None:
        """Only when all is handed over: what the gateway has not got, the board keeps."""
        owed, self._owed = self._owed, []
        # A board that does not hear this sends its event again.
        with contextlib.suppress(PortAwayError):
            for answer in owed:
                self._write(answer)

    def _tell_faults(self, size: int) -> None:
        """Rubbish at a speed that is only tried is not the board's fault."""
        new = self._reader.faults - self._told_faults
        self._told_faults = self._reader.faults.copy()
        if not self._speeds.settled:
            return
        device = self._boards[0].id if len(self._boards) == 1 else UNKNOWN
        if self._asked is not None:
            device = self._asked[0].id
        for reason, count in new.items():
            for _ in range(count):
                self._sink.refused(device, reason, size)
        if self._asked is not None and not REFUSALS.isdisjoint(new):
            self._asked[0].counters.exceptions += 1
            self.was_refused = True
            self._answered()

    def _frame(self, frame: Frame, chunk: Chunk) -> None:
        if REQUEST in frame.values or frame.payload in self._echoed:
            return
        if self._starting:
            self._speeds.good(frame)
            self._answered()
            return
        self._counters.messages_in += 1
        board = self._sender(frame)
        if board is None:
            self._sink.refused(UNKNOWN, "unknown_address", len(frame.payload))
            return
        if self._polled and not self._is_answer(board, frame):
            self._sink.refused(board.id, "late_reply", len(frame.payload))
            return
        for good in self._speeds.good(frame):
            self._take(board, good, chunk)
        self._answered()

    def _sender(self, frame: Frame) -> Board | None:
        if len(self._boards) == 1 and not self._boards[0].decoder.address:
            return self._boards[0]
        return next((board for board in self._boards if board.decoder.accepts(frame)), None)

    def _is_answer(self, board: Board, frame: Frame) -> bool:
        if self._asked is None or self._answer is None or self._answer.done():
            return False
        asked, question = self._asked
        told = frame.values.get(IDENTIFIER)
        if told is not None and self._identifiers[question.data] not in {None, told.value}:
            return False
        return asked is board

    def _answered(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)

    def _take(self, board: Board, frame: Frame, chunk: Chunk) -> None:
        time_ms, now_s = self._clock.now_ms(), asyncio.get_running_loop().time()
        board.heard(now_s, time_ms)
        event = None if self._acks is None else self._acks.event(frame.payload)
        if self._acks is None or event is None:
            self._hand_over(board, frame, time_ms, chunk, warming_up=board.warming_up(now_s))
            return
        if not self._acks.is_repeat(event):
            self._hand_over(board, frame, time_ms, chunk, warming_up=board.warming_up(now_s))
        self._owed.append(self._acks.acknowledge(event))

    def _hand_over(self, board: Board, frame: Frame, time_ms: int, chunk: Chunk, *, warming_up: bool) -> None:
        outcome = board.decoder.decode(frame, time_ms, chunk, warming_up=warming_up)
        for check in outcome.checks:
            self._sink.check(check)
        for tap in outcome.taps:
            if self._acks is not None or self._held.is_new(tap):
                self._sink.tap(tap)
        for reason in outcome.refused:
            self._sink.refused(board.id, reason, len(frame.payload))


def _identifier(frames: Sequence[Frame]) -> object:
    """What a request asks for, where its framing tells."""
    return next((frame.values[IDENTIFIER].value for frame in frames if IDENTIFIER in frame.values), None)
