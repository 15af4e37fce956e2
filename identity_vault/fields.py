"""Fields of the database that name a person: encrypted, and with a keyed index where they must be found.

Sealed: 12 bytes nonce, then AES-256-GCM of msgpack. What a field is about (table, column, row) is
bound to it, so that a field moved to another row does not open.
"""

from __future__ import annotations

import hmac
import os
import unicodedata
from typing import Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from identity_vault.keys import VaultKeys
from telemetry.decoding import DECODING_ERRORS

Content = TypeVar("Content")

NONCE_BYTES: Final = 12
INDEX_BYTES: Final = 16


class FieldError(Exception):
    """A sealed field that does not open: damaged, moved, or of another key file. Names the field."""


class Fields:
    """Seals, opens and indexes fields with the keys of one vault."""

    def __init__(self, keys: VaultKeys) -> None:
        self._cipher = AESGCM(keys.derive("fields"))
        self._index_key = keys.derive("index")

    def seal(self, content: object, about: str) -> bytes:
        """about: table, column and row, such as ``"pupils.sealed/3f…"``."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, msgspec.msgpack.encode(content), about.encode())

    def open(self, sealed: bytes, about: str, type_: type[Content]) -> Content:
        """Raises FieldError."""
        try:
            data = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], about.encode())
            return msgspec.msgpack.decode(data, type=type_)
        except (InvalidTag, ValueError, *DECODING_ERRORS):
            raise FieldError(
                f"{about} does not open: it is damaged, or the key file is another database's"
            ) from None

    def index(self, kind: str, text: str) -> bytes:
        """What a text of a kind ("number", "phone", "credential") is found by again.

        Full-width letters and digits count as their usual forms.
        """
        normal = unicodedata.normalize("NFKC", text).strip()
        return hmac.digest(self._index_key, f"{kind}\0{normal}".encode(), "sha256")[:INDEX_BYTES]
