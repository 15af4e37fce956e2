"""Requests to the gateways' listener of which nothing is good, and ways to spoil them further."""

from __future__ import annotations

import random

import msgspec

from telemetry.enrolment import CONTENT_TYPE as QUESTION_TYPE
from telemetry.enrolment import ENROL_PATH, ROTATE_PATH, encode
from telemetry.envelope import Kind, open_envelope
from telemetry.posting import CONTENT_TYPE, Place, pack
from tests.collector.conftest import SCHOOL, Sender, check, column
from tests.enrolment.enrolling import WRONG_CODE, Box, wall_ms
from tests.fuzz.rubbish import (
    PACKED,
    Envelopes,
    flipped,
    misplace,
    nested,
    noise,
    padded,
    reordered,
    truncated,
)

PLACE = Place(SCHOOL, "gw-1", "bulk").path
SMUGGLED = 1_000_000
"""Sequence numbers from here on were never posted in a request of their own."""


def request(
    path: str, body: bytes, *, type_: str = CONTENT_TYPE, framing: bytes = b"", end: str = ""
) -> bytes:
    framing = framing or b"Content-Length: %d\r\n" % len(body)
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {type_}\r\n{end}".encode()
    return head + framing + b"\r\n" + body


class Rubbish:
    """Requests at every path, and ways to spoil them."""

    def __init__(self, chance: random.Random, sender: Sender, box: Box, shown: bytes) -> None:
        self._chance, self._sender = chance, sender
        batch = sender.batch(1, column(values=[1, 2.5, 3])).data
        urgent = sender.batch(1, stream="urgent", records=[check()]).data
        self._envelopes = [Envelopes(chance, one, sender.signer) for one in (batch, urgent)]
        self._question = encode(box.question(WRONG_CODE, shown))
        self._rotation = box.rotation(Box(), wall_ms(), gateway=sender.gateway)
        self._smuggled, self._turn = SMUGGLED, 0

    def body(self) -> tuple[str, str, bytes]:
        """Path, content type and contents, of which nothing is good."""
        chance = self._chance
        kind = chance.choice(("post", "urgent", "enrol", "rotate"))
        if kind in {"post", "urgent"}:
            return PLACE if kind == "post" else PLACE.replace("bulk", "urgent"), CONTENT_TYPE, self._posted()
        good = self._question if kind == "enrol" else self._rotation
        spoilt = [spoil(chance, good) for spoil in (flipped, truncated, reordered, padded)]
        body = chance.choice(
            [*spoilt, noise(chance), chance.choice(PACKED), self._signed(), self._rotation, self._question]
        )
        return ENROL_PATH if kind == "enrol" else ROTATE_PATH, QUESTION_TYPE, body

    def _posted(self) -> bytes:
        envelopes = self._chance.choice(self._envelopes)
        makers = (envelopes.shaken, envelopes.of_nobody, envelopes.badly_signed, envelopes.of_a_strange_kind,
                  envelopes.signed, envelopes.bomb, lambda: noise(self._chance))  # fmt: skip
        made = [self._chance.choice(makers)() for _ in range(self._chance.randrange(1, 6))]
        if self._chance.random() < 0.5:
            made.insert(0, self._sender.status().data)  # rightly signed: the rest is looked at
        body = pack(made)
        if self._chance.random() < 0.3:
            body = self._chance.choice((flipped, truncated, padded))(self._chance, body)
        return body

    def _signed(self) -> bytes:
        """A question for new keys, signed by the gateway it is about, and wrong within."""
        good = open_envelope(self._rotation).payload
        fields = msgspec.msgpack.decode(good)
        misplace(self._chance, fields)
        made = (msgspec.msgpack.encode(fields), nested(good), self._chance.choice(PACKED))
        return self._sender.wrap(self._chance.choice(made), kind=Kind.ROTATION).data

    def whole(self) -> bytes:
        path, type_, body = self.body()
        return request(path, body, type_=type_)

    def spoilt(self) -> bytes:
        """A request whose head or length is not what it should be; one kind after the other."""
        path, type_, body = self.body()
        chance = self._chance
        lie = chance.choice((0, 1, len(body) // 2, len(body) + 1))
        whole = request(path, body, type_=type_)
        kinds = (
            request(path, body, type_=type_, framing=b"Content-Length: %d\r\n" % lie),
            request(path, body, type_=type_, framing=b"Content-Length: %d\r\n" % chance.choice((2**31, 2**63))),
            request(path, body, framing=b"Transfer-Encoding: chunked\r\n"),
            request(path, b"5\r\nab\r\n-1\r\n", framing=b"Transfer-Encoding: chunked\r\n"),
            request(path, b"F" * 40 + b"\r\n", framing=b"Transfer-Encoding: chunked\r\n"),
            request(path, body, type_="text/plain"),
            request(path + "/" + "x" * 20_000, body),
            request(path, body, end="X: " + "y" * 20_000 + "\r\n"),
            request(path, body, end="X: y\r\n" * 3_000),
            request(path, body, end="Expect: 100-continue\r\n"),
            request(path, body, end="Expect: nothing\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n"),
            whole.replace(b"HTTP/1.1", chance.choice((b"HTTP/0.9", b"HTTP/1.0", b"HTTP/2", b"HTTP/1.1.1", b"ICY")), 1),
            whole.replace(b"POST", chance.choice((b"GET", b"HEAD", b"CONNECT", b"TRACE", b"P\xd6ST", b"")), 1),
            whole.replace(b"/api", chance.choice((b"http://x/api", b"//api", b"/%2e/api", b"/\xff", b"*", b"")), 1),
            whole.replace(b"\r\n", chance.choice((b"\n", b"\r", b"\r\r\n", b"\0\r\n")), 3),
            flipped(chance, whole[:150]) + whole[150:],
            chance.randbytes(chance.randrange(1, 400)),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + chance.randbytes(50),
            b"\x16\x03\x01\x02\x00\x01" + chance.randbytes(200),
            b"\r\n" * 30_000,
        )  # fmt: skip
        self._turn += 1
        return kinds[self._turn % len(kinds)]

    def smuggling(self, framing: bytes) -> bytes:
        """A good post behind, or within, a request whose end is in doubt."""
        self._smuggled += 1
        inner = request(PLACE, pack([self._sender.batch(self._smuggled, column()).data]))
        return request(PLACE, b"0\r\n\r\n" + inner, framing=framing)
