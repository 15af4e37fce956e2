"""What becomes of a post: who sent it, whether it can be taken now, and what it is answered."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from typing import Final, NamedTuple

import h11
import structlog
from prometheus_client import CollectorRegistry, Counter

from collector.intake.contract import Incoming, Line, Sender
from collector.intake.http_answers import later, objection, usual
from collector.intake.http_bodies import Body, Talk
from collector.intake.http_callers import REFUSALS, Caller, Questions
from collector.intake.http_offers import KeptOffers
from foundation.httpconnection import Handler, Reading, Reply
from foundation.logs import FirstOnly
from telemetry.ack import Ack, decode_ack
from telemetry.batch import Stream, peek_identity
from telemetry.envelope import EnvelopeError, Kind, open_envelope
from telemetry.posting import (
    CONTENT_TYPE,
    ENVELOPES_MAX,
    POST_BYTES_MAX,
    Place,
    PostingError,
    pack,
    parse_path,
    unpack,
)
from telemetry.ranges import RangeSet
from telemetry.topics import Address

HOLD_S: Final = 2.0
"""So long a post waits for its acknowledgements; a gateway asks for those that come later."""
GRACE_S: Final = 0.1
"""So much longer for `stored` once all of it is received, so that it need not be asked for."""
POSTS_OF_GATEWAY_MAX: Final = 4
"""At the same time and of one stream: the connection in use, and some that are lost and do not know it."""
RETRY_S: Final = 1
UNREAD_RETRY_S: Final = 2
_TYPE: Final = (b"Content-Type", CONTENT_TYPE.encode())
_TEXTS: Final = {
    400: "the post is no envelopes behind their lengths",
    404: "there is nothing here",
    405: "only POST is taken",
    408: "the request took too long",
    411: "a Content-Length is needed",
    413: f"the post is larger than {POST_BYTES_MAX} bytes",
    415: f"the content type must be {CONTENT_TYPE}",
    429: "the line is behind; come again later",
    503: "a store is away; come again later",
}

log = structlog.get_logger()

_Identity = tuple[str, int]
"""Generation and sequence number; stream and gateway are those of the place."""


class _Parcel(NamedTuple):
    """A post taken apart. batches: those that can be acknowledged, by what they say of themselves."""

    messages: list[Incoming]
    questions: list[bytes]
    batches: set[_Identity]


class _Exchange:
    """A post that waits for its acknowledgements. told: all its batches are received, or more; settled: all
    are stored or rejected. Of bulk nothing is told before it is settled.
    """

    def __init__(self, batches: set[_Identity]) -> None:
        self._untold, self._unsettled = set(batches), set(batches)
        self.batches = frozenset(batches)
        self.heard = False
        self.rejections: list[bytes] = []
        self.told, self.settled = asyncio.Event(), asyncio.Event()

    def hear(self, ack: Ack, data: bytes) -> None:
        """Takes an acknowledgement of this gateway and stream, which may be of other batches too."""
        rejected = self._those(ack, RangeSet((one.sequence, one.sequence) for one in ack.rejected))
        if rejected and len(self.rejections) < ENVELOPES_MAX // 2:
            self.rejections.append(data)
        settled = rejected | self._those(ack, RangeSet(ack.stored))
        told = settled | self._those(ack, RangeSet(ack.received))
        self.heard |= bool(told)
        self._untold -= told
        self._unsettled -= settled
        for event, waited_for in ((self.told, self._untold), (self.settled, self._unsettled)):
            if not waited_for:
                event.set()

    def _those(self, ack: Ack, numbers: RangeSet) -> set[_Identity]:
        return {one for one in self.batches if one[0] == ack.generation and one[1] in numbers}


class PostDesk:
    """Answers the posts of all gateways. `questions`: who answers what else is asked here."""

    def __init__(
        self, registry: CollectorRegistry, refused: Callable[[str], None], questions: Questions | None = None
    ) -> None:
        self._refused = refused
        self._questions = questions
        self._exchanges: dict[Place, list[_Exchange]] = {}
        self._offers = KeptOffers()
        self._bodies_bytes: dict[Stream, int] = {"urgent": 0, "bulk": 0}
        self._reported = FirstOnly(100)
        self._answers = Counter(
            "campus_intake_http_answers",
            "Posts by stream and status",
            ["stream", "status"],
            registry=registry,
        )

    @contextlib.contextmanager
    def talking(self, line: Line, caller: Caller, failed: Callable[[str], None]) -> Iterator[Handler]:
        """A handler for one connection."""
        talk = Talk(self._bodies_bytes)
        try:
            yield Handler(partial(self._begin, talk, line, caller, failed), failed, partial(usual, _TEXTS))
        finally:
            talk.give_back()

    def _begin(
        self, talk: Talk, line: Line, caller: Caller, failed: Callable[[str], None], request: h11.Request
    ) -> Reply | Reading:
        if self._questions and (begun := self._questions.begin(request, caller, line.door, talk, failed)):
            return begun
        place = parse_path(request.target.decode("latin-1"))
        if place is None:
            return Reply(404)
        if (reply := objection(request, CONTENT_TYPE, POST_BYTES_MAX)) is not None:
            return self._count(place, reply)
        body = Body(talk, place.stream)

        async def finish(_: int) -> Reply:
            try:
                data = body.taken()
                reply = later(429, RETRY_S) if data is None else await self._answer(place, data, line, caller)
                return self._count(place, reply)
            finally:
                talk.give_back()

        return Reading(body, finish, failed)

    def _count(self, place: Place, reply: Reply) -> Reply:
        self._answers.labels(place.stream, str(reply.status)).inc()
        return reply

    async def _answer(self, place: Place, data: bytes, line: Line, caller: Caller) -> Reply:
        try:
            envelopes = unpack(data)
        except PostingError:
            return Reply(400)
        sender: Sender = "stranger"
        if envelopes:
            sender = await asyncio.to_thread(line.door.recognise, place, envelopes[0], caller.badge)
        if sender == "known":
            parcel = await asyncio.to_thread(_take_apart, place, envelopes)
            return await self._take(place, parcel, line)
        if sender == "unread":
            return later(503, UNREAD_RETRY_S)
        refusal = REFUSALS[sender]
        self._refused(refusal.reason)
        if self._reported.first((place.school, place.gateway, sender)):
            log.warning("post refused", school=place.school, gateway=place.gateway, reason=refusal.reason)
        return refusal.reply()

    async def _take(self, place: Place, parcel: _Parcel, line: Line) -> Reply:
        door = line.door
        if parcel.batches and (away_s := door.away_s(place.stream)) is not None:
            return later(503, away_s)
        if len(self._exchanges.get(place, ())) >= POSTS_OF_GATEWAY_MAX:
            return later(429, RETRY_S)
        exchange = _Exchange(parcel.batches)
        waiting = self._exchanges.setdefault(place, [])
        waiting.append(exchange)
        try:
            if not await _handed_over(parcel, exchange, partial(line.submit, parcel.messages, self._hear)):
                return later(429, door.behind_s(place.stream))
        finally:
            waiting.remove(exchange)
            if not waiting:
                del self._exchanges[place]
        if parcel.batches and not exchange.heard and (away_s := door.away_s(place.stream)) is not None:
            return later(503, away_s)
        questions = parcel.questions[: ENVELOPES_MAX // 4]
        answers = [ack for one in questions for ack in door.reply(place, one)]
        # Of what was sent before, more may be known than was heard just now.
        answers += [*door.held(place, parcel.batches), *exchange.rejections]
        answers[:0] = self._offers.take(place, sum(map(len, answers)))
        return Reply(200, pack(answers[:ENVELOPES_MAX]), (_TYPE,))

    async def _hear(self, address: Address, data: bytes) -> None:
        """The line's answer to a gateway, for all of its posts that wait. One that waits no more is told
        when its gateway asks.
        """
        if address.leaf == "config":
            self._offers.keep(address, data)
            return
        ack = decode_ack(open_envelope(data).payload)
        place = Place(address.school, address.gateway, ack.stream)
        for exchange in self._exchanges.get(place, ()):
            exchange.hear(ack, data)


def _take_apart(place: Place, envelopes: Iterable[bytes]) -> _Parcel:
    """Which envelope is what; whether it may be believed the line finds out."""
    parcel = _Parcel([], [], set())
    for data in envelopes:
        leaf = "urgent" if place.stream == "urgent" else "batch"
        with contextlib.suppress(EnvelopeError):
            envelope = open_envelope(data)
            if envelope.kind is Kind.PENDING:
                parcel.questions.append(data)
                continue
            if envelope.kind is Kind.STATUS:
                leaf = "status"
            elif envelope.kind is Kind.BATCH and (found := peek_identity(envelope.payload)):
                parcel.batches.add((found.generation, found.sequence))
        parcel.messages.append(Incoming(Address(place.school, place.gateway, leaf), data))
    return parcel


async def _handed_over(parcel: _Parcel, exchange: _Exchange, submit: Callable[[], Awaitable[None]]) -> bool:
    """Returns when the answer is to go out; False: the line had no room for all of it."""
    handed_over = False
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HOLD_S):
            await submit()
            handed_over = True
            if parcel.batches:
                await exchange.told.wait()
                async with asyncio.timeout(GRACE_S):
                    await exchange.settled.wait()
    return handed_over
