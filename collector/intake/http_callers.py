"""Who is at the other end of a connection at the gateways' listener, and why some are not let in."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import h11
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from collector.intake.contract import Badge, Door, Sender
from collector.intake.http_answers import problem
from collector.intake.http_bodies import Talk
from foundation.commands import UsageError
from foundation.httpconnection import Reading, Reply
from foundation.oserrors import why


class Caller(NamedTuple):
    """One connection. address: of its other end; badge: what it shows, None where nobody is asked; shown:
    SHA-256 of the certificate that this listener shows, empty without TLS.
    """

    address: str
    badge: Badge | None
    shown: bytes


class Questions(Protocol):
    """Answers requests at other paths than those of posts."""

    def begin(
        self, request: h11.Request, caller: Caller, door: Door, talk: Talk, failed: Callable[[str], None]
    ) -> Reply | Reading | None:
        """None for a path that is not ours. talk: bounds what bodies take of memory, with those of posts."""


class Refusal(NamedTuple):
    """reason: as it is counted."""

    status: int
    reason: str
    detail: str

    def reply(self) -> Reply:
        found = problem(self.status, self.detail)
        if self.status != 401:
            return found
        return found._replace(headers=(*found.headers, (b"WWW-Authenticate", b"Campus-Envelope")))


REFUSALS: Final[dict[Sender, Refusal]] = {
    "stranger": Refusal(401, "unknown_key", "not known"),
    "revoked": Refusal(403, "revoked", "this gateway has been revoked"),
    "uncertified": Refusal(
        401, "no_certificate", "this gateway has a certificate and must show it; enrol it anew if it is lost"
    ),
    "foreign": Refusal(403, "foreign_certificate", "the certificate shown is revoked, or another gateway's"),
}


def shown_certificate(cert_file: Path) -> x509.Certificate:
    """The first of a file (PEM), which is the one that is shown. Raises UsageError."""
    try:
        return x509.load_pem_x509_certificate(cert_file.read_bytes())
    except OSError as error:
        raise UsageError(f"{cert_file} cannot be read: {why(error)}") from error
    except ValueError:
        raise UsageError(f"{cert_file} holds no certificate in PEM") from None


def badge_of(transport_ssl: ssl.SSLObject | None, *, required: bool) -> Badge:
    """What a connection has shown; that our authority signed it was checked with the handshake."""
    der = transport_ssl.getpeercert(binary_form=True) if transport_ssl else None
    return Badge(fingerprint_of(x509.load_der_x509_certificate(der)) if der else None, required)


def fingerprint_of(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the DER, as `telemetry.enrolment.question_proof` takes it."""
    return certificate.fingerprint(hashes.SHA256())
