"""Secrets that somebody shows again: 256 random bits for a session or a token."""

from __future__ import annotations

import hashlib  # noqa: TID251  # of random secrets, not of identifiers: there is nothing to try through
import secrets
from typing import Final

TOKEN_MARK: Final = "cp_"  # noqa: S105  # what every token begins with, so that a scanner of files finds one
_BYTES: Final = 32
CHARS_MAX: Final = 100
"""Of what is looked at as a secret."""


def new_secret() -> str:
    return secrets.token_urlsafe(_BYTES)


def digest_of(secret: str) -> bytes:
    """What of a secret is stored."""
    return hashlib.sha256(secret[:CHARS_MAX].encode("utf-8", "surrogatepass")).digest()
