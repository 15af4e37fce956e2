"""Writes bodies of several parts, as terminals do (RFC 7578)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

BOUNDARY: Final = "MIME_boundary"


class Part(NamedTuple):
    """One part of a form."""

    name: str
    content_type: str
    data: bytes
    file_name: str = ""


class Form:
    """A form of parts."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.content_type = f"multipart/form-data; boundary={BOUNDARY}"
        self.body = b"".join(map(_write, parts)) + f"--{BOUNDARY}--\r\n".encode()


def _write(part: Part) -> bytes:
    name = f'; filename="{part.file_name}"' if part.file_name else ""
    head = (
        f"--{BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="{part.name}"{name}\r\n'
        f"Content-Type: {part.content_type}\r\n"
        f"Content-Length: {len(part.data)}\r\n\r\n"
    )
    return head.encode() + part.data + b"\r\n"
