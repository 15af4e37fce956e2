"""Cards in a school's list: hexadecimal, ten digits, facility and number, as `firmware_bridges.cards`
tells them apart once it is known which of them a column has.

Ten digits may be four bytes in decimal or five bytes that happen to have no letter. The column
decides: where other numbers of the same length have letters, it is hexadecimal.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from firmware_bridges.cards import parse_decimal, parse_facility, parse_hex
from identity_vault.imports.folding import fold
from identity_vault.imports.problems import CellError
from identity_vault.imports.tables import Cell, as_text
from telemetry.credential_map import normalise_credential

_BETWEEN: Final = re.compile(r"[;、|\n]+")
_HEX_LETTERS: Final = re.compile(r"[A-F]", re.IGNORECASE)
_FACILITY: Final = re.compile(r"[0-9]{1,3}, ?[0-9]{1,5}")
_PRINTED_DIGITS: Final = 10
_UID_DIGITS: Final = frozenset({14, 20})
"""Of UIDs of 7 and 10 bytes: no printed decimal number is as long."""
_REMEDY: Final = "write hexadecimal digits (04:A1:B2:C3), the ten digits printed on it, or facility,number"


def hex_lengths(cells: Iterable[Cell]) -> frozenset[int]:
    """How long the numbers of a column are that can be hexadecimal only."""
    return frozenset(
        len(digits)
        for cell in cells
        if isinstance(cell, str)
        for piece in _BETWEEN.split(fold(cell))
        if _HEX_LETTERS.search(digits := re.sub(r"[:\- ]", "", piece)) and len(digits) <= 20
    )


def cards_of(cell: Cell, lengths: frozenset[int]) -> tuple[str, ...] | None:
    """The normalised cards in a cell; None for an empty one, () where it says that there is none.

    lengths: `hex_lengths` of the column. Raises CellError.
    """
    text = fold(as_text(cell))
    if not text:
        return None
    if text.casefold() in {"无", "-", "none"}:
        return ()
    pieces = [piece.strip() for piece in _BETWEEN.split(text) if piece.strip()]
    is_number = isinstance(cell, int)
    return tuple(dict.fromkeys(_card(piece, lengths, is_number=is_number) for piece in pieces))


def _card(text: str, lengths: frozenset[int], *, is_number: bool) -> str:
    try:
        if _FACILITY.fullmatch(text):
            data = parse_facility(text.replace(" ", ""))
        elif is_number:  # a spreadsheet's number: decimal, its leading zeros lost
            data = parse_decimal(text)
        elif not text.isdigit() or len(text) in lengths or len(text) in _UID_DIGITS:
            data = parse_hex(text)
        elif len(text) == _PRINTED_DIGITS:
            data = parse_decimal(text)
        else:
            raise CellError("could be a decimal or a hexadecimal number", _REMEDY)
        return normalise_credential(data.hex())
    except ValueError as error:
        if isinstance(error, CellError):
            raise
        raise CellError("is not a card's number", _REMEDY) from None
