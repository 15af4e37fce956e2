"""Who becomes known, and by what: invitations, enrolment, new keys, revocation, each in one transaction.

What is asked for and by whom is checked inside the transaction that acts on it, and nobody else writes
meanwhile: two gateways with one code, or one wrong code from many addresses at once, stand in a queue.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, Literal, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection

from collector.enrolment.authority import Authority
from collector.enrolment.certificates import PublicKey
from collector.enrolment.issuing import (
    Audit,
    Directions,
    Issuer,
    RefusedError,
    find_given,
    parse_keys,
    require_time,
    require_unused,
)
from collector.enrolment.rotation import rotate
from collector.enrolment.throttle import UNHEARD_S, Throttle
from collector.intake.objections import PLAUSIBLE_FROM_MS
from collector.records import Gateway, enrolment, gateways
from collector.records.enrolment import Certificate, Invitation, Proved
from foundation.keyfiles import public_text
from telemetry.enrolment import (
    CODE_LIFE_MS,
    Question,
    Rotation,
    Sealed,
    answer_proof,
    code_key,
    common_name,
    encode,
    new_code,
    proves,
    question_proof,
)
from telemetry.envelope import Envelope, Signer, key_id
from telemetry.topics import IDENTIFIER

OPEN_MAX: Final = 20

Why = Literal["ids", "clock", "registered", "unregistered", "many"]


class InvitationError(Exception):
    """No invitation can be made; the message names cause and remedy, for a terminal. `why` is for a page."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why


class Invited(NamedTuple):
    """code: shown once, and nowhere else."""

    code: str
    expires_ms: int

    def __repr__(self) -> str:
        return f"Invited(until {self.expires_ms})"


class Registrar:
    """`audit`: None where nobody keeps one. The methods that take a connection are for `Records.run`."""

    def __init__(
        self, authority: Authority, signer: Signer, directions: Directions, audit: Audit | None = None
    ) -> None:
        self.authority = authority
        self.url = directions.https_url
        """Where gateways enrol."""
        self._issuer = Issuer(authority, signer, directions, audit)

    def invite(
        self, school: str, gateway: str, *, replaces: bool, by: str, now_ms: int
    ) -> tuple[Invited, Callable[[Connection], None]]:
        """A code, and what `Records.run` is to do so that it is one. Takes about 50 ms. Raises
        InvitationError, then or now.
        """
        if not (IDENTIFIER.fullmatch(school) and IDENTIFIER.fullmatch(gateway)):
            raise InvitationError(
                "ids", "school and gateway: use 1 to 63 lower-case letters, digits, - or _, such as gw-301"
            )
        try:
            common_name(school, gateway)
        except ValueError as error:
            raise InvitationError("ids", str(error)) from None
        if now_ms < PLAUSIBLE_FROM_MS:
            raise InvitationError("clock", "this machine does not know the time yet; set it and ask again")
        code, until_ms = new_code(), now_ms + CODE_LIFE_MS
        made = Invitation(0, school, gateway, code_key(code), replaces, by, now_ms, until_ms)
        return Invited(code, until_ms), partial(self._add_invitation, made)

    def _add_invitation(self, made: Invitation, connection: Connection) -> None:
        against = _objection(connection, made.school, made.gateway, replaces=made.replaces)
        if against:
            raise InvitationError("unregistered" if made.replaces else "registered", against)
        others = [
            one
            for one in enrolment.current_invitations(connection, made.made_ms)
            if one.used_ms is None and (one.school, one.gateway) != (made.school, made.gateway)
        ]
        if len(others) >= OPEN_MAX:
            raise InvitationError(
                "many", f"{OPEN_MAX} invitations are open; use them, or wait until they have ended"
            )
        enrolment.add_invitation(connection, made)
        self._issuer.note(connection, made.made_by, "gateway.invite", made.school, made.gateway)

    def enrol(
        self, connection: Connection, question: Question, fingerprint: bytes, address: str, now_ms: int
    ) -> bytes | RefusedError:
        """The answer for a gateway that has a code, encoded. Raises RefusedError; a wrong code is returned as
        one, since the transaction that counts it has to last.
        """
        require_time(now_ms)
        found = None
        for one in enrolment.current_invitations(connection, now_ms):
            if proves(question.proof, question_proof(one.code_key, question, fingerprint)):
                found = one
        if found is None:
            return _wrong(connection, address, now_ms)
        key, tls_key = parse_keys(question.nonce, question.public_key, question.request)
        if found.used_ms is not None:
            certificate = find_given(connection, found.school, found.gateway, key, tls_key, found.used_ms)
            if certificate is None:
                return _wrong(connection, address, now_ms)
        else:
            certificate = self._register(connection, found, key, tls_key, now_ms)
        answer = encode(self._issuer.answer(found.school, found.gateway, question.nonce, certificate))
        return encode(Sealed(answer, answer_proof(found.code_key, answer)))

    def _register(
        self,
        connection: Connection,
        invitation: Invitation,
        key: Ed25519PublicKey,
        tls_key: PublicKey,
        now_ms: int,
    ) -> Certificate:
        school, id_ = invitation.school, invitation.gateway
        against = _objection(connection, school, id_, replaces=invitation.replaces)
        if against:
            raise RefusedError(409, against)
        before = enrolment.find_gateway(connection, school, id_)
        new_id = key_id(key).hex()
        if before is None:
            require_unused(connection, new_id)
            gateways.add(connection, Gateway(school, id_, public_text(key), new_id, "active", now_ms))
        else:
            # The same box set up anew may keep its key, but not one that was revoked.
            if before.key_id != new_id or before.state == "revoked":
                require_unused(connection, new_id)
                enrolment.retire_key(connection, before)
            enrolment.end_old_keys(connection, school, id_)
            enrolment.revoke_certificates(connection, school, id_, now_ms)
            enrolment.set_key(connection, school, id_, public_text(key), new_id)
        certificate = self._issuer.certify(connection, school, id_, tls_key, now_ms)
        enrolment.use_invitation(connection, invitation.id, now_ms)
        action = "gateway.replace" if before else "gateway.enrol"
        self._issuer.note(connection, invitation.made_by, action, school, id_, f"key {new_id}")
        return certificate

    def rotate(self, connection: Connection, envelope: Envelope, rotation: Rotation, now_ms: int) -> bytes:
        """The answer, in an envelope, for a gateway that takes new keys. Raises RefusedError."""
        return rotate(self._issuer, connection, envelope, rotation, now_ms)

    def retire(self, connection: Connection, proved: Proved, now_ms: int) -> int:
        """Ends what came before the key and certificate that a gateway uses, unless they are no longer those
        it was given last. Returns how many certificates were revoked.
        """
        gateway = enrolment.find_gateway(connection, proved.school, proved.gateway)
        held = enrolment.certificates(connection, proved.school, proved.gateway)
        newest = held[-1].serial if held else ""
        if gateway is None or (gateway.key_id, newest) != (proved.key_id, proved.serial):
            return 0
        enrolment.end_old_keys(connection, proved.school, proved.gateway)
        return enrolment.revoke_certificates(connection, proved.school, proved.gateway, now_ms, [newest])

    def revoke(self, connection: Connection, school: str, gateway: str, by: str, now_ms: int) -> bool:
        """False when there is no such active gateway."""
        found = enrolment.revoke_gateway(connection, school, gateway, now_ms)
        if found:
            self._issuer.note(connection, by, "gateway.revoke", school, gateway)
        return found

    def renew_crl(self, connection: Connection, now_ms: int) -> bool:
        """Writes the list of revoked certificates if it is due. Raises OSError."""
        revoked = enrolment.revoked(connection, now_ms)
        if now_ms < PLAUSIBLE_FROM_MS or not self.authority.crl_is_due(revoked, now_ms):
            return False
        self.authority.write_crl(revoked, now_ms)
        return True


def _objection(connection: Connection, school: str, gateway: str, *, replaces: bool) -> str | None:
    known = enrolment.find_gateway(connection, school, gateway)
    if known and not replaces:
        return (
            f"{school}/{gateway} is registered already; for another box in its place, or the same one anew: "
            "campus collector gateway invite --replace"
        )
    if known is None and replaces:
        return f"{school}/{gateway} is not registered, so there is nothing to replace; leave --replace out"
    return None


def _wrong(connection: Connection, address: str, now_ms: int) -> RefusedError:
    """Raises RefusedError where it is not counted any more."""
    if Throttle(enrolment.failures(connection, now_ms)).is_spent(address, now_ms):
        raise RefusedError(429, "the code is wrong, and too many wrong ones came", UNHEARD_S)
    enrolment.add_failure(connection, now_ms, address)
    return RefusedError(
        403,
        "the code is wrong, used, or older than 15 minutes: ask for a new one. If it is right, something "
        "between this gateway and the collector shows a certificate of its own",
    )
