"""What an answer to a post means for whoever asked. Every failure is named for what is to be done::

    PostError
    ├── PostUnavailableError   nobody answers, or not in time, or "later" (5xx, 429, 408): ask again
    ├── PostRefusedError       an answer that says no (3xx, 4xx): a person is needed
    └── PostGarbageError       no HTTP, too long, or not what was asked for

Their messages can stand in a log.
"""

from __future__ import annotations

import json
from typing import Final, NamedTuple

import h11

DETAIL_CHARS_MAX: Final = 200
DIGITS_MAX: Final = 6
PROBLEM: Final = "application/problem+json"
_OK, _REDIRECTS, _TOO_SLOW, _TOO_MANY, _SERVER_ERRORS = 200, 300, 408, 429, 500


class PostError(Exception):
    """No answer; the message says why, in words that can stand in a log."""


class PostUnavailableError(PostError):
    """Nobody answered in time, or the answer was to come later."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """How long to wait, where who was asked says so."""


class PostRefusedError(PostError):
    """The answer is no, and will be no the next time."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """Of the answer; None where it did not come to one."""


class PostGarbageError(PostError):
    """What came is not an answer to what was asked."""


class Answer(NamedTuple):
    """As it came."""

    response: h11.Response
    body: bytes


def judged(answer: Answer, content_type: str) -> bytes:
    """The body of an answer of this type. Raises PostError for any other."""
    if answer.response.status_code == _OK:
        if _content_type(answer) != content_type:
            raise PostGarbageError("the answer has another content type than the question")
        return answer.body
    check_status(answer)
    raise PostRefusedError(f"answered {answer.response.status_code}", status=answer.response.status_code)


def check_status(answer: Answer) -> None:
    """Raises PostError unless the status is one of 200 to 299."""
    response, body = answer
    status = response.status_code
    if _OK <= status < _REDIRECTS:
        return
    text = f"answered {status}{_detail(body) if _content_type(answer) == PROBLEM else ''}"
    if status in {_TOO_SLOW, _TOO_MANY} or status >= _SERVER_ERRORS:
        raise PostUnavailableError(text, retry_after_s=_seconds(_header(response, b"retry-after")))
    if _REDIRECTS <= status < _REDIRECTS + 100:
        text = f"{text}: it sends us elsewhere, where we do not go; is the address right?"
    raise PostRefusedError(text, status=status)


def _content_type(answer: Answer) -> str:
    return _header(answer.response, b"content-type").split(";")[0].strip().lower()


def _seconds(text: str) -> float | None:
    """A Retry-After in seconds; a date is not read, since the clock may be wrong."""
    return float(text) if text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX else None


def _detail(body: bytes) -> str:
    """What a problem says of itself (RFC 9457), bounded and on one line."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    words = [found.get(name) for name in ("title", "detail")] if isinstance(found, dict) else []
    text = "; ".join(word for word in words if isinstance(word, str) and word)
    shown = "".join(sign if sign.isprintable() else " " for sign in text[:DETAIL_CHARS_MAX])
    return f" ({shown})" if shown else ""


def _header(event: h11.Request | h11.Response, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in event.headers if key == name), "")
