"""What every request at the gateways' listener has to be, and what its problems look like."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import h11
import msgspec

from foundation.httpconnection import Reply, length_of

_PROBLEM: Final = b"application/problem+json"


def objection(request: h11.Request, content_type: str, bytes_max: int) -> Reply | None:
    """What speaks against a request before its body has come."""
    headers = dict(request.headers)
    if request.method != b"POST":
        return Reply(405, headers=((b"Allow", b"POST"),))
    if headers.get(b"content-type", b"").lower() != content_type.encode():
        return problem(415, f"the content type must be {content_type}")
    if b"content-length" not in headers:
        return Reply(411)
    if length_of(request) > bytes_max:
        return problem(413, f"the body is larger than {bytes_max} bytes")
    return None


def later(status: int, wait_s: int) -> Reply:
    return Reply(status, headers=(_retry(wait_s),))


def problem(status: int, detail: str, retry_s: int | None = None) -> Reply:
    """One with words of its own."""
    headers = ((b"Content-Type", _PROBLEM), *(() if retry_s is None else (_retry(retry_s),)))
    return Reply(status, document(status, detail), headers)


def document(status: int, detail: str) -> bytes:
    """A problem document (RFC 9457). `detail` repeats nothing of what was sent."""
    content = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return msgspec.json.encode(content)


def usual(texts: dict[int, str], status: int) -> tuple[bytes, bytes]:
    """Content type and body of a problem that has no words of its own."""
    return _PROBLEM, document(status, texts.get(status, "the request cannot be read"))


def _retry(wait_s: int) -> tuple[bytes, bytes]:
    return b"Retry-After", str(wait_s).encode()
