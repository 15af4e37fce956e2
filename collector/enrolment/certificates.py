"""What stands in the certificates of this authority (RFC 5280). Pure: keys and names in, certificates out."""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
import secrets
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from telemetry.enrolment import common_name

PublicKey = EllipticCurvePublicKey | Ed25519PublicKey | RSAPublicKey
Use = Literal["client", "server"]

AUTHORITY_DAYS: Final = 3_652
CERTIFICATE_DAYS: Final = 400
CRL_DAYS: Final = 30
EARLIER: Final = dt.timedelta(days=1)
"""Certificates are good from a day before: nobody's clock has to be the same as ours."""
NAMES_MAX: Final = 20
_RSA_BITS: Final = range(2048, 4096 + 1)
_HOST: Final = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.IGNORECASE)  # fmt: skip
_USES: Final = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "server": ExtendedKeyUsageOID.SERVER_AUTH}


class RequestError(ValueError):
    """A signing request that gets no certificate; the message is for who made it."""


def key_of_request(request: bytes) -> PublicKey:
    """The key that a request (PKCS #10, DER) asks a certificate for; its sender has the private half. What
    else stands in it, names and wishes, is not looked at. Raises RequestError.
    """
    try:
        csr = x509.load_der_x509_csr(request)
        key = csr.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise RequestError("the signing request cannot be read: PKCS #10 in DER is needed") from None
    good = (
        (isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1 | SECP384R1))
        or isinstance(key, Ed25519PublicKey)
        or (isinstance(key, RSAPublicKey) and key.key_size in _RSA_BITS)
    )
    if not good:
        raise RequestError("the key must be P-256, P-384, Ed25519, or RSA of 2048 to 4096 bits")
    assert isinstance(key, PublicKey)
    try:
        signed = csr.is_signature_valid
    except (ValueError, UnsupportedAlgorithm):
        signed = False
    if not signed:
        raise RequestError("the signing request is not signed with the key it names")
    return key


def parse_names(names: Iterable[str]) -> list[x509.GeneralName]:
    """Host names and addresses of a server. Raises ValueError that names the bad one."""
    found: list[x509.GeneralName] = []
    for name in names:
        try:
            found.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            if not _HOST.fullmatch(name):
                raise ValueError(f"{name!r} is neither a host name nor an address") from None
            found.append(x509.DNSName(name.lower()))
    if not 1 <= len(found) <= NAMES_MAX:
        raise ValueError(f"name 1 to {NAMES_MAX} host names or addresses")
    return found


def make_authority(key: EllipticCurvePrivateKey, now: dt.datetime) -> x509.Certificate:
    """Of a key's own. Its name comes from the key: two authorities of one name are taken for each other, and
    one that is made anew for the same key stands in for the one before.
    """
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    name = _name(f"Campus Pulse authority {identifier.digest.hex()[:8]}")
    builder = _builder(name, name, key.public_key(), now, now + dt.timedelta(days=AUTHORITY_DAYS))
    usage = x509.KeyUsage(
        digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def gateway_names(school: str, gateway: str) -> tuple[str, Sequence[x509.GeneralName]]:
    """Common name and alternative names of a gateway. Raises ValueError where they are too long."""
    return common_name(school, gateway), (
        x509.UniformResourceIdentifier(f"urn:campus-pulse:{school}:{gateway}"),
    )


def make_certificate(
    issuer: x509.Certificate,
    issuer_key: EllipticCurvePrivateKey,
    *,
    key: PublicKey,
    name: str,
    names: Sequence[x509.GeneralName],
    use: Use,
    now: dt.datetime,
) -> x509.Certificate:
    """Good for one use, never to sign others, no longer than its issuer."""
    until = min(now + dt.timedelta(days=CERTIFICATE_DAYS), issuer.not_valid_after_utc)
    builder = _builder(_name(name), issuer.subject, key, now, until)
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([_USES[use]]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(_authority_key(issuer), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def make_crl(
    issuer: x509.Certificate,
    issuer_key: EllipticCurvePrivateKey,
    revoked: Iterable[tuple[int, dt.datetime]],
    number: int,
    now: dt.datetime,
) -> x509.CertificateRevocationList:
    """Of serial numbers and when they were revoked."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(issuer.subject)
        .last_update(now - EARLIER)
        .next_update(now + dt.timedelta(days=CRL_DAYS))
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(_authority_key(issuer), critical=False)
    )
    for serial, at in revoked:
        builder = builder.add_revoked_certificate(
            x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
        )
    return builder.sign(issuer_key, hashes.SHA256())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: PublicKey, now: dt.datetime, until: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(secrets.randbits(127) + 1)
        .not_valid_before(now - EARLIER)
        .not_valid_after(until)
    )


def _authority_key(issuer: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    found = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found)
