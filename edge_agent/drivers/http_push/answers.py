"""What the listener answers: short JSON, and in problems a sentence for whoever set the device up."""

from __future__ import annotations

from typing import Final

import h11
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


def answer(
    status: int, body: bytes | None = None, *, headers: list[tuple[bytes, bytes]] | None = None
) -> list[h11.Event]:
    """The events of a whole answer; `headers` besides those that every answer has."""
    content = msgspec.json.encode({"error": TEXTS.get(status, "")}) if body is None else body
    shown = [
        (b"Content-Type", b"application/json"),
        (b"Content-Length", str(len(content)).encode()),
        *(headers or []),
    ]
    return [h11.Response(status_code=status, headers=shown), h11.Data(data=content), h11.EndOfMessage()]
