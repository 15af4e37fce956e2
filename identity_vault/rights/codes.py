"""The code on a receipt: ``R-7K3M-9PXA-4C20``, eleven random digits and one that finds slips of the ear.

The digits are Crockford's base 32, so that a code can be read aloud. The check digit is Luhn's rule
over 32 digits instead of ten: one wrong digit is always found, two neighbours changed about nearly
always.
"""

from __future__ import annotations

import secrets
from typing import Final

from identity_vault.pseudonyms import ALPHABET, to_base32

RANDOM_DIGITS: Final = 11
"""55 bits: nobody meets another's receipt by trying."""
_SAME: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})


class CodeError(ValueError):
    """No code of a receipt; the message says what one looks like."""


def new_code() -> str:
    """A code that was never given before."""
    digits = to_base32(secrets.randbits(5 * RANDOM_DIGITS), RANDOM_DIGITS)
    return _written(digits + ALPHABET[_check(digits)])


def read_code(text: str) -> str:
    """The code as it stands in the database, however it was typed. Raises CodeError."""
    digits = text.strip().upper().translate(_SAME)
    if len(digits) == RANDOM_DIGITS + 2:
        digits = digits.removeprefix("R")
    if len(digits) != RANDOM_DIGITS + 1 or any(one not in ALPHABET for one in digits):
        raise CodeError("a receipt's code is R- and twelve letters and digits, such as R-7K3M-9PXA-4C20")
    if ALPHABET[_check(digits[:-1])] != digits[-1]:
        raise CodeError("one of the letters and digits of this code is wrong; read it once more")
    return _written(digits)


def _written(digits: str) -> str:
    return "-".join(("R", digits[:4], digits[4:8], digits[8:]))


def _check(digits: str) -> int:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = ALPHABET.index(digit) * (2 if place % 2 == 0 else 1)
        total += value // len(ALPHABET) + value % len(ALPHABET)
    return -total % len(ALPHABET)
