"""The line between a board of ours and its gateway: framing, check and the table of messages.

This one file runs on the board (MicroPython) and on the gateway (CPython), so it imports nothing
that a board lacks. A frame is 0x00, COBS(payload, CRC-16 high byte first), 0x00; the CRC is
CRC-16/CCITT-FALSE (polynomial 0x1021, start 0xFFFF, not reflected; of "123456789": 0x29B1).
Numbers in a payload are little-endian. docs/morning-check-station.md shows it byte by byte.
"""

from struct import calcsize, pack, unpack_from

VERSION = 1
PAYLOAD_BYTES_MAX = 250
"""So that payload and CRC need one byte of overhead, and a receiver no more than 256 bytes of room."""
FRAME_BYTES_MAX = PAYLOAD_BYTES_MAX + 3
"""Between two delimiters."""

HELLO, CHECK, TAP, WEIGHT, HEARTBEAT, FAULT = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
ACK, SET, SIGNAL, REQUEST = 0x41, 0x42, 0x43, 0x44

HEADER = "<BB8sI"
"""Of what a board sends: version, type, the board's serial, how often it has started."""
COMMAND_HEADER = "<BB"
"""Of what a board is sent: version, type."""
EVENT_TYPES = (CHECK, TAP, WEIGHT)
"""They begin with a sequence number and their age, and are sent again until acknowledged."""

LAYOUTS = {
    HELLO: ("hello", "<BBBBI", ("kind", "major", "minor", "patch", "uptime_s"), 0),
    CHECK: ("check", "<IIBhh", ("sequence", "age_ms", "site", "object_c100", "ambient_c100"), 10),
    TAP: ("tap", "<IIBBB", ("sequence", "age_ms", "form", "parity", "bits"), 10),
    WEIGHT: ("weight", "<IIiiB", ("sequence", "age_ms", "net_g", "tare_g", "stable"), 0),
    HEARTBEAT: ("heartbeat", "<IHHHHB", ("uptime_s", "waiting", "lost", "refused", "damaged", "health"), 0),
    FAULT: ("fault", "<BH", ("code", "count"), 0),
    ACK: ("ack", "<II", ("boot", "sequence"), 0),
    SET: ("set", "<Bi", ("parameter", "value"), 0),
    SIGNAL: ("signal", "<B", ("signal",), 0),
    REQUEST: ("request", "<B", ("request",), 0),
}
"""Type → name, layout behind the header, its fields, and how many bytes (a card's) may follow."""

KINDS = {1: "morning-desk", 2: "wiegand-tap", 3: "canteen-scale"}
SITES = {1: "forehead", 2: "ear", 3: "axillary"}
FORMS = {1: "uid", 2: "wiegand"}
PARITY_BAD, PARITY_GOOD, PARITY_NONE = 0, 1, 2
NO_AMBIENT = -32768
CARD_BYTES = (3, 4, 5, 7, 8, 10)
"""Lengths of a card's number: Wiegand-26 and -34, EM4100, ISO 14443 (4, 7, 10), ISO 15693."""
FAULTS = {1: "sensor_silent", 2: "sensor_range", 3: "bad_parameter", 4: "unknown_command", 5: "full"}
HEALTH_READER, HEALTH_SENSOR, HEALTH_ACKNOWLEDGED = 1, 2, 4
ACCEPT, REJECT = 1, 2
REQUEST_HELLO, REQUEST_TARE = 1, 2

_CRC_START = 0xFFFF
_CRC_OF_NIBBLE = (
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50A5, 0x60C6, 0x70E7,
    0x8108, 0x9129, 0xA14A, 0xB16B, 0xC18C, 0xD1AD, 0xE1CE, 0xF1EF,
)  # fmt: skip


class WireError(ValueError):
    """Bytes that are no frame or no message; `reason` is one of a few fixed words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def crc16_plain(data: bytes) -> int:
    """CRC-16/CCITT-FALSE by halves of a byte: 32 bytes of table, fast enough for a board."""
    crc = _CRC_START
    for byte in data:
        crc = ((crc << 4) & 0xFFFF) ^ _CRC_OF_NIBBLE[(crc >> 12) ^ (byte >> 4)]
        crc = ((crc << 4) & 0xFFFF) ^ _CRC_OF_NIBBLE[(crc >> 12) ^ (byte & 15)]
    return crc


try:
    from binascii import crc_hqx
except ImportError:  # MicroPython has none
    crc16 = crc16_plain
else:

    def crc16(data: bytes) -> int:
        """CRC-16/CCITT-FALSE."""
        return crc_hqx(data, _CRC_START)


def cobs_encode(data: bytes) -> bytes:
    """Consistent overhead byte stuffing (Cheshire and Baker, 1999): no 0x00 is left in it."""
    out = bytearray()
    blocks = data.split(b"\0")
    last = len(blocks) - 1
    for at, block in enumerate(blocks):
        while len(block) > 254 or (len(block) == 254 and at < last):
            out += b"\xff" + block[:254]
            block = block[254:]  # noqa: PLW2901  # what is left of it
        out += bytes((len(block) + 1,)) + block
    return bytes(out)


def cobs_decode(data: bytes) -> bytes:
    """Raises WireError("bad_stuffing") for what no encoder makes."""
    out = bytearray()
    at, end = 0, len(data)
    while at < end:
        code = data[at]
        after = at + code
        if code == 0 or after > end:
            raise WireError("bad_stuffing")
        out += data[at + 1 : after]
        if code < 255 and after < end:
            out += b"\0"
        at = after
    return bytes(out)


def encode_frame(payload: bytes) -> bytes:
    """The frame of a payload. Raises WireError("too_long")."""
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise WireError("too_long")
    return b"\0" + cobs_encode(payload + pack(">H", crc16(payload))) + b"\0"


def decode_frame(stuffed: bytes) -> bytes:
    """The payload of what stood between two delimiters.

    Raises WireError: "too_long", "bad_stuffing", "truncated", "bad_checksum".
    """
    if len(stuffed) > FRAME_BYTES_MAX:
        raise WireError("too_long")
    data = cobs_decode(stuffed)
    if len(data) < 2:
        raise WireError("truncated")
    if crc16(data):  # over payload and its CRC it is zero
        raise WireError("bad_checksum")
    return data[:-2]


class FrameSplitter:
    """Frames of a line, however its bytes are cut. Never keeps more than one frame's room."""

    def __init__(self) -> None:
        self._begun = b""
        self._overlong = False
        self.faults = 0

    def feed(self, data: bytes) -> "list[bytes]":
        """The payloads that `data` completes."""
        payloads = []
        parts = (self._begun + data).split(b"\0")
        self._begun = parts.pop()
        for part in parts:
            if self._overlong:
                self._overlong = False
            elif part:
                try:
                    payloads.append(decode_frame(part))
                except WireError:
                    self.faults += 1
        if len(self._begun) > FRAME_BYTES_MAX:
            if not self._overlong:
                self.faults += 1
            self._begun, self._overlong = b"", True
        return payloads


def pack_message(type_: int, serial: bytes, boot: int, values: "tuple[int, ...]", card: bytes = b"") -> bytes:
    """What a board sends. `values` are those of its row in LAYOUTS, `serial` has 8 bytes."""
    return pack(HEADER, VERSION, type_, serial, boot) + pack(LAYOUTS[type_][1], *values) + card


def pack_command(type_: int, *values: int) -> bytes:
    """What a board is sent."""
    return pack(COMMAND_HEADER, VERSION, type_) + pack(LAYOUTS[type_][1], *values)


def unpack_message(payload: bytes) -> "tuple[int, bytes, int, tuple[int, ...], bytes]":
    """Type, serial, boot, values and card of what a board has sent. Raises WireError."""
    type_, values, card = _unpack(payload, HEADER, below=ACK)
    return type_, payload[2:10], unpack_from("<I", payload, 10)[0], values, card


def unpack_command(payload: bytes) -> "tuple[int, tuple[int, ...]]":
    """Type and values of what a board is sent. Raises WireError."""
    return _unpack(payload, COMMAND_HEADER, above=ACK)[:2]


def _unpack(
    payload: bytes, header: str, below: int = 0x100, above: int = 0
) -> "tuple[int, tuple[int, ...], bytes]":
    start = calcsize(header)
    if len(payload) < 2:
        raise WireError("bad_length")
    if payload[0] != VERSION:
        raise WireError("unknown_version")
    type_ = payload[1]
    if type_ not in LAYOUTS or not above <= type_ < below:
        raise WireError("unknown_message")
    _, layout, _, card_max = LAYOUTS[type_]
    end = start + calcsize(layout)
    if not end <= len(payload) <= end + card_max:
        raise WireError("bad_length")
    return type_, unpack_from(layout, payload, start), payload[end:]
