"""Reads a posted body as it comes: text is kept within a bound, pictures are passed over unread."""

from __future__ import annotations

from typing import Final, Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from device_profiles.parsing import PAYLOAD_BYTES_MAX

PARTS_MAX: Final = 32
TEXT_PARTS_MAX: Final = 4
BOUNDARY_BYTES_MAX: Final = 70
"""RFC 2046, section 5.1.1."""
_TEXT_TYPES: Final = ("application/json", "application/xml", "text/")
_PICTURES: Final = (".jpg", ".jpeg", ".png", ".bmp", ".gif")


class Body(Protocol):
    """A body being read. After the last `feed`, `texts` are the messages in it, `pictures` how many
    parts were passed over, and `problem` is a fixed word for what is wrong with it.
    """

    texts: list[bytes]
    pictures: int
    problem: str

    def feed(self, data: bytes) -> None: ...

    def finish(self) -> None: ...


class Plain:
    """A body that is one message."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.pictures = 0
        self.problem = ""
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        if len(self._data) + len(data) > PAYLOAD_BYTES_MAX:
            self.problem = "too_large"
            self._data.clear()
        if not self.problem:
            self._data += data

    def finish(self) -> None:
        if not self.problem:
            self.texts = [bytes(self._data)]


class Picture:
    """A body that is a picture and nothing else."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.pictures = 1
        self.problem = ""

    def feed(self, data: bytes) -> None: ...

    def finish(self) -> None: ...


class Multipart:
    """A form of several parts (RFC 7578). A part that is complete counts, whatever comes after it."""

    def __init__(self, boundary: bytes) -> None:
        self.texts: list[bytes] = []
        self.pictures = 0
        self.problem = ""
        self._parts = 0
        self._kept = 0
        self._name = bytearray()
        self._value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._part: bytearray | None = None
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_end": self._on_end,
            },
        )

    def feed(self, data: bytes) -> None:
        if self.problem:
            return
        try:
            self._parser.write(data)
        except FormParserError:
            self._stop("bad_multipart")

    def finish(self) -> None:
        if not self._ended and not self.problem:
            self._stop("bad_multipart")

    def _stop(self, problem: str) -> None:
        self.problem = self.problem or problem
        self._part = None

    def _on_part_begin(self) -> None:
        self._parts += 1
        self._headers = {}
        if self._parts > PARTS_MAX:
            self._stop("too_many_parts")

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._headers[bytes(self._name).lower()] = bytes(self._value)
        self._name.clear()
        self._value.clear()

    def _on_headers_finished(self) -> None:
        if not self._is_text():
            self.pictures += 1
        elif not self.problem and len(self.texts) < TEXT_PARTS_MAX:
            self._part = bytearray()
        elif not self.problem:
            self._stop("too_many_parts")

    def _is_text(self) -> bool:
        kind = self._headers.get(b"content-type", b"").decode("latin-1").strip().lower()
        if kind:
            return kind.startswith(_TEXT_TYPES)
        name = self._headers.get(b"content-disposition", b"").decode("latin-1").lower()
        return not any(ending in name for ending in _PICTURES)

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._part is None:
            return
        self._kept += end - start
        if self._kept > PAYLOAD_BYTES_MAX:
            self._stop("too_large")
        else:
            self._part += data[start:end]

    def _on_part_end(self) -> None:
        if self._part is not None:
            self.texts.append(bytes(self._part))
            self._part = None

    def _on_end(self) -> None:
        self._ended = True


def body_for(content_type: str) -> Body:
    """What a body of this type is read with."""
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind.startswith(b"multipart/") and 0 < len(boundary) <= BOUNDARY_BYTES_MAX:
        return Multipart(boundary)
    return Picture() if kind.startswith(b"image/") else Plain()
