"""Server-sent events: which part of the picture has changed, never the data itself."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from collector.hub import Hub, Topic

KEEP_ALIVE_S: Final = 15.0
"""Shorter than the idle time-out of common proxies (60 s)."""
LISTENERS_MAX: Final = 100
_RETRY_MS: Final = 2_000


MayListen = Callable[[], Awaitable[bool]]


class ListenersFullError(Exception):
    """As many pages listen as are allowed."""


class EventStreams:
    """All open streams of one application; at most `LISTENERS_MAX`."""

    def __init__(self, hub: Hub, closing: asyncio.Event) -> None:
        self.hub = hub
        self.closing = closing
        self.open = 0

    def response(self, topics: Collection[Topic], may_listen: MayListen) -> Response:
        """topics: no signals of others. may_listen: asked again and again; the stream ends when it says no.
        Raises ListenersFullError.
        """
        if self.open >= LISTENERS_MAX:
            raise ListenersFullError
        return _EventResponse(self, topics, may_listen)


class _EventResponse(Response):
    """One stream; ends when the client leaves, may listen no more, or the server is closing."""

    media_type = "text/event-stream"

    def __init__(self, streams: EventStreams, topics: Collection[Topic], may_listen: MayListen) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._streams = streams
        self._topics = sorted(topics)
        self._may_listen = may_listen

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
                    text = "".join(map(_event, sorted(following.result())))
                    following = asyncio.ensure_future(anext(signals))
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def _event(topic: str) -> str:
    return f"event: {topic}\ndata: changed\n\n"


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
