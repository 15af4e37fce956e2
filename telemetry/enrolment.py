"""How a gateway that nobody knows yet becomes one that a collector knows, by a code that people carry.

A code has 8 signs, works once and for 15 minutes. It travels from the collector's screen to the
gateway's keyboard and never over the network: both sides stretch it into the same key (scrypt, RFC 7914)
and prove that they have it. The gateway does not know the collector's certificate yet, so its proof covers
the fingerprint of the one it was shown: whoever stands in between shows another one and is found out. To
guess the code from a proof takes 31⁸ · 0.05 s ≈ 1,300 years of one core, and there are 15 minutes.

::

    gateway                                     collector
    POST PATH, Question   ──────────────────►   proof of an open invitation? certificate made, key registered
    proof of the answer?  ◄──────────────────   Sealed(answer, proof)

Later a gateway that is known takes new keys by itself: `Rotation`, in an envelope signed with the old key;
the answer comes in an envelope of the collector. With the public key that it has already, only the
certificate is renewed.

To a broker a gateway is the name in its certificate, `common_name`: with it one pattern gives every gateway
of every school its own topics and no others (docs/broker.md).
"""

from __future__ import annotations

import hmac
import secrets
from typing import Final, TypeVar

import msgspec
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from telemetry.decoding import DECODING_ERRORS, describe

FORMAT: Final = 1
CONTENT_TYPE: Final = "application/vnd.campus-pulse.enrolment"
ENROL_PATH: Final = "/api/v1/enrol"
ROTATE_PATH: Final = "/api/v1/rotate"
MESSAGE_BYTES_MAX: Final = 64 * 1024
CODE_LIFE_MS: Final = 15 * 60_000
ALPHABET: Final = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""Without 0, 1, I, L and O, which people confuse."""
CODE_SIGNS: Final = 8
NONCE_BYTES: Final = 16
COMMON_NAME_CHARS_MAX: Final = 64
"""X.509's own bound (RFC 5280, ub-common-name)."""
COLLECTOR_NAME: Final = "campus-collector"
"""In the certificate with which a collector goes to the broker; no gateway's name is without a slash."""
PROOF_BYTES: Final = 32
_SALT: Final = b"campus-pulse/enrolment/code/1"
_GATEWAY: Final = b"campus-pulse/enrolment/gateway\0"
_COLLECTOR: Final = b"campus-pulse/enrolment/collector\0"


class EnrolmentError(ValueError):
    """No message of enrolment, or none that proves what it should; the message is for a log."""


class Question(msgspec.Struct, frozen=True, array_like=True):
    """What a gateway asks with. Which school and gateway it is to be, the invitation says.

    public_key: Ed25519, 32 bytes, for its envelopes. request: certificate signing request (PKCS #10, DER)
    of another key, for TLS. proof: `question_proof`.
    """

    format: int
    nonce: bytes
    public_key: bytes
    request: bytes
    software: str
    proof: bytes = b""


class Endpoint(msgspec.Struct, frozen=True, array_like=True):
    """A broker, reached with the certificate of the answer. username: the `common_name` in it."""

    host: str
    port: int
    username: str


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """All that a gateway needs. Certificates in PEM; keys as public texts (Base64).

    authority: who signed the gateway's certificate and those it is to believe. mqtt, https: one of them at
    least.
    """

    format: int
    nonce: bytes
    school: str
    gateway: str
    timezone: str
    collector_public_key: str
    authority: str
    certificate: str
    not_after_ms: int
    mqtt: Endpoint | None
    https: str | None
    vault: str | None
    vault_public_key: str | None


class Sealed(msgspec.Struct, frozen=True, array_like=True):
    """An answer as it travels: its bytes, and the proof that they come from who made the code."""

    answer: bytes
    proof: bytes


class Rotation(msgspec.Struct, frozen=True, array_like=True):
    """New keys for a gateway that is known; in an envelope signed with the key it has so far.

    issued_ms: by the gateway's clock. held: the new private key's signature over `rotation_claim`, so that
    nobody registers a key that is not theirs.
    """

    format: int
    nonce: bytes
    school: str
    gateway: str
    issued_ms: int
    public_key: bytes
    request: bytes
    held: bytes = b""


Message = TypeVar("Message", Question, Answer, Sealed, Rotation)


def new_code() -> str:
    """Such as ``K7QM-3XWD``."""
    signs = "".join(secrets.choice(ALPHABET) for _ in range(CODE_SIGNS))
    return f"{signs[:4]}-{signs[4:]}"


def parse_code(text: str) -> str:
    """The code in one form, however it was typed. Raises ValueError."""
    signs = "".join(text.upper().split()).replace("-", "")
    if len(signs) != CODE_SIGNS or any(sign not in ALPHABET for sign in signs):
        raise ValueError("a code has 8 letters and digits, such as K7QM-3XWD, without 0, 1, I, L and O")
    return f"{signs[:4]}-{signs[4:]}"


def common_name(school: str, gateway: str) -> str:
    """The name in a gateway's certificate. Raises ValueError where both ids together are too long for one."""
    name = f"{school}/{gateway}"
    if len(name) > COMMON_NAME_CHARS_MAX:
        raise ValueError(
            f"{name} is longer than {COMMON_NAME_CHARS_MAX} signs, which is all that a certificate can name; "
            "use a shorter id"
        )
    return name


def code_key(code: str) -> bytes:
    """The key that grows from a code: 32 bytes, about 50 ms and 32 MiB. Raises ValueError for no code."""
    return Scrypt(salt=_SALT, length=32, n=2**15, r=8, p=1).derive(parse_code(code).encode("ascii"))


def question_proof(key: bytes, question: Question, server_fingerprint: bytes) -> bytes:
    """That whoever asks has the code, and was shown the certificate with this SHA-256 (DER; empty without TLS,
    on one machine).
    """
    bare = msgspec.msgpack.encode(msgspec.structs.replace(question, proof=b""))
    return hmac.digest(
        key, _GATEWAY + len(server_fingerprint).to_bytes(1) + server_fingerprint + bare, "sha256"
    )


def answer_proof(key: bytes, answer: bytes) -> bytes:
    """That whoever answers made the code."""
    return hmac.digest(key, _COLLECTOR + answer, "sha256")


def proves(found: bytes, expected: bytes) -> bool:
    return hmac.compare_digest(found, expected)


def rotation_claim(rotation: Rotation) -> bytes:
    """What the new private key signs."""
    return b"campus-pulse/enrolment/rotation\0" + msgspec.msgpack.encode(
        msgspec.structs.replace(rotation, held=b"")
    )


def encode(message: Question | Answer | Sealed | Rotation) -> bytes:
    return msgspec.msgpack.encode(message)


def decode(data: bytes, type_: type[Message]) -> Message:
    """Raises EnrolmentError."""
    if len(data) > MESSAGE_BYTES_MAX:
        raise EnrolmentError(f"a message of {len(data)} bytes is too large")
    try:
        message = msgspec.msgpack.decode(data, type=type_)
    except DECODING_ERRORS as error:
        raise EnrolmentError(f"no message of enrolment: {describe(error)}") from None
    if getattr(message, "format", FORMAT) != FORMAT:
        raise EnrolmentError("another format of enrolment; both sides need the same version")
    return message
