"""What everybody tries first, of ten characters and more. Compared without case and without what is put around.

Not a list from somewhere: words, key rows and dates of this field and this country. A person who means to
choose badly still can; the lock-out and the wait at each guess hold the rest off.
"""

from __future__ import annotations

from typing import Final

_WORDS: Final = (
    "password", "passw0rd", "p@ssword", "p@ssw0rd", "administrator", "admin", "welcome", "letmein", "iloveyou",
    "changeme", "default", "school", "xuexiao", "xiaoxue", "zhongxue", "shanghai", "campus", "campuspulse",
    "woaini", "woaiwojia", "teacher", "laoshi", "xiaoyi", "nurse", "huanying", "mima", "wodemima", "test",
    "guest", "root", "user", "qwerty", "qwertyuiop", "asdfghjkl", "zxcvbnm", "1qaz2wsx", "1qaz2wsx3edc",
    "1q2w3e4r5t", "qazwsxedc", "abc", "abcd", "abcdef", "a", "aa", "aaa", "qwe", "qweasd", "qweasdzxc", "asd", "zxc",
)  # fmt: skip
_TAILS: Final = (
    "", "1", "12", "123", "1234", "12345", "123456", "1234567", "12345678", "123456789", "1234567890", "520",
    "5201314", "1314", "1314520", "666", "666666", "888", "888888", "8888", "000000", "111111", "123123", "321",
    "654321", "2023", "2024", "2025", "2026", "2027", "01", "001",
)  # fmt: skip
_ROWS: Final = (
    "1234567890", "12345678901", "123456789012", "0123456789", "0987654321", "9876543210", "1122334455",
    "1112223334", "123123123123", "1234512345", "5201314520", "13145201314", "147258369", "1472583690", "qwertyuiop",
    "qwertyuiopasdfghjkl", "1qaz2wsx3edc4rfv", "!qaz2wsx3edc", "qazwsxedcrfv", "zaq12wsxcde3", "abcdefghij",
    "abcdefghijkl", "abcd1234abcd", "passwordpassword", "adminadmin", "testtesttest", "useruseruser",
)  # fmt: skip

COMMON: Final[frozenset[str]] = frozenset(
    {*_ROWS, *(word + tail for word in _WORDS for tail in _TAILS if len(word + tail) >= 10)}
)


def is_common(password: str) -> bool:
    """Whether many others have it too."""
    plain = password.lower().strip(" !.。！?？#@*_-")
    return plain in COMMON or (plain.isdigit() and len(plain) <= 10) or len(set(plain)) <= 3
