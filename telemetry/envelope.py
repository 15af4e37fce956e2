"""The signed wrapper of everything that travels between a gateway and a collector.

Layout (big-endian, see docs/wire-format.md)::

    0   2  magic "CP"
    2   1  envelope version, 1
    3   1  kind of the payload
    4   8  key id: the first 8 bytes of SHA-256 of the signer's raw public key
    12 64  Ed25519 signature (RFC 8032) over DOMAIN + bytes 0..11 + payload
    76  –  payload

The broker in between is not trusted: whoever can publish can delay or drop a message, but can
neither alter one nor invent one, an acknowledgement included.
"""

from __future__ import annotations

import hashlib  # noqa: TID251  # of public keys
from enum import IntEnum
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

MAGIC: Final = b"CP"
VERSION: Final = 1
DOMAIN: Final = b"campus-pulse/envelope\0"
KEY_ID_BYTES: Final = 8
_HEAD: Final = len(MAGIC) + 2 + KEY_ID_BYTES
_SIGNATURE_BYTES: Final = 64
ENVELOPE_BYTES_MIN: Final = _HEAD + _SIGNATURE_BYTES
PAYLOAD_BYTES_MAX: Final = 4 * 1024 * 1024
"""Larger messages are refused unread; a batch of 5,000 readings is about 50 kB."""


class Kind(IntEnum):
    """What the payload of an envelope is."""

    BATCH = 1
    ACK = 2
    STATUS = 3
    VAULT_QUESTION = 4
    VAULT_ANSWER = 5
    PENDING = 6
    CONFIGURATION = 7
    ROTATION = 8
    ROTATED = 9


class EnvelopeError(ValueError):
    """The bytes are no envelope of a version we know, or the signature is wrong."""


class Envelope(NamedTuple):
    """An envelope taken apart, its signature not yet checked."""

    kind: Kind
    key_id: bytes
    signature: bytes
    signed: bytes
    payload: bytes


def key_id(public_key: Ed25519PublicKey) -> bytes:
    """The short name of a key: 8 bytes, for look-up only; trust comes from the whole key."""
    return hashlib.sha256(public_key.public_bytes_raw()).digest()[:KEY_ID_BYTES]


class Signer:
    """Wraps payloads under one private key."""

    def __init__(self, private_key: Ed25519PrivateKey) -> None:
        self._private_key = private_key
        self.public_key = private_key.public_key()
        self.key_id = key_id(self.public_key)

    def wrap(self, kind: Kind, payload: bytes) -> bytes:
        head = MAGIC + bytes((VERSION, kind)) + self.key_id
        return head + self._private_key.sign(DOMAIN + head + payload) + payload


def open_envelope(data: bytes) -> Envelope:
    """Takes an envelope apart without trusting it. Raises EnvelopeError."""
    if len(data) < ENVELOPE_BYTES_MIN or data[:2] != MAGIC:
        raise EnvelopeError("not an envelope")
    if data[2] != VERSION:
        raise EnvelopeError(f"envelope version {data[2]} is not known, {VERSION} is")
    if len(data) > ENVELOPE_BYTES_MIN + PAYLOAD_BYTES_MAX:
        raise EnvelopeError(f"payload of {len(data) - ENVELOPE_BYTES_MIN} bytes is too large")
    try:
        kind = Kind(data[3])
    except ValueError:
        raise EnvelopeError(f"payload kind {data[3]} is not known") from None
    payload = data[ENVELOPE_BYTES_MIN:]
    return Envelope(
        kind, data[4:_HEAD], data[_HEAD:ENVELOPE_BYTES_MIN], DOMAIN + data[:_HEAD] + payload, payload
    )


def verify(envelope: Envelope, public_key: Ed25519PublicKey) -> bytes:
    """The payload, once its signature has been checked. Raises EnvelopeError."""
    try:
        public_key.verify(envelope.signature, envelope.signed)
    except InvalidSignature:
        raise EnvelopeError("the signature does not fit the key") from None
    return envelope.payload
