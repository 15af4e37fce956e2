"""Purpose-bound pseudonyms: what a pupil is called outside the vault.

``HMAC-SHA-256(HKDF(seed; school, purpose, epoch), pupil's internal id)``, its first 128 bits written
in Crockford's base 32, which has no I, L, O and U and so can be read aloud. Two purposes, or two
epochs, give values that nobody can bring together without the vault's key file.
"""

from __future__ import annotations

import hmac
import re
from functools import lru_cache
from typing import Final

from identity_vault.keys import VaultKeys
from telemetry.purposes import Purpose

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
BITS: Final = 128
CHARS: Final = 26
SHAPE: Final = re.compile(rf"[{ALPHABET}]{{{CHARS}}}")


def to_base32(number: int, chars: int) -> str:
    """The lowest 5 × `chars` bits of a number in Crockford's base 32, the highest first."""
    return "".join(ALPHABET[number >> 5 * at & 31] for at in reversed(range(chars)))


class Pseudonyms:
    """Makes pseudonyms; the only place where their keys are used."""

    def __init__(self, keys: VaultKeys) -> None:
        self._key = lru_cache(256)(lambda purpose, epoch: keys.derive("pseudonym", purpose, epoch))

    def make(self, purpose: Purpose, epoch: str, pupil_id: str) -> str:
        """26 characters; epoch: a school year such as ``"2026-27"``."""
        mac = hmac.digest(self._key(purpose, epoch), pupil_id.encode(), "sha256")
        return to_base32(int.from_bytes(mac[: BITS // 8], "big"), CHARS)
