"""Yaohua XK3190-A9 weighing indicators and their kin (Keli D2008): 02, text, XOR as two digits, 03.

Source: Shanghai Yaohua, XK3190-A9+ user's manual, section 2.3 (continuous and command mode). Six digits
and the number of decimals from the right; the XOR is of all between 02 and itself. It does not notice
digits that have changed places.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import reduce
from operator import xor
from typing import Final

from firmware_bridges.frames.contract import Frame, FrameError
from firmware_bridges.frames.scanning import begins, reject, take_off
from telemetry.named import Named

START: Final = b"\x02"
TAIL: Final = b"\x03"
FRAME_BYTES_MAX: Final = 24
"""The longest known has 14: a weight in command mode."""
DECIMALS_MAX: Final = 4
_WEIGHT: Final = re.compile(rb"([+-])([0-9 ]{5}[0-9])([0-4])").fullmatch
_ANSWER: Final = re.compile(rb"[A-Z]([BCD])([+-][0-9 ]{5}[0-9][0-4])").fullmatch
_KINDS: Final = {b"B": "gross", b"C": "tare", b"D": "net"}


class YaohuaCodec:
    """Payload: the text between 02 and the check. Values: `mass`; and in command mode `kind`: "gross",
    "tare" or "net".
    """

    def take(self, buffer: bytearray) -> Frame | None:
        if not begins(buffer, START):
            return None
        # A second start gives up the frame before it: digits and signs hold none.
        end = next((at for at in range(1, min(len(buffer), FRAME_BYTES_MAX)) if buffer[at] in {2, 3}), -1)
        if end < 0:
            if len(buffer) < FRAME_BYTES_MAX:
                return None
            reject(buffer, "bad_length")
        if buffer[end : end + 1] == START:
            del buffer[:end]
            raise FrameError("truncated")
        text = take_off(buffer, end + 1)[1:-1]
        if len(text) < 4:
            raise FrameError("bad_length")
        body, check = text[:-2], text[-2:].upper()
        if check != _check(body):
            raise FrameError("bad_checksum")
        return Frame(body, _read(body))


def _read(body: bytes) -> Mapping[str, Named]:
    answer = _ANSWER(body)
    weight = _WEIGHT(body if answer is None else answer[2])
    if weight is None:
        raise FrameError("not_a_weight")
    number = int(weight[2]) / 10 ** int(weight[3])
    values = {"mass": Named(-number if weight[1] == b"-" and number else number, "kg")}
    if answer is not None:
        values["kind"] = Named(_KINDS[answer[1]])
    return values


def _check(body: bytes) -> bytes:
    return b"%02X" % reduce(xor, body, 0)


def encode(mass_kg: float, *, decimals: int = 1) -> bytes:
    """The frame of continuous mode. Raises ValueError for what six digits cannot show."""
    number = round(abs(mass_kg) * 10**decimals)
    if number > 999_999 or not 0 <= decimals <= DECIMALS_MAX:
        raise ValueError("the indicator has six digits and up to four decimals")
    sign = b"-" if mass_kg < 0 and number else b"+"
    body = b"%s%06d%d" % (sign, number, decimals)
    return START + body + _check(body) + TAIL
