"""Reads the modules that are wired to our boards. Runs on MicroPython and CPython alike.

The gateway has codecs of its own for modules wired to itself (firmware_bridges/frames); these here
are as small as a board needs.
"""

from binascii import unhexlify

_LINE_BYTES_MAX = 64


class CardReader:
    """RDM6300 (EM4100, 125 kHz): 0x02, ten hexadecimal digits, two of their XOR, 0x03; 9600 Bd."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes) -> "list[bytes]":
        """The cards' five bytes that `data` completes."""
        cards = []
        rest = self._begun + data
        while True:
            start = rest.find(b"\x02")
            rest = b"" if start < 0 else rest[start:]
            if len(rest) < 14:
                break
            card = _card_of(rest[:14])
            if card:
                cards.append(card)
            rest = rest[14 if card else 1 :]
        self._begun = rest
        return cards


def _card_of(frame: bytes) -> bytes:
    if frame[13] != 3:
        return b""
    try:
        data = unhexlify(frame[1:13])
    except ValueError:
        return b""
    check = 0
    for byte in data:
        check ^= byte
    return data[:5] if check == 0 and any(data) else b""


class Thermometer:
    """GY-MCU90614: 5A 5A 45 04, object and ambient in 1/100 °C (int16, high byte first), sum."""

    CONTINUOUS = b"\xa5\x45\xea"
    """Asks it to send by itself."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes) -> "list[tuple[int, int]]":
        """(object, ambient) in 1/100 °C."""
        found = []
        rest = self._begun + data
        while True:
            start = rest.find(b"\x5a")
            rest = b"" if start < 0 else rest[start:]
            if len(rest) < 9:
                break
            good = rest[:4] == b"\x5a\x5a\x45\x04" and sum(rest[:8]) & 0xFF == rest[8]
            if good:
                found.append((_int16(rest, 4), _int16(rest, 6)))
            rest = rest[9 if good else 1 :]
        self._begun = rest
        return found


def _int16(data: bytes, at: int) -> int:
    value = data[at] << 8 | data[at + 1]
    return value - 0x1_0000 if value & 0x8000 else value


class Lines:
    """Text lines; an overlong one is cut off."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes) -> "list[bytes]":
        """The lines that `data` completes, without what ends them."""
        parts = (self._begun + data).split(b"\n")
        self._begun = parts.pop()[-_LINE_BYTES_MAX:]
        return [part.strip() for part in parts if part.strip()]


def read_indicator(line: bytes) -> "tuple[int, bool] | None":
    """Grams and whether they are settled, of an indicator's line such as "ST,GS,+0001.260kg" (CAS,
    A&D). None for an overload or what is no weight.
    """
    fields = line.replace(b" ", b"").split(b",")
    text = b"".join(fields[2:])
    if len(fields) < 3 or fields[0] not in (b"ST", b"US"):
        return None
    if text.endswith(b"kg"):
        grams = _scaled(text[:-2], 3)
    elif text.endswith(b"g"):
        grams = _scaled(text[:-1], 0)
    else:
        grams = None
    return None if grams is None else (grams, fields[0] == b"ST")


def _scaled(text: bytes, decimals: int) -> "int | None":
    """A decimal number times ten to the power of `decimals`, rounded to a whole: no float, so that all
    boards agree.
    """
    sign = -1 if text[:1] == b"-" else 1
    parts = text.lstrip(b"+-").split(b".")
    digits = b"".join(parts)
    if len(parts) > 2 or not digits or not digits.isdigit() or len(digits) > 9:
        return None
    places = len(parts[1]) if len(parts) == 2 else 0
    if places <= decimals:
        return sign * int(digits + b"0" * (decimals - places))
    divisor = int(b"1" + b"0" * (places - decimals))
    return sign * ((int(digits) + divisor // 2) // divisor)


class Steady:
    """Whether a value has kept still for a while."""

    SAMPLES_MAX = 64

    def __init__(self) -> None:
        self._samples: list[tuple[int, int]] = []

    def clear(self) -> None:
        self._samples = []

    def add(self, now_ms: int, value: int, window_ms: int, spread: int) -> "int | None":
        """The median of the last `window_ms` when they differ by `spread` at most; else None."""
        kept = [sample for sample in self._samples if now_ms - sample[0] <= window_ms]
        kept.append((now_ms, value))
        self._samples = kept[-self.SAMPLES_MAX :]
        values = sorted([sample[1] for sample in self._samples])
        if len(values) < 4 or (now_ms - self._samples[0][0]) * 4 < window_ms * 3:
            return None
        return values[len(values) // 2] if values[-1] - values[0] <= spread else None
