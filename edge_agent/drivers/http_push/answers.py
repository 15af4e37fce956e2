"""What the listener answers: short JSON, and in problems a sentence for whoever set the device up."""

from __future__ import annotations

from typing import Final

import msgspec

TEXTS: Final = {
    400: "the request or its body cannot be read",
    401: "the credential is missing or wrong",
    404: "no device posts to this address",
    405: "only POST and PUT are taken",
    408: "the request took too long",
    413: "the body is too large",
    415: "the body is encoded in a way that is not read",
    431: "the header is too large",
    503: "not now; try again later",
}


def usual(status: int) -> tuple[bytes, bytes]:
    """Content type and body of an answer that says nothing of its own."""
    return b"application/json", msgspec.json.encode({"error": TEXTS.get(status, "")})
