"""Rubbish of every kind for whoever reads bytes: shaken envelopes, right signatures over wrong contents, absurd
MessagePack, bodies that unpack to more than they say, JSON that no device sends.

What is signed here speaks of devices and generations of its own, so that it can neither stand for a
reading of a real device nor take the number of a batch that a gateway is going to send.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import msgspec
import zstandard

from telemetry.batch import decode_body, decode_payload, encode_payload
from telemetry.envelope import ENVELOPE_BYTES_MIN, Envelope, Kind, Signer, open_envelope

GENERATION: Final = "fuzz"
DEVICE: Final = "fuzz-device"
BOMB_BYTES: Final = 256 * 1024 * 1024
_NUMBERS: Final = (
    0, -1, 1, 2**31, 2**53, 2**63 - 1, 2**64 - 1, -(2**63), 1e308, -1e308, 5e-324, float("nan"), float("inf"),
)  # fmt: skip
_OTHERS: Final[tuple[Any, ...]] = (
    None, True, "", "x" * 70_000, "\x00", "示例", "../..", b"", bytes(1_000), [], {}, [[]], {"": {}}, [0] * 5_000,
)  # fmt: skip
ODD: Final = (*_NUMBERS, *_OTHERS)
"""Values that a field does not hold."""
PACKED: Final = (
    b"", b"\xc0", b"\xc1", b"\x91" * 100_000, b"\x81\xa1a" * 50_000, b"\xdd\xff\xff\xff\xff", b"\xdb\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xd6\xff\0\0\0\0", b"\x92\xc1", b"\x92\x90\xc4\x00",
    b"\x9e" + b"\xa1\xff" * 14, b"\xa3\xff\xfe\xfd",
)  # fmt: skip
"""MessagePack that is none, promises more than comes, or is nested without end."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.decode


class Envelopes:
    """Rubbish made of one real envelope. signer: of the gateway it came from."""

    def __init__(self, chance: random.Random, original: bytes, signer: Signer) -> None:
        self.chance, self._original, self._signer = chance, original, signer
        self._opened = open_envelope(original)

    def shaken(self) -> bytes:
        """Bits flipped, an end cut off, parts in another order; never the original."""
        while True:
            data = self.chance.choice((flipped, truncated, reordered, padded))(self.chance, self._original)
            if data != self._original:
                return data

    def of_nobody(self) -> bytes:
        return self._original[:4] + self.chance.randbytes(8) + self._original[12:]

    def badly_signed(self) -> bytes:
        at = self.chance.randrange(12, ENVELOPE_BYTES_MIN)
        return self._original[:at] + bytes([self._original[at] ^ 1]) + self._original[at + 1 :]

    def of_a_strange_kind(self) -> bytes:
        """A kind that does not belong where batches or statuses are sent."""
        kind = self.chance.choice([one for one in Kind if one not in {Kind.BATCH, Kind.STATUS}])
        return self._signer.wrap(kind, self._opened.payload)

    def signed(self) -> bytes:
        """Rightly signed, wrong within."""
        make: Callable[[], bytes] = self.chance.choice(
            (self._packed, self._nested, self._wrong_fields, self._wrong_body)
        )
        return self._signer.wrap(self._opened.kind, make())

    def bomb(self) -> bytes:
        """A batch whose body unpacks to `BOMB_BYTES`, whatever it says."""
        header, _ = decode_payload(_disguised(self._opened))
        header = msgspec.structs.replace(header, sequence=self.chance.randrange(1, 10**9))
        return self._signer.wrap(Kind.BATCH, encode_payload(header, self.chance.choice(bombs())))

    def _packed(self) -> bytes:
        return self.chance.choice(PACKED)

    def _nested(self) -> bytes:
        return nested(_disguised(self._opened))

    def _wrong_fields(self) -> bytes:
        payload = _decode(_disguised(self._opened))
        for _ in range(self.chance.randrange(1, 3)):
            misplace(self.chance, payload)
        return _encode(payload)

    def _wrong_body(self) -> bytes:
        if self._opened.kind is not Kind.BATCH:
            return self._wrong_fields()
        header, packed = decode_payload(_disguised(self._opened))
        header = msgspec.structs.replace(header, sequence=self.chance.randrange(1, 10**9))
        body = _decode(zstandard.ZstdDecompressor().decompress(packed))
        misplace(self.chance, body)
        return encode_payload(header, zstandard.ZstdCompressor().compress(_encode(body)))


def _disguised(envelope: Envelope) -> bytes:
    """The payload of a batch as one of the generation and the device of this module; of a status, as it is."""
    if envelope.kind is not Kind.BATCH:
        return envelope.payload
    header, packed = decode_payload(envelope.payload)
    decode_body(header, packed)
    body = _decode(zstandard.ZstdDecompressor().decompress(packed))
    for series in body[1]:
        series[1] = DEVICE
    for record in body[-1]:
        record["device"] = DEVICE
    header = msgspec.structs.replace(header, generation=GENERATION)
    return encode_payload(header, zstandard.ZstdCompressor().compress(_encode(body)))


def nested(packed: bytes) -> bytes:
    """A MessagePack array of up to 14 elements with one more, which a reader of old formats would skip: it has
    no end.
    """
    assert 0x90 <= packed[0] < 0x9F, packed[:1].hex()
    return bytes([packed[0] + 1]) + packed[1:] + b"\x91" * 100_000 + b"\xc0"


def misplace(chance: random.Random, value: Any) -> None:
    """Puts an odd value somewhere into lists and maps, in place, or leaves something out. The generation and
    the device of this module stay.
    """
    while True:
        keys = list(range(len(value))) if isinstance(value, list) else list(value)
        if not keys:
            return
        key = chance.choice(keys)
        inner = value[key]
        if isinstance(inner, list | dict) and inner and chance.random() < 0.8:
            value = inner
            continue
        if inner in (GENERATION, DEVICE):
            return
        if chance.random() < 0.15:
            del value[key]
        else:
            value[key] = chance.choice(ODD)
        return


@cache
def bombs() -> tuple[bytes, ...]:
    """Zstandard frames of zeros: one that says its size, one that says none, and one that says a thousand."""
    honest = _frame(BOMB_BYTES)
    silent = _frame(-1)
    small = bytearray(zstandard.ZstdCompressor().compress(bytes(100_000)))
    # The frame's header: magic, descriptor 0xA0 (single segment, size of four bytes), then the size.
    assert small[4] & 0xE0 == 0xA0, small[:9].hex()
    small[5:9] = (1_000).to_bytes(4, "little")
    return honest, silent, bytes(small)


def _frame(size: int) -> bytes:
    packer = zstandard.ZstdCompressor(level=1).compressobj(size=size)
    block = bytes(1024 * 1024)
    parts = [packer.compress(block) for _ in range(BOMB_BYTES // len(block))]
    return b"".join(parts) + packer.flush()


def flipped(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randrange(1, 9)):
        if changed:
            changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def truncated(chance: random.Random, data: bytes) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def reordered(chance: random.Random, data: bytes) -> bytes:
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(3))
    parts = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    chance.shuffle(parts)
    return b"".join(parts)


def padded(chance: random.Random, data: bytes) -> bytes:
    return data + chance.randbytes(chance.randrange(1, 2_000))


def noise(chance: random.Random) -> bytes:
    """Bytes that begin like an envelope only by chance of one in 65,536."""
    return chance.choice(
        (
            b"",
            b"\0",
            b"\0" * 1_000,
            chance.randbytes(chance.randrange(200)),
            b"CQ" + chance.randbytes(300),
            b"{}",
        )
    )


def device_rubbish(chance: random.Random, good: dict[str, Any]) -> bytes:
    """No message of a device: not JSON, or JSON whose every known field is wrong."""
    spoilt = {key: chance.choice(_NO_VALUES) for key in good}
    return chance.choice((
        b"", b"\0", b"\xff\xfe", chance.randbytes(60), b"[" * 100_000, b'{"a":' * 50_000, b"null", b"[]", b"1e999", b"NaN",
        json.dumps(good).encode()[:-1], json.dumps([good]).encode(), json.dumps(spoilt).encode(),
        b'{"co2": ' + b"9" * 5_000 + b"}", b'{"co2": NaN}', b'{"co2": 1e400}', b'{"temperature_c": -Infinity, "v": 1}',
        b'"' + b"x" * 200_000 + b'"', "﻿{}".encode("utf-16"), json.dumps({"示例" * 2_000: 1}).encode(),
    ))  # fmt: skip


_NO_VALUES: Final[tuple[Any, ...]] = (
    None, True, "", "x", "１２", [], {}, [1], {"value": 1}, 1e308, -1e308, 10**400, "9" * 400, float("nan"),
)  # fmt: skip
