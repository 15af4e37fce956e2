"""Every form in which what names a person could stand in a file, a message or a page.

A form is bytes to look for. Text forms are looked for in any case. A form that is short enough to occur
by accident says what may not stand beside it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple
from urllib.parse import quote_from_bytes

from firmware_bridges.cards import to_wiegand
from simulators.roster import Entry

SEPARATORS: Final = ("", ":", "-", " ", "_", ".")
_BASE64_MIN: Final = 7
_DIGITS_MIN: Final = 8
_PAIR_MIN: Final = 8
"""Shorter ones are what any two numbers look like."""


class Beside(Enum):
    """What may not stand beside a form for it to count."""

    ANYTHING = ""
    NO_DIGIT = "digit"
    NO_DIGIT_OR_COMMA = "digit or comma"
    NO_LETTER_OR_DIGIT = "letter or digit"
    PHONE = "digit, but for +86 before it"


class Form(NamedTuple):
    """name: for a report. any_case: text in which letters may be of either case."""

    name: str
    data: bytes
    any_case: bool = True
    beside: Beside = Beside.ANYTHING


def forms_of(entry: Entry) -> Iterator[Form]:
    """All forms of all that names a pupil and the pupil's guardians."""
    yield from _name("name", entry.name)
    yield Form("given name", entry.name[1:].encode(), any_case=False)
    for guardian in entry.guardians:
        yield from _name("guardian's name", guardian.name)
        yield from _phone(guardian.phone)
    yield from _ascii("student number", entry.student_number.removeprefix("G"))
    for card in entry.cards:
        yield from _card(bytes.fromhex(card))
    for band in entry.bands:
        yield from _bytes("band", bytes.fromhex(band.replace(":", "")))
    for station_id in entry.station_ids:
        scheme, _, number = station_id.partition(":")
        yield from _ascii(f"{scheme} number", number, Beside.NO_LETTER_OR_DIGIT)


def _name(what: str, text: str) -> Iterator[Form]:
    utf8, gb = text.encode(), text.encode("gb18030")
    for encoding in ("utf-8", "gb18030", "utf-16-le", "utf-16-be"):
        yield Form(f"{what}, {encoding}", text.encode(encoding), any_case=False)
    yield Form(f"{what}, \\u escapes", "".join(f"\\u{ord(sign):04x}" for sign in text).encode())
    yield Form(f"{what}, decimal entities", "".join(f"&#{ord(sign)};" for sign in text).encode())
    yield Form(f"{what}, hexadecimal entities", "".join(f"&#x{ord(sign):x};" for sign in text).encode())
    for encoding, data in (("utf-8", utf8), ("gb18030", gb)):
        yield Form(f"{what}, per cent, {encoding}", quote_from_bytes(data, safe="").encode())
        yield Form(f"{what}, \\x escapes, {encoding}", "".join(f"\\x{byte:02x}" for byte in data).encode())
        yield Form(f"{what}, hexadecimal, {encoding}", data.hex().encode())
        yield from _base64(f"{what}, {encoding}", data)


def _phone(number: str) -> Iterator[Form]:
    yield Form("phone, plain", number.encode(), beside=Beside.PHONE)
    for separator in (" ", "-", "%20"):
        parts = separator.join((number[:3], number[3:7], number[7:]))
        yield Form(f"phone, with {separator!r}", parts.encode())
    yield from _wide("phone", number)
    yield from _base64("phone", number.encode())


def _ascii(what: str, text: str, beside: Beside = Beside.NO_DIGIT) -> Iterator[Form]:
    yield Form(f"{what}, plain", text.encode(), beside=beside)
    yield Form(f"{what}, hexadecimal", text.encode().hex().encode())
    yield from _wide(what, text)
    yield from _base64(what, text.encode())


def _wide(what: str, text: str) -> Iterator[Form]:
    for encoding in ("utf-16-le", "utf-16-be"):
        yield Form(f"{what}, {encoding}", text.encode(encoding), any_case=False)


def _card(uid: bytes) -> Iterator[Form]:
    """The whole UID, the tag that a 125 kHz reader sees (its last five bytes) and the four bytes that a
    Wiegand reader sends (the last, with some readers the first).
    """
    yield from _bytes("card", uid)
    yield from _bytes("tag", uid[-5:])
    for which, part in (("last", uid[-4:]), ("first", uid[:4])):
        yield from _four_bytes(f"card, {which} four bytes", part)
    for bits, part in ((34, uid[-4:]), (26, uid[-3:])):
        yield Form(f"card, Wiegand-{bits}", to_wiegand(part, bits).encode())
    facility, number = uid[-3], int.from_bytes(uid[-2:])
    high, low = int.from_bytes(uid[-4:-2]), number
    for text in {f"{facility:03d},{number:05d}", f"{facility},{number}", f"{high:05d},{low:05d}"}:
        if len(text) >= _PAIR_MIN:
            yield Form("card, facility and number", text.encode(), beside=Beside.NO_DIGIT_OR_COMMA)


def _four_bytes(what: str, part: bytes) -> Iterator[Form]:
    for order, data in (("", part), (", reversed", part[::-1])):
        for separator in SEPARATORS:
            text = data.hex(separator) if separator else data.hex()
            beside = Beside.ANYTHING if separator else Beside.NO_LETTER_OR_DIGIT
            yield Form(f"{what}{order}, hexadecimal with {separator!r}", text.encode(), beside=beside)
        number = int.from_bytes(data)
        for digits in {str(number), f"{number:010d}"}:
            if len(digits) >= _DIGITS_MIN:
                yield Form(f"{what}{order}, decimal", digits.encode(), beside=Beside.NO_DIGIT)


def _bytes(what: str, data: bytes) -> Iterator[Form]:
    """Five bytes and more: as text in every notation, and as they are."""
    for order, part in (("", data), (", reversed", data[::-1])):
        for separator in SEPARATORS:
            text = part.hex(separator) if separator else part.hex()
            yield Form(f"{what}{order}, hexadecimal with {separator!r}", text.encode())
        yield Form(f"{what}{order}, decimal", str(int.from_bytes(part)).encode(), beside=Beside.NO_DIGIT)
        yield Form(f"{what}{order}, raw", part, any_case=False)
        yield from _base64(f"{what}{order}", part)
    yield from _base64(f"{what}, hexadecimal", data.hex().upper().encode())


def _base64(what: str, data: bytes) -> Iterator[Form]:
    """The characters that stand for these bytes wherever in a longer text they begin. Too few of them
    occur by accident: five bytes have no such form.
    """
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + data)
        core = text[-(-shift * 8 // 6) : (shift + len(data)) * 8 // 6]
        if len(core) < _BASE64_MIN:
            continue
        for alphabet in {core, core.translate(bytes.maketrans(b"+/", b"-_"))}:
            yield Form(f"{what}, Base64", alphabet, any_case=False)
