"""Errors as problem documents (RFC 9457) that repeat nothing of what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"


class _Problem(msgspec.Struct, frozen=True):
    type: str
    title: str
    status: int
    detail: str


def problem(
    status: int, detail: str, *, title: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """title: left out, the meaning of the status code."""
    content = _Problem("about:blank", title or HTTPStatus(status).phrase, status, detail)
    return Response(msgspec.json.encode(content), status, headers, MEDIA_TYPE)
