"""What the outermost layer of every web server here has in common: names, origins, bounded bodies."""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Message, Receive

LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class BodyTooLargeError(Exception):
    """A request whose body went on beyond its bound."""


class BodyTooSlowError(Exception):
    """A request whose body did not come in time."""


def host_name(host: str) -> str:
    """The name in a Host header, without port; empty when there is none."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_same_origin(headers: Headers) -> bool:
    """Programs send neither header and may pass; a browser always says where a request comes from."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is not None:
        return site in {"same-origin", "none"}
    if origin is not None:
        # The scheme may differ behind a proxy that ends TLS.
        try:
            return urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
        except ValueError:
            return False
    return True


def declares_more_than(headers: Headers, bytes_max: int) -> bool:
    """Whether a request says beforehand that its body is larger."""
    length = headers.get("content-length", "0")
    # Python reads no number of thousands of digits.
    return length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > bytes_max)


def bounded(receive: Receive, bytes_max: int, wait_s: float | None = None) -> Receive:
    """`receive` for one request, which raises BodyTooLargeError beyond `bytes_max`, and
    BodyTooSlowError where the whole body takes longer than `wait_s`.
    """
    size, done = 0, False
    until_s = None if wait_s is None else asyncio.get_running_loop().time() + wait_s

    async def receive_bounded() -> Message:
        nonlocal size, done
        try:
            # Once the body is in, what is waited for is the end of the connection.
            async with asyncio.timeout_at(None if done else until_s):
                message = await receive()
        except TimeoutError:
            raise BodyTooSlowError from None
        if message["type"] == "http.request":
            size += len(message.get("body", b""))
            done = not message.get("more_body", False)
            if size > bytes_max:
                raise BodyTooLargeError
        return message

    return receive_bounded
