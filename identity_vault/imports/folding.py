"""Makes the two widths of punctuation, digits and letters one, as Chinese input methods mix them."""

from __future__ import annotations

from typing import Final

_NARROW: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    0x3000: 0x20,
    ord("〔"): ord("("),
    ord("〕"): ord(")"),
    ord("－"): ord("-"),
    ord("–"): ord("-"),
    ord("—"): ord("-"),
}
DIGITS: Final = "零一二三四五六七八九"


def fold(text: str) -> str:
    """The text with narrow signs: ``三（２）班`` is ``三(2)班``. For reading, not for keeping."""
    return text.translate(_NARROW).strip()


def chinese_number(text: str) -> int | None:
    """A number up to 99 in digits or Chinese: 12, 十二, 二十. None for another text."""
    if text.isascii() and text.isdigit() and len(text) <= 2:
        return int(text)
    text = text.replace("〇", "零").replace("两", "二")
    tens, ten, ones = text.rpartition("十")
    if (tens and tens not in DIGITS[1:]) or (ones and (ones not in DIGITS or len(ones) > 1)) or not text:
        return None
    if len(tens) > 1:
        return None
    return (10 * (DIGITS.index(tens) if tens else 1) if ten else 0) + (DIGITS.index(ones) if ones else 0)
