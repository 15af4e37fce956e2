"""The codec's answers to known vectors. Runs on MicroPython and CPython alike, to compare them."""

from firmware_bridges.boards import wire


def _range(first: int, last: int) -> bytes:
    return bytes(range(first, last + 1))


COBS = (
    (b"", b"\x01"),
    (b"\x00", b"\x01\x01"),
    (b"\x00\x00", b"\x01\x01\x01"),
    (b"\x00\x11\x00", b"\x01\x02\x11\x01"),
    (b"\x11\x22\x00\x33", b"\x03\x11\x22\x02\x33"),
    (b"\x11\x22\x33\x44", b"\x05\x11\x22\x33\x44"),
    (b"\x11\x00\x00\x00", b"\x02\x11\x01\x01\x01"),
    (_range(1, 254), b"\xff" + _range(1, 254)),
    (_range(0, 254), b"\x01\xff" + _range(1, 254)),
    (_range(1, 255), b"\xff" + _range(1, 254) + b"\x02\xff"),
    (_range(2, 255) + b"\x00", b"\xff" + _range(2, 255) + b"\x01\x01"),
    (_range(3, 255) + b"\x00\x01", b"\xfe" + _range(3, 255) + b"\x02\x01"),
)
"""Data and its stuffing: the table of examples in Wikipedia's article on COBS."""
CRC = (
    (b"123456789", 0x29B1),  # CRC-16/IBM-3740 in the catalogue of parametrised CRC algorithms
    (b"", 0xFFFF),
    (b"A", 0xB915),
    (b"\x00", 0xE1F0),
)


def results() -> str:
    """What must be the same on both interpreters."""
    parts = []
    for data, stuffed in COBS:
        parts.append(wire.cobs_encode(data).hex())
        parts.append(wire.cobs_decode(stuffed).hex() or "")  # MicroPython: b"" for none
    for data, _ in CRC:
        parts.append("%04x%04x" % (wire.crc16(data), wire.crc16_plain(data)))  # noqa: UP031
    for length in range(0, wire.PAYLOAD_BYTES_MAX, 7):
        payload = bytes([(place * 37 + length) % 11 for place in range(length)])
        frame = wire.encode_frame(payload)
        parts.append(frame.hex() if wire.decode_frame(frame[1:-1]) == payload else "wrong")
    return " ".join(parts)
