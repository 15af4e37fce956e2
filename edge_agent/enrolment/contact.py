"""The exchange with a collector that enrols or renews: what is sent, and what an answer proves.

::

    EnrolmentRefusedError   somebody has to do something; the message says who and what
    EnrolmentAwayError      nobody answers, or not now: the same later
"""

from __future__ import annotations

import datetime as dt
import math
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, ParamSpec, TypeVar
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from edge_agent.enrolment.certificates import describe, make_request
from foundation.httppost import (
    HttpPost,
    PostError,
    PostGarbageError,
    PostRefusedError,
    PostUnavailableError,
    Target,
    Times,
    parse_target,
)
from telemetry import enrolment
from telemetry.enrolment import Answer, EnrolmentError, Question, Rotation, Sealed
from telemetry.envelope import ENVELOPE_BYTES_MIN, EnvelopeError, Kind, Signer, open_envelope, verify

Checking = ParamSpec("Checking")
Found = TypeVar("Found")

PORT: Final = 8421
"""Of a collector's [intake_http], if nobody says otherwise."""
SOON_S: Final = 10.0
TIMES: Final = Times(step_s=20.0, total_s=60.0)
SOFTWARE_CHARS_MAX: Final = 64
ANSWER_BYTES_MAX: Final = enrolment.MESSAGE_BYTES_MAX + ENVELOPE_BYTES_MIN
_NOT_HERE: Final = {404, 405, 415, 501}
_NO_SUCH_CODE: Final = (
    "采集端不接受此注册码 the collector does not accept the code: mistyped, older than 15 minutes, used already, or "
    "something between here and there shows another certificate; 请在采集端生成新的注册码 have a new code shown at the "
    "collector"
)
_WORDS: Final = {
    400: "采集端不认识这种请求 the collector does not understand this program; both need the same version",
    401: _NO_SUCH_CODE,
    403: _NO_SUCH_CODE,
}
_WORDS_OF_ROTATION: Final = {
    401: "采集端不认识此网关的密钥 the collector does not know this gateway's key; enrol it again",
}


class EnrolmentRefusedError(Exception):
    """It will not work like this; the message names cause and remedy."""


class EnrolmentAwayError(Exception):
    """No answer, or "later"; the message says why."""

    def __init__(self, message: str, *, later: bool = False) -> None:
        super().__init__(message)
        self.later = later
        """Somebody answered, and said when to come again: not soon."""


def parse_collector(text: str) -> Target:
    """``host``, ``host:port`` or a URL; the port is 8421 unless one is given. Raises ValueError."""
    url = text.strip()
    url = url if "://" in url else f"https://{url}"
    target = parse_target(url)
    return target if urlsplit(url).port else target._replace(port=PORT)


class FirstContact:
    """With a collector whose certificate nobody has told us of.

    Anybody may answer, with any certificate: the code proves who it is. The question's proof covers the
    certificate that was shown, and the answer's that whoever gave it made the code. ca_file: who must have
    signed the certificate besides.
    """

    def __init__(self, target: Target, ca_file: Path | None) -> None:
        self._target = target
        self._post = HttpPost(
            target, answer_bytes_max=ANSWER_BYTES_MAX, ca_file=ca_file, unknown=True, times=TIMES
        )

    def close(self) -> None:
        self._post.close()

    async def meet(self, now: dt.datetime) -> bytes:
        """SHA-256 of the certificate that is shown, empty without TLS. Raises EnrolmentAwayError, and
        EnrolmentRefusedError where this gateway's clock is wrong: better now than when the code is used.
        """
        try:
            shown = await self._post.meet()
        except PostError as error:
            raise _failure(error, self._target, _WORDS) from error
        if not shown:
            return b""
        certificate = checked(describe, shown)
        if untimely := certificate.untimely(now):
            raise EnrolmentRefusedError(
                f"此网关的时钟是 {now:%Y-%m-%d %H:%M} UTC this gateway's clock; 采集端的证书 the collector's "
                f"certificate: {untimely}. 请先校准时钟 set the clock (timedatectl), or have the collector's "
                "certificate renewed; 注册码仍然有效 the code is still good"
            )
        return certificate.fingerprint

    async def ask(self, question: Question, code_key: bytes, fingerprint: bytes) -> Answer:
        """Raises EnrolmentAwayError or EnrolmentRefusedError."""
        proof = enrolment.question_proof(code_key, question, fingerprint)
        proved = enrolment.encode(msgspec.structs.replace(question, proof=proof))
        try:
            data = await self._post.ask(enrolment.ENROL_PATH, proved, enrolment.CONTENT_TYPE)
        except PostError as error:
            raise _failure(error, self._target, _WORDS) from error
        return checked(_unsealed, data, question.nonce, code_key)


def make_question(
    public_key: Ed25519PublicKey, tls_key: ec.EllipticCurvePrivateKey, software: str
) -> Question:
    nonce = secrets.token_bytes(enrolment.NONCE_BYTES)
    return Question(
        enrolment.FORMAT,
        nonce,
        public_key.public_bytes_raw(),
        make_request(tls_key),
        software[:SOFTWARE_CHARS_MAX],
    )


async def ask_for_new(
    post: HttpPost,
    target: Target,
    signer: Signer,
    rotation: Rotation,
    new_key: Ed25519PrivateKey,
    collector_key: Ed25519PublicKey,
) -> Answer:
    """Sends new keys under the key so far. Raises EnrolmentAwayError or EnrolmentRefusedError."""
    held = msgspec.structs.replace(rotation, held=new_key.sign(enrolment.rotation_claim(rotation)))
    envelope = signer.wrap(Kind.ROTATION, enrolment.encode(held))
    try:
        data = await post.ask(enrolment.ROTATE_PATH, envelope, enrolment.CONTENT_TYPE)
    except PostError as error:
        raise _failure(error, target, _WORDS_OF_ROTATION) from error
    return checked(_opened, data, rotation.nonce, collector_key)


def checked(check: Callable[Checking, Found], *given: Checking.args, **more: Checking.kwargs) -> Found:
    """The outcome of a check of something that came; an EnrolmentError becomes an EnrolmentRefusedError."""
    try:
        return check(*given, **more)
    except (EnrolmentError, EnvelopeError, ValueError) as error:
        raise EnrolmentRefusedError(
            f"采集端的回答不可信，未写入任何文件 the answer cannot be believed, nothing was written: {error}"
        ) from error


def _unsealed(data: bytes, nonce: bytes, code_key: bytes) -> Answer:
    sealed = enrolment.decode(data, Sealed)
    if not enrolment.proves(sealed.proof, enrolment.answer_proof(code_key, sealed.answer)):
        raise EnrolmentError("whoever answered does not know the code; is this the right collector?")
    return _of_question(sealed.answer, nonce)


def _opened(data: bytes, nonce: bytes, collector_key: Ed25519PublicKey) -> Answer:
    envelope = open_envelope(data)
    if envelope.kind is not Kind.ROTATED:
        raise EnrolmentError(f"an answer of kind {envelope.kind.name}")
    return _of_question(verify(envelope, collector_key), nonce)


def _of_question(data: bytes, nonce: bytes) -> Answer:
    answer = enrolment.decode(data, Answer)
    if not enrolment.proves(answer.nonce, nonce):
        raise EnrolmentError("an answer to another question")
    return answer


def _failure(error: PostError, target: Target, words: Mapping[int, str]) -> Exception:
    where = f"{target.host}:{target.port}"
    if isinstance(error, PostUnavailableError):
        if error.retry_after_s is not None:
            minutes = max(1, math.ceil(error.retry_after_s / 60))
            return EnrolmentAwayError(
                f"采集端要求稍后再试 {where} asks to come again in {minutes} min: {error}",
                later=error.retry_after_s > SOON_S,
            )
        return EnrolmentAwayError(
            f"连不上采集端 {where} does not answer: {error}. 请检查地址、网线和端口 check address, cable and port "
            f"(a collector's port for gateways is {PORT})"
        )
    if isinstance(error, PostGarbageError):
        return EnrolmentRefusedError(
            f"{where} 不是采集端的网关端口 is no collector's port for gateways: {error}"
        )
    status = error.status if isinstance(error, PostRefusedError) else None
    if status in _NOT_HERE:
        return EnrolmentRefusedError(
            f"{where} 不提供网关注册 offers no enrolment ({error}): 采集端版本过旧或地址不对 an older collector, or "
            "another address than that of its [intake_http]"
        )
    return EnrolmentRefusedError(words.get(status or 0) or f"采集端拒绝 the collector refuses: {error}")
