"""The gateway's certificate: asked for, checked, and told of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from foundation.keyfiles import KeyFileError
from telemetry.enrolment import Answer, EnrolmentError, common_name


class Certificate(NamedTuple):
    """What is told of a certificate. fingerprint: SHA-256 (DER)."""

    name: str
    not_before: dt.datetime
    not_after: dt.datetime
    fingerprint: bytes

    def days_left(self, now: dt.datetime) -> float:
        return (self.not_after - now) / dt.timedelta(days=1)

    def untimely(self, now: dt.datetime) -> str | None:
        """Why it cannot be used at this time, with what may be wrong about the clock."""
        if now < self.not_before:
            return f"它从 {_day(self.not_before)} 起有效 it is good only from {_day(self.not_before)} on"
        if now > self.not_after:
            return f"它于 {_day(self.not_after)} 到期 it was good until {_day(self.not_after)}"
        return None


def make_request(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A signing request (DER) without a name: that one is the collector's to say."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    return builder.sign(key, SHA256()).public_bytes(Encoding.DER)


def describe(der: bytes) -> Certificate:
    """Raises EnrolmentError for what is none."""
    try:
        return _described(x509.load_der_x509_certificate(der))
    except (ValueError, x509.InvalidVersion):
        raise EnrolmentError("what was shown is no certificate") from None


def read_certificate(file: Path) -> Certificate:
    """The first certificate in a file. Raises KeyFileError."""
    try:
        data = file.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{file} cannot be read: {error.strerror}") from error
    try:
        return _described(x509.load_pem_x509_certificate(data))
    except ValueError:
        raise KeyFileError(f"{file} holds no certificate in PEM form") from None


def check_certificate(answer: Answer, key: ec.EllipticCurvePrivateKey) -> Certificate:
    """The certificate of an answer, found to be for this key and this gateway, and the authority's.

    Raises EnrolmentError. Whether it is good today is another question: see `Certificate.untimely`.
    """
    certificate = _all_of(answer.certificate, "the certificate")[0]
    authorities = _all_of(answer.authority, "the authority's certificate")
    if _bytes_of(certificate) != key.public_key().public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    ):
        raise EnrolmentError("the certificate is for another key than the one sent")
    if not any(_has_signed(authority, certificate) for authority in authorities):
        raise EnrolmentError("the certificate is not signed by the authority that came with it")
    found = _described(certificate)
    if found.name != common_name(answer.school, answer.gateway):
        raise EnrolmentError("the certificate is for another gateway than the answer")
    return found


def _described(certificate: x509.Certificate) -> Certificate:
    names = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return Certificate(
        str(names[0].value) if names else "",
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        certificate.fingerprint(SHA256()),
    )


def _all_of(text: str, what: str) -> Sequence[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text.encode("utf-8"))
    except ValueError:
        raise EnrolmentError(f"{what} cannot be read") from None


def _bytes_of(certificate: x509.Certificate) -> bytes:
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _has_signed(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _day(time: dt.datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M} UTC"
