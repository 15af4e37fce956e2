"""New keys for a gateway that is known.

The old key and certificate stay good until the new ones have been seen in use, or for a week: the answer may
be lost on its way. A gateway that lost it asks again, with the same keys or with others, and signs with the
old key meanwhile; what it was given last and never used then ends.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection

from collector.enrolment.certificates import PublicKey
from collector.enrolment.issuing import (
    Issuer,
    RefusedError,
    find_given,
    parse_keys,
    require_time,
    require_unused,
)
from collector.records import Gateway, enrolment, gateways
from collector.records.enrolment import Certificate
from foundation.keyfiles import parse_public, public_text
from telemetry.enrolment import Rotation, common_name, encode, rotation_claim
from telemetry.envelope import Envelope, EnvelopeError, Kind, key_id, verify

FRESH_MS: Final = 10 * 60_000
GRACE_MS: Final = 7 * 24 * 60 * 60_000
"""So long the old key and certificate stay good, unless the new ones are seen in use before."""
DAY_MS: Final = 24 * 60 * 60_000
ISSUED_A_DAY_MAX: Final = 20
"""Certificates for one gateway; one that asks for more is broken, or not in its owner's hands."""


def rotate(
    issuer: Issuer, connection: Connection, envelope: Envelope, rotation: Rotation, now_ms: int
) -> bytes:
    """The answer, in an envelope, for a gateway that takes new keys. Raises RefusedError.

    A question that was answered before gets the same answer, with whichever of both keys it is signed:
    a gateway that lost the answer asks again. What is asked twice changes nothing the second time.
    """
    require_time(now_ms)
    gateway = _signed_by(connection, envelope, now_ms)
    if (gateway.school, gateway.id) != (rotation.school, rotation.gateway):
        raise RefusedError(403, "the key that signed belongs to another gateway")
    key, tls_key = parse_keys(rotation.nonce, rotation.public_key, rotation.request)
    try:
        key.verify(rotation.held, rotation_claim(rotation))
    except InvalidSignature:
        raise RefusedError(422, "the new key's own signature is missing or wrong") from None
    certificate = find_given(connection, gateway.school, gateway.id, key, tls_key, now_ms - GRACE_MS)
    if certificate is None:
        certificate = _renew(issuer, connection, gateway, envelope, rotation, key, tls_key, now_ms)
    answer = issuer.answer(gateway.school, gateway.id, rotation.nonce, certificate)
    return issuer.signer.wrap(Kind.ROTATED, encode(answer))


def _renew(
    issuer: Issuer,
    connection: Connection,
    gateway: Gateway,
    envelope: Envelope,
    rotation: Rotation,
    key: Ed25519PublicKey,
    tls_key: PublicKey,
    now_ms: int,
) -> Certificate:
    school, id_ = gateway.school, gateway.id
    if abs(rotation.issued_ms - now_ms) > FRESH_MS:
        raise RefusedError(
            403,
            "the clocks of gateway and collector are more than ten minutes apart; a gateway takes new keys "
            "once it knows the time",
        )
    if enrolment.count_issued(connection, school, id_, now_ms - DAY_MS) >= ISSUED_A_DAY_MAX:
        raise RefusedError(429, "this gateway has had new certificates too often today", 3600)
    signer_id, new_id = envelope.key_id.hex(), key_id(key).hex()
    if signer_id != gateway.key_id:
        # What was given last has not been seen in use: the gateway did not get it, or has lost it.
        before = enrolment.certificates(connection, school, id_)[:-1]
        enrolment.revoke_certificates(connection, school, id_, now_ms, [one.serial for one in before])
    if new_id != gateway.key_id:
        if new_id == signer_id:
            enrolment.forget_old_key(connection, new_id)
        require_unused(connection, new_id)
        enrolment.retire_key(connection, gateway)
        enrolment.renew_old_key(connection, signer_id, now_ms + GRACE_MS)
        enrolment.set_key(connection, school, id_, public_text(key), new_id)
    certificate = issuer.certify(connection, school, id_, tls_key, now_ms)
    issuer.note(connection, common_name(school, id_), "gateway.rotate", school, id_, f"key {new_id}")
    return certificate


def _signed_by(connection: Connection, envelope: Envelope, now_ms: int) -> Gateway:
    """The gateway whose key, or whose key in its last days, signed this. Raises RefusedError."""
    id_ = envelope.key_id.hex()
    found = next((one for one in gateways.find_all(connection) if one.key_id == id_), None)
    public_key = found.public_key if found else ""
    old = enrolment.find_old_key(connection, id_, now_ms)
    if old:
        found, public_key = enrolment.find_gateway(connection, old.school, old.gateway), old.public_key
    try:
        if found is None or envelope.kind is not Kind.ROTATION:
            raise EnvelopeError("nobody's")  # noqa: TRY301  # one answer for all that is not a gateway's
        verify(envelope, parse_public(public_key))
    except (EnvelopeError, ValueError):
        raise RefusedError(401, "no gateway is known by the key that signed this") from None
    if found.state != "active":
        raise RefusedError(403, "this gateway has been revoked")
    return found
