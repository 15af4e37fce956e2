"""What a Modbus device answered, as people write it down: frames, register dumps, JSON.

For `campus profile decode` and for the examples of profiles; no driver reads this.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from device_profiles.modbus import ModbusDecoder
from device_profiles.modbus_plan import RegisterRead, covers
from device_profiles.parsing import DecodeError, parse_json
from device_profiles.rtu import (
    REQUEST_BYTES,
    FrameError,
    Reply,
    Request,
    parse_reply,
    parse_request,
    with_crc,
)

_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+").fullmatch
_BETWEEN_BYTES = re.compile(r"[\s:,;|>-]+")
_WORD = r"(?:0x[0-9a-fA-F]{1,4}|[0-9]{1,5})"
_DUMP = re.compile(rf"([1-4])@({_WORD}):\s*({_WORD}(?:[\s,]+{_WORD})*)").fullmatch
_WORDS = re.compile(_WORD).findall
DUMPS_MAX: Final = 64


class Answer(NamedTuple):
    """A read and the registers (or bits) that came back. `guessed`: nobody said at which address."""

    read: RegisterRead
    registers: tuple[int, ...]
    guessed: bool = False


def parse_answers(text: str, decoder: ModbusDecoder) -> list[Answer]:
    """The answers in a text. Raises FrameError where it holds none.

    A dump is ``FC@ADDRESS: REGISTER …``, decimal or 0x…; several are parted by ``;`` or new lines.
    A frame is hexadecimal, a response by itself or a request and its response (what a converter
    echoes in between is passed over). JSON is ``{"fc", "address", "registers"}`` or ``{"request",
    "response"}``, or ``{"response_no_crc", "address"}`` of a log without checks; or an array of these.
    A response without its request is read from the first row of the profile that it could begin at.
    """
    text = text.strip()
    if text[:1] in {"{", "["}:
        return _from_json(text, decoder)
    if "@" in text:
        return [_from_dump(part) for part in re.split(r"[;\n]", text)[:DUMPS_MAX] if part.strip()]
    return [_from_frames(_bytes(text), decoder)]


def _bytes(text: str) -> bytes:
    joined = _BETWEEN_BYTES.sub("", text)
    if not _HEX(joined):
        raise FrameError("not_hex", "expected pairs of hexadecimal digits, or a dump such as 3@0: 658 235")
    return bytes.fromhex(joined)


def _from_dump(text: str) -> Answer:
    found = _DUMP(text.strip())
    if found is None:
        raise FrameError("not_a_dump", "expected FC@ADDRESS: REGISTER …, such as 3@0: 658 235")
    return _answer(int(found[1]), _int(found[2]), [_int(word) for word in _WORDS(found[3])])


def _int(word: str) -> int:
    return int(word, 16) if word.startswith("0x") else int(word)


def _answer(fc: Any, address: Any, registers: Any) -> Answer:
    """Checks what a person wrote; a decoder takes any registers."""
    if (
        type(fc) is not int
        or fc not in {1, 2, 3, 4}
        or type(address) is not int
        or not 0 <= address <= 0xFFFF
    ):
        raise FrameError("not_a_dump", "expected fc 1 to 4 and an address from 0 to 65535")
    highest = 1 if fc in {1, 2} else 0xFFFF
    if not isinstance(registers, list) or not registers:
        raise FrameError("not_a_dump", "expected registers, at least one")
    if not all(type(one) in {int, bool} and 0 <= one <= highest for one in registers):
        raise FrameError("not_a_dump", f"expected whole numbers from 0 to {highest} as registers of FC {fc}")
    return Answer(RegisterRead(fc, address, len(registers)), tuple(map(int, registers)))


def _from_frames(data: bytes, decoder: ModbusDecoder) -> Answer:
    """A response, or a request, perhaps its echo, and the response."""
    request = _leading_request(data)
    if request is None:
        return _placed(parse_reply(data), decoder)
    head, rest = data[:REQUEST_BYTES], data[REQUEST_BYTES:]
    while rest.startswith(head):
        rest = rest[REQUEST_BYTES:]
    if not rest:
        raise FrameError("no_response", "this is a request; the response is missing")
    return _answered(request, parse_reply(rest, request))


def _leading_request(data: bytes) -> Request | None:
    try:
        request = parse_request(data[:REQUEST_BYTES])
    except FrameError:
        return None
    if len(data) == REQUEST_BYTES and data[2] == REQUEST_BYTES - 5:
        return None  # the answer of 17 to 24 bits has as many bytes as a request
    return request


def _answered(request: Request, reply: Reply) -> Answer:
    return Answer(RegisterRead(reply.fc, request.address, len(reply.registers)), reply.registers)


def _placed(reply: Reply, decoder: ModbusDecoder) -> Answer:
    """Where the registers of a response without request stand: the lowest address that fits, a read of
    the gateway's own plan before any other.
    """
    count, rows = len(reply.registers), [row for row in decoder.rows if row.fc == reply.fc]
    found = [read for read in decoder.reads if read.fc == reply.fc and _bits_fit(reply.fc, read.count, count)]
    for row in rows:
        read = RegisterRead(reply.fc, row.address, count)
        if any(one.end == read.end for one in rows if covers(read, one)):
            found.append(read)
            break
    if not found and rows:
        found.append(RegisterRead(reply.fc, rows[0].address, count))
    if not found:
        raise FrameError("no_known_register", f"the profile reads nothing with FC {reply.fc}")
    best = min(found, key=lambda read: read.address)
    return Answer(best, reply.registers[: best.count], guessed=True)


def _bits_fit(fc: int, asked: int, came: int) -> bool:
    """Bits come in whole bytes, so up to seven more than asked for."""
    return came == asked if fc in {3, 4} else came == (asked + 7) // 8 * 8


def _from_json(text: str, decoder: ModbusDecoder) -> list[Answer]:
    try:
        value = parse_json(text.encode())
    except DecodeError as error:
        raise FrameError(error.reason, "expected JSON") from None
    parts = value if isinstance(value, list) else [value]
    if not parts or not all(isinstance(part, dict) for part in parts):
        raise FrameError("not_an_object", "expected a JSON object, or an array of them")
    return [_from_object(part, decoder) for part in parts[:DUMPS_MAX]]


def _from_object(part: dict[str, Any], decoder: ModbusDecoder) -> Answer:
    if "registers" in part:
        return _answer(part.get("fc"), part.get("address"), part["registers"])
    for key in ("response", "response_no_crc"):
        if isinstance(part.get(key), str):
            frame, has_crc = _bytes(part[key]), key == "response"
            break
    else:
        raise FrameError("no_response", 'expected "registers", "response" or "response_no_crc"')
    if isinstance(part.get("request"), str):
        asked = _bytes(part["request"])
        if not has_crc and len(asked) == REQUEST_BYTES - 2:
            asked = with_crc(asked)
        request = parse_request(asked)
        while has_crc and frame.startswith(asked):
            frame = frame[REQUEST_BYTES:]
        return _answered(request, parse_reply(frame, request, has_crc=has_crc))
    reply = parse_reply(frame, has_crc=has_crc)
    address = part.get("address")
    if address is None:
        return _placed(reply, decoder)
    if type(part.get("count")) is int and not _bits_fit(reply.fc, part["count"], len(reply.registers)):
        raise FrameError("wrong_length", f"{len(reply.registers)} values do not answer {part['count']}")
    return _answer(reply.fc, address, list(reply.registers))
