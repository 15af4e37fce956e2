"""Server-sent events: which part of the picture has changed, never the data itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from collector.hub import Hub, Topic

KEEP_ALIVE_S: Final = 15.0
"""Shorter than the idle time-out of common proxies (60 s)."""
LISTENERS_MAX: Final = 100
_RETRY_MS: Final = 2_000


MayListen = Callable[[], Awaitable[bool]]
Look = Callable[[], Awaitable[object]]
"""What somebody sees of a topic now: another value when that has changed."""


class ListenersFullError(Exception):
    """As many pages listen as are allowed."""


class EventStreams:
    """All open streams of one application; at most `LISTENERS_MAX`."""

    def __init__(self, hub: Hub, closing: asyncio.Event) -> None:
        self.hub = hub
        self.closing = closing
        self.open = 0

    def response(
        self, topics: Collection[Topic], may_listen: MayListen, looks: Mapping[Topic, Look] | None = None
    ) -> Response:
        """topics: no signals of others. may_listen: asked again and again; the stream ends when it says no.
        looks: for topics of which not everybody sees everything; a change of something else is no signal.
        Raises ListenersFullError.
        """
        if self.open >= LISTENERS_MAX:
            raise ListenersFullError
        return _EventResponse(self, topics, may_listen, looks or {})


class _EventResponse(Response):
    """One stream; ends when the client leaves, may listen no more, or the server is closing."""

    media_type = "text/event-stream"

    def __init__(
        self,
        streams: EventStreams,
        topics: Collection[Topic],
        may_listen: MayListen,
        looks: Mapping[Topic, Look],
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._streams = streams
        self._topics = sorted(topics)
        self._may_listen = may_listen
        self._looks = looks
        self._seen: dict[Topic, object] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI
        self._streams.open += 1
        ends = [
            asyncio.create_task(_gone(receive), name="events-client-gone"),
            asyncio.create_task(self._streams.closing.wait(), name="events-closing"),
        ]
        stream = asyncio.create_task(self._stream(send), name="events-stream")
        try:
            done, _ = await asyncio.wait([stream, *ends], return_when=asyncio.FIRST_COMPLETED)
            if stream in done:
                stream.result()
        finally:
            self._streams.open -= 1
            for task in (stream, *ends):
                task.cancel()
            await asyncio.gather(stream, *ends, return_exceptions=True)
        if self._streams.closing.is_set() or not stream.cancelled():
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _stream(self, send: Send) -> None:
        signals = self._streams.hub.listen(self._topics)
        following = asyncio.ensure_future(anext(signals))
        asked_s = time.monotonic()
        # The hub knows the listener once its generator has run: before the first word is out, or a
        # signal between the two would be lost.
        await asyncio.sleep(0)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._changed(self._topics)
            # Whatever changed before the page listened (or while its line was down) is fetched now.
            hello = f"retry: {_RETRY_MS}\n\n" + "".join(map(_event, self._topics))
            await send({"type": "http.response.body", "body": hello.encode(), "more_body": True})
            while True:
                await asyncio.wait([following], timeout=KEEP_ALIVE_S)
                if time.monotonic() - asked_s >= KEEP_ALIVE_S:
                    asked_s = time.monotonic()
                    if not await self._may_listen():
                        return
                text = ": still here\n\n"
                if following.done():
                    topics, following = following.result(), asyncio.ensure_future(anext(signals))
                    text = "".join(map(_event, await self._changed(sorted(topics))))
                if text:
                    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _changed(self, topics: Iterable[Topic]) -> list[Topic]:
        """Those of which this listener sees something else than before."""
        found = []
        for topic in topics:
            look = self._looks.get(topic)
            seen = await look() if look else None
            if look is None or topic not in self._seen or seen != self._seen[topic]:
                found.append(topic)
            self._seen[topic] = seen
        return found


def _event(topic: str) -> str:
    return f"event: {topic}\ndata: changed\n\n"


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
