"""The signed wrapper: whatever is changed on the way is noticed."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from telemetry.envelope import (
    ENVELOPE_BYTES_MIN,
    PAYLOAD_BYTES_MAX,
    EnvelopeError,
    Kind,
    Signer,
    open_envelope,
    verify,
)

SIGNER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER = Signer(Ed25519PrivateKey.from_private_bytes(bytes(32)))


@given(st.sampled_from(Kind), st.binary(max_size=300))
def test_round_trip(kind: Kind, payload: bytes) -> None:
    data = SIGNER.wrap(kind, payload)
    assert data == SIGNER.wrap(kind, payload), "Ed25519 is deterministic"
    assert len(data) == ENVELOPE_BYTES_MIN + len(payload)
    envelope = open_envelope(data)
    assert (envelope.kind, envelope.key_id) == (kind, SIGNER.key_id)
    assert verify(envelope, SIGNER.public_key) == payload


def test_every_flipped_bit_is_noticed() -> None:
    good = SIGNER.wrap(Kind.BATCH, b"twelve bytes")
    for bit in range(len(good) * 8):
        data = bytearray(good)
        data[bit // 8] ^= 1 << bit % 8
        with pytest.raises(EnvelopeError):
            verify(open_envelope(bytes(data)), SIGNER.public_key)


def test_every_truncation_is_noticed() -> None:
    good = SIGNER.wrap(Kind.BATCH, b"twelve bytes")
    for size in range(len(good)):
        with pytest.raises(EnvelopeError):
            verify(open_envelope(good[:size]), SIGNER.public_key)


def test_an_appended_byte_is_noticed() -> None:
    with pytest.raises(EnvelopeError):
        verify(open_envelope(SIGNER.wrap(Kind.BATCH, b"x") + b"\0"), SIGNER.public_key)


def test_another_key_is_noticed() -> None:
    with pytest.raises(EnvelopeError, match="signature"):
        verify(open_envelope(OTHER.wrap(Kind.BATCH, b"x")), SIGNER.public_key)


def test_a_signature_does_not_fit_another_kind_or_sender() -> None:
    batch, ack = SIGNER.wrap(Kind.BATCH, b"same"), SIGNER.wrap(Kind.ACK, b"same")
    for at, other in ((3, ack), (4, OTHER.wrap(Kind.BATCH, b"same"))):
        forged = batch[:at] + other[at:12] + batch[12:]
        with pytest.raises(EnvelopeError, match="signature"):
            verify(open_envelope(forged), SIGNER.public_key)


def test_the_largest_payload() -> None:
    data = SIGNER.wrap(Kind.BATCH, bytes(PAYLOAD_BYTES_MAX))
    assert len(open_envelope(data).payload) == PAYLOAD_BYTES_MAX
    with pytest.raises(EnvelopeError, match="too large"):
        open_envelope(data + b"\0")


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda data: b"CP\x01\x01" + data))
def test_arbitrary_bytes_raise_only_envelope_error(data: bytes) -> None:
    try:
        envelope = open_envelope(data)
    except EnvelopeError:
        return
    with pytest.raises(EnvelopeError):
        verify(envelope, SIGNER.public_key)
