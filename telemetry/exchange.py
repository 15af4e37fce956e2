"""What gateways and the collector ask of the vault, and its answers.

One question is one envelope (`Kind.VAULT_QUESTION`, signed by who asks) posted over HTTP; the answer
is one envelope (`Kind.VAULT_ANSWER`, signed by the vault) with a message sealed to the question's
`reply_key`, bound to its `nonce`. A question recorded and asked again gives an answer that only the
first asker could have read. docs/wire-format.md has the layout.
"""

from __future__ import annotations

import os
from typing import Final, Literal, TypeVar

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from telemetry.credential_map import Lesson
from telemetry.decoding import DECODING_ERRORS, describe
from telemetry.envelope import Envelope, EnvelopeError, Kind, Signer, open_envelope, verify
from telemetry.purposes import Purpose
from telemetry.records import RECORD_TYPES
from telemetry.sealing import Seal, SealError, seal

PATH: Final = "/v1/exchange"
CONTENT_TYPE: Final = "application/vnd.campus-pulse.envelope"
NONCE_BYTES: Final = 16
ANSWER_BYTES_MAX: Final = 4 * 1024 * 1024
PSEUDONYMS_MAX: Final = 5_000
"""In one question."""
EXPOSURES_MAX: Final = 200


class ExchangeError(ValueError):
    """A question or an answer that is damaged, not signed by whom it should be, or of another format."""


class MapQuestion(msgspec.Struct, frozen=True, tag="map"):
    """A gateway: what has changed in my map since version `have` (0: I have none)?

    Asking with a version confirms that the gateway works with it.
    """

    school: str
    gateway: str
    nonce: bytes
    reply_key: bytes
    have: int = 0


class OrderReport(msgspec.Struct, frozen=True):
    """What a collector has done about an order. `deleted`: rows by table; `records`: the answer to an
    export, msgpack of the kept records by record type.
    """

    order: str
    deleted: dict[str, int] = {}
    records: bytes = b""


class DirectoryQuestion(msgspec.Struct, frozen=True, tag="directory"):
    """The collector: class lists, lessons and orders; `have`: the version it knows (0: none)."""

    school: str
    nonce: bytes
    reply_key: bytes
    have: int = 0
    done: list[OrderReport] = []


class JoinQuestion(msgspec.Struct, frozen=True, tag="join"):
    """The collector: how many of these cases, and of everybody, were exposed to what?

    cases: pseudonyms of `case_purpose`. exposures: pseudonyms of `exposure_purpose` by exposure (a dish,
    a water point), each a text of the collector's own.
    """

    school: str
    nonce: bytes
    reply_key: bytes
    case_purpose: Purpose
    cases: list[str]
    exposure_purpose: Purpose
    exposures: dict[str, list[str]]


class KeyQuestion(msgspec.Struct, frozen=True, tag="key"):
    """A gateway, signed with the key it has so far: from now on mine is `public_key` (Ed25519, 32 bytes).

    held: the new private key's signature over `key_claim`, so that nobody registers a key that is not theirs.
    The answer is the new key's short name. Signed with the new key it asks whether that counts already.
    """

    school: str
    gateway: str
    nonce: bytes
    reply_key: bytes
    public_key: bytes
    held: bytes = b""


Question = MapQuestion | DirectoryQuestion | JoinQuestion | KeyQuestion


class ClassList(msgspec.Struct, frozen=True):
    """A class without names: the health pseudonyms of those who agreed to that purpose, and how many
    there are in all. zh, en: what people call the class.
    """

    class_id: str
    zh: str
    en: str
    size: int
    pseudonyms: list[str]


class Order(msgspec.Struct, frozen=True):
    """What the collector has to do about a pupil's records: delete them, or hand them over for an
    export. pseudonyms: of every purpose and epoch concerned. purposes: of which records; all, if empty.
    """

    id: str
    kind: Literal["erase", "export"]
    pseudonyms: list[str]
    purposes: list[Purpose] = []


class Directory(msgspec.Struct, frozen=True):
    """The vault's answer to the collector. `classes` is None where nothing changed since `have`."""

    version: int
    issued_ms: int
    epoch: str
    classes: list[ClassList] | None
    lessons: dict[str, list[Lesson]]
    school_days: list[tuple[int, int]]
    orders: list[Order]


class Exposure(msgspec.Struct, frozen=True):
    """Counts of one exposure. None: too few to be told without telling of somebody. Where only one of
    the first two is None, the other is the least that it can be: all cases, or nearly all.
    """

    cases_exposed: int | None
    cases_unexposed: int | None
    exposed: int | None


class JoinAnswer(msgspec.Struct, frozen=True):
    """refused: why there are no counts, empty when there are."""

    exposures: dict[str, Exposure]
    refused: str = ""


class _Answer(msgspec.Struct, frozen=True, array_like=True):
    nonce: bytes
    sealed: bytes


Message = TypeVar("Message", Directory, JoinAnswer)

_encode = msgspec.msgpack.Encoder().encode
_decode_question = msgspec.msgpack.Decoder(Question).decode
_decode_answer = msgspec.msgpack.Decoder(_Answer).decode


def new_nonce() -> bytes:
    return os.urandom(NONCE_BYTES)


def wrap_question(question: Question, signer: Signer) -> bytes:
    return signer.wrap(Kind.VAULT_QUESTION, _encode(question))


def key_claim(question: KeyQuestion) -> bytes:
    """What the new private key signs."""
    return b"campus-pulse/exchange/key\0" + _encode(msgspec.structs.replace(question, held=b""))


def read_question(envelope: Envelope, public_key: Ed25519PublicKey) -> Question:
    """The question in an envelope of who has this key. Raises ExchangeError."""
    if envelope.kind is not Kind.VAULT_QUESTION:
        raise ExchangeError("not a question to the vault")
    try:
        found: Question = _decode_question(verify(envelope, public_key))
    except EnvelopeError as error:
        raise ExchangeError(str(error)) from None
    except DECODING_ERRORS as error:
        raise ExchangeError(f"not a question: {describe(error)}") from None
    if len(found.nonce) != NONCE_BYTES:
        raise ExchangeError(f"a nonce has {NONCE_BYTES} bytes")
    if isinstance(found, JoinQuestion):
        count = len(found.cases) + sum(map(len, found.exposures.values()))
        if len(found.exposures) > EXPOSURES_MAX or count > PSEUDONYMS_MAX * 10:
            raise ExchangeError("more exposures or pseudonyms than one question may have")
    return found


def wrap_answer(question: Question, message: bytes, signer: Signer) -> bytes:
    """The vault's answer, readable for who asked only. Raises ExchangeError for a bad reply key."""
    try:
        sealed = seal(question.reply_key, message, question.nonce)
    except SealError as error:
        raise ExchangeError(str(error)) from None
    return signer.wrap(Kind.VAULT_ANSWER, _encode(_Answer(question.nonce, sealed)))


def read_answer(data: bytes, question: Question, reply: Seal, vault_key: Ed25519PublicKey) -> bytes:
    """The message in an answer. Raises ExchangeError."""
    try:
        envelope = open_envelope(data)
        if envelope.kind is not Kind.VAULT_ANSWER:
            raise ExchangeError("not an answer of a vault")
        answer = _decode_answer(verify(envelope, vault_key))
        if answer.nonce != question.nonce:
            raise ExchangeError("the answer to another question")
        return reply.open(answer.sealed, question.nonce)
    except (EnvelopeError, SealError) as error:
        raise ExchangeError(str(error)) from None
    except DECODING_ERRORS as error:
        raise ExchangeError(f"not an answer: {describe(error)}") from None


def encode_message(message: Directory | JoinAnswer) -> bytes:
    return _encode(message)


def decode_directory(data: bytes) -> Directory:
    """Raises ExchangeError."""
    return _decode_as(data, Directory)


def decode_join(data: bytes) -> JoinAnswer:
    """Raises ExchangeError."""
    return _decode_as(data, JoinAnswer)


def _decode_as(data: bytes, type_: type[Message]) -> Message:
    try:
        return msgspec.msgpack.decode(data, type=type_)
    except DECODING_ERRORS as error:
        raise ExchangeError(f"not a message of the vault: {describe(error)}") from None


def record_types_of(purposes: list[Purpose]) -> tuple[str, ...]:
    """Names of the record types that belong to these purposes; all of them for none."""
    return tuple(name for name, one in RECORD_TYPES.items() if not purposes or one.purpose in purposes)
