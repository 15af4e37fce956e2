"""The uplink over HTTPS: batches, urgent events and status posted, acknowledgements in the answers.

Two connections, kept open: neither here nor there does an urgent event wait behind bulk. A post that
fails is given back to the outbox, which makes the next one anew from the buffer, so nothing waits in this
module and nothing is sent that was meanwhile erased. HTTP/1.1: with a post in flight on each connection
there is nothing that HTTP/2 would do better.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from typing import Final

import structlog

from edge_agent.counters import Counters
from edge_agent.uplink.contract import Outbox, UplinkError
from edge_agent.uplink.settings import HttpsSettings
from foundation.backoff import Backoff
from foundation.httppost import (
    HttpPost,
    PostError,
    PostGarbageError,
    PostRefusedError,
    PostUnavailableError,
    Times,
    parse_target,
)
from telemetry.batch import Stream
from telemetry.envelope import Kind, Signer
from telemetry.posting import (
    CONTENT_TYPE,
    ENVELOPES_MAX,
    FORMAT,
    Pending,
    Place,
    PostingError,
    encode_pending,
    pack,
    unpack,
)

POST_BYTES_MAX: Final = 512 * 1024
"""No post is larger unless one envelope alone is: proxies with a bound of 1 MiB let it pass."""
POST_BYTES_MIN: Final = 16 * 1024
"""Half as large after every post that did not get through, so that a slow line finds its size."""
ANSWER_BYTES_MAX: Final = 1024 * 1024
WAIT_S_MIN: Final = 1.0
WAIT_S_MAX: Final[dict[Stream, float]] = {"urgent": 60.0, "bulk": 600.0}
"""No Retry-After is believed below or beyond these: proxies answer 0, and a fever waits no ten minutes."""
BACKOFF_S_MAX: Final[dict[Stream, float]] = {"urgent": 5.0, "bulk": 30.0}
_TIMES: Final = Times(step_s=20.0, total_s=60.0)
_UNKNOWN, _REVOKED, _NOWHERE, _TOO_LARGE = 401, 403, 404, 413
_REMEDIES: Final = {
    _UNKNOWN: "the collector does not know this gateway's key; register it: campus collector gateway add",
    _REVOKED: "the collector has revoked this gateway",
    _NOWHERE: "there is no intake at this address; it is the address of [intake_http], without a path",
    _TOO_LARGE: "a proxy on the way takes less than 5 MiB",
}

log = structlog.get_logger()


class HttpsUplink:
    """Posts envelopes to one collector."""

    def __init__(
        self, settings: HttpsSettings, school: str, gateway: str, *, signer: Signer, counters: Counters
    ) -> None:
        self._settings = settings
        self._school = school
        self._gateway = gateway
        self._signer = signer
        self._counters = counters
        self._failing: set[Stream] = set()
        self._post_bytes: dict[Stream, int] = {"urgent": POST_BYTES_MAX, "bulk": POST_BYTES_MAX}

    async def run(self, outbox: Outbox) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._carry("urgent", outbox), name="uplink-urgent")
            group.create_task(self._carry("bulk", outbox), name="uplink-bulk")

    async def check(self) -> str:
        place = Place(self._school, self._gateway, "urgent")
        nothing = Pending(FORMAT, *place, generation="check")
        question = self._signer.wrap(Kind.PENDING, encode_pending(nothing))
        post = self._make_post()
        try:
            await self._exchange(post, place, [question])
        except PostError as error:
            raise UplinkError(f"collector {self._settings.url}: {_words(error)}") from error
        finally:
            post.close()
        return f"collector {self._settings.url} answers and knows this gateway"

    def _make_post(self) -> HttpPost:
        return HttpPost(
            parse_target(self._settings.url),
            answer_bytes_max=ANSWER_BYTES_MAX,
            ca_file=self._settings.ca_file,
            certificate=self._settings.certificate,
            times=_TIMES,
            keep=True,
        )

    async def _carry(self, stream: Stream, outbox: Outbox) -> None:
        post, backoff = self._make_post(), Backoff(max_s=BACKOFF_S_MAX[stream])
        try:
            while True:
                await outbox.connected(stream)
                try:
                    while True:
                        await self._send(post, stream, outbox)
                        backoff.reset()
                except PostError as error:
                    if _reason(error) != "later":
                        self._post_bytes[stream] = max(self._post_bytes[stream] // 2, POST_BYTES_MIN)
                    delay_s = self._delay_s(stream, error, backoff)
                    self._note(stream, error, delay_s)
                    await asyncio.sleep(delay_s)
        finally:
            post.close()

    async def _send(self, post: HttpPost, stream: Stream, outbox: Outbox) -> None:
        """Everything there is to send now. Raises PostError; then some of it has not been answered."""
        place = Place(self._school, self._gateway, stream)
        for envelopes in _parcels(await outbox.next_of(stream), self._post_bytes[stream]):
            answers = await self._exchange(post, place, envelopes)
            self._post_bytes[stream] = min(self._post_bytes[stream] * 2, POST_BYTES_MAX)
            if stream in self._failing:
                self._failing.discard(stream)
                log.info("collector answers posts again", stream=stream, collector=self._settings.url)
            self._counters.posts += 1
            for one in answers:
                await outbox.answered(one)

    async def _exchange(self, post: HttpPost, place: Place, envelopes: Sequence[bytes]) -> list[bytes]:
        answer = await post.ask(place.path, pack(envelopes), CONTENT_TYPE)
        try:
            return unpack(answer)
        except PostingError as error:
            raise PostGarbageError(f"the answer makes no sense: {error}") from error

    @staticmethod
    def _delay_s(stream: Stream, error: PostError, backoff: Backoff) -> float:
        if isinstance(error, PostRefusedError):
            backoff.exhaust()
        asked_s = error.retry_after_s if isinstance(error, PostUnavailableError) else None
        if asked_s is None:
            return backoff.delay_s()
        # Never earlier than asked for, and not all gateways at the same moment.
        return min(max(asked_s, WAIT_S_MIN), WAIT_S_MAX[stream]) * random.uniform(1.0, 1.25)  # noqa: S311  # spreads, guards nothing

    def _note(self, stream: Stream, error: PostError, delay_s: float) -> None:
        self._counters.post_failures[_reason(error)] += 1
        report = log.debug if stream in self._failing else log.warning
        self._failing.add(stream)
        report(
            "collector takes no posts; batches are kept and sent again",
            stream=stream,
            collector=self._settings.url,
            error=_words(error),
            retry_s=round(delay_s, 1),
        )


def _parcels(envelopes: Sequence[bytes], bytes_max: int) -> Iterator[Sequence[bytes]]:
    """Posts of a bounded size, in the order given; an envelope that is larger goes alone."""
    parcel: list[bytes] = []
    size_bytes = 0
    for one in envelopes:
        if parcel and (size_bytes + len(one) > bytes_max or len(parcel) == ENVELOPES_MAX):
            yield parcel
            parcel, size_bytes = [], 0
        parcel.append(one)
        size_bytes += len(one)
    if parcel:
        yield parcel


def _reason(error: PostError) -> str:
    """A word for the counter."""
    if isinstance(error, PostUnavailableError):
        return "away" if error.retry_after_s is None else "later"
    return "refused" if isinstance(error, PostRefusedError) else "garbage"


def _words(error: PostError) -> str:
    remedy = _REMEDIES.get(error.status or 0) if isinstance(error, PostRefusedError) else None
    return f"{error}: {remedy}" if remedy else str(error)
