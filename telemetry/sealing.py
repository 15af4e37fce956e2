"""A message that only one asker can read: X25519, HKDF-SHA-256, AES-256-GCM.

The asker makes a key pair for one question, sends the public half with it and forgets both with the
answer, so that an answer recorded on the way can be read by nobody later. Who sealed it is not told
here: answers travel in signed envelopes.

Layout: 32 bytes public key of the sealer's own pair, 12 bytes nonce, ciphertext with its tag.
"""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_DOMAIN: Final = b"campus-pulse/sealed\0"


class SealError(ValueError):
    """A sealed message that is damaged, meant for another, or sealed for another question."""


class Seal:
    """The asker's half: makes a key pair; `open` reads the one answer."""

    def __init__(self) -> None:
        self._private_key = X25519PrivateKey.generate()
        self.reply_key = self._private_key.public_key().public_bytes_raw()

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """The message; `about` as it was given to `seal`. Raises SealError."""
        if len(sealed) < KEY_BYTES + NONCE_BYTES:
            raise SealError("too short for a sealed message")
        theirs, rest = sealed[:KEY_BYTES], sealed[KEY_BYTES:]
        try:
            shared = self._private_key.exchange(X25519PublicKey.from_public_bytes(theirs))
            cipher = _cipher(shared, theirs, self.reply_key)
            return cipher.decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], about)
        except (InvalidTag, ValueError):
            raise SealError("a sealed message that was damaged, or not meant for this question") from None


def seal(reply_key: bytes, message: bytes, about: bytes) -> bytes:
    """The message for whoever holds the other half of `reply_key`; `about` binds it to a question.

    Raises SealError for a key that is none.
    """
    own = X25519PrivateKey.generate()
    ours = own.public_key().public_bytes_raw()
    try:
        shared = own.exchange(X25519PublicKey.from_public_bytes(reply_key))
    except ValueError:
        raise SealError("the reply key is no X25519 public key") from None
    nonce = os.urandom(NONCE_BYTES)
    return ours + nonce + _cipher(shared, ours, reply_key).encrypt(nonce, message, about)


def _cipher(shared: bytes, sealer: bytes, asker: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, salt=None, info=_DOMAIN + sealer + asker).derive(shared))
