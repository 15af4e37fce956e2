"""What every question ends with: keys looked at, a certificate made and kept, an answer that names it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import structlog
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import Connection

from collector.enrolment.authority import Authority, AuthorityError
from collector.enrolment.certificates import PublicKey, RequestError, key_of_request
from collector.intake.http_callers import fingerprint_of
from collector.intake.objections import PLAUSIBLE_FROM_MS
from collector.records import enrolment
from collector.records.enrolment import Certificate
from foundation.keyfiles import public_text
from telemetry.enrolment import FORMAT, NONCE_BYTES, Answer, Endpoint, common_name
from telemetry.envelope import Signer, key_id

Audit = Callable[[Connection, str, str, str, str], None]
"""Notes actor, action, subject and detail, in the transaction of what they tell of."""

log = structlog.get_logger()


class RefusedError(Exception):
    """A question that is answered with no: HTTP status, words for the installer, when to come again."""

    def __init__(self, status: int, detail: str, retry_s: int | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.retry_s = retry_s


@dataclass(frozen=True)
class Directions:
    """What an answer says beside keys and certificates, the same for all gateways.

    mqtt: host and port. vault: school, address and public key. trusted: certificates in PEM.
    """

    https_url: str
    mqtt: tuple[str, int] | None = None
    vault: tuple[str, str, str] | None = None
    timezone: str = "Asia/Shanghai"
    trusted: str = ""


class Issuer:
    """`audit`: None where nobody keeps one."""

    def __init__(
        self, authority: Authority, signer: Signer, directions: Directions, audit: Audit | None
    ) -> None:
        self.authority = authority
        self.signer = signer
        self._directions = directions
        self._audit = audit

    def certify(
        self, connection: Connection, school: str, gateway: str, tls_key: PublicKey, now_ms: int
    ) -> Certificate:
        """Raises RefusedError."""
        try:
            made = self.authority.issue_gateway(school, gateway, tls_key, now_ms)
        except AuthorityError as error:
            log.error("no gateway gets a certificate", error=str(error))
            raise RefusedError(
                503, "the authority's certificate has ended by the collector's clock; its log has more", 60
            ) from None
        # The newest is told by its time, also after a clock was put back.
        issued_ms = max(now_ms, enrolment.newest_issued_ms(connection, school, gateway) + 1)
        certificate = Certificate(
            f"{made.serial_number:x}",
            school,
            gateway,
            fingerprint_of(made).hex(),
            made.public_bytes(Encoding.DER),
            issued_ms,
            int(made.not_valid_after_utc.timestamp() * 1000),
        )
        enrolment.add_certificate(connection, certificate)
        log.info("certificate given out", school=school, gateway=gateway, serial=certificate.serial)
        return certificate

    def answer(self, school: str, gateway: str, nonce: bytes, certificate: Certificate) -> Answer:
        told = self._directions
        vault = told.vault if told.vault and told.vault[0] == school else None
        return Answer(
            format=FORMAT,
            nonce=nonce,
            school=school,
            gateway=gateway,
            timezone=told.timezone,
            collector_public_key=public_text(self.signer.public_key),
            authority=self.authority.pem + told.trusted,
            certificate=load_certificate(certificate).public_bytes(Encoding.PEM).decode("ascii"),
            not_after_ms=certificate.not_after_ms,
            mqtt=Endpoint(*told.mqtt, common_name(school, gateway)) if told.mqtt else None,
            https=told.https_url,
            vault=vault[1] if vault else None,
            vault_public_key=vault[2] if vault else None,
        )

    def note(
        self, connection: Connection, actor: str, action: str, school: str, gateway: str, detail: str = ""
    ) -> None:
        if self._audit:
            self._audit(connection, actor, action, f"{school}/{gateway}", detail)


def require_time(now_ms: int) -> None:
    """Certificates made by a machine that does not know the time would be good at another."""
    if now_ms < PLAUSIBLE_FROM_MS:
        raise RefusedError(503, "this collector does not know the time yet; set its clock", 60)


def parse_keys(nonce: bytes, public_key: bytes, request: bytes) -> tuple[Ed25519PublicKey, PublicKey]:
    """The key for envelopes and the one for TLS. Raises RefusedError."""
    if len(nonce) != NONCE_BYTES:
        raise RefusedError(422, f"a nonce has {NONCE_BYTES} bytes")
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
        tls_key = key_of_request(request)
    except RequestError as error:
        raise RefusedError(422, str(error)) from None
    except ValueError:
        raise RefusedError(422, "a public key for envelopes is Ed25519, 32 bytes") from None
    if tls_key == key:
        raise RefusedError(422, "the keys for envelopes and for TLS must be two")
    return key, tls_key


def require_unused(connection: Connection, key_id: str) -> None:
    """A key that is or was anybody's never comes back. Raises RefusedError."""
    if enrolment.owner_of_key(connection, key_id):
        raise RefusedError(
            409, "this key has been in use before, here or at another gateway; make a new one and ask again"
        )


def find_given(
    connection: Connection,
    school: str,
    gateway: str,
    key: Ed25519PublicKey,
    tls_key: PublicKey,
    since_ms: int,
) -> Certificate | None:
    """The newest certificate of an active gateway, if it was given since then to just these keys."""
    known = enrolment.find_gateway(connection, school, gateway)
    if known is None or known.state != "active" or known.key_id != key_id(key).hex():
        return None
    for one in enrolment.certificates(connection, school, gateway, whole=True)[-1:]:
        if one.issued_ms >= since_ms and load_certificate(one).public_key() == tls_key:
            return one
    return None


def load_certificate(certificate: Certificate) -> x509.Certificate:
    return x509.load_der_x509_certificate(certificate.certificate)
