"""New keys for a gateway that its collector knows: both, or only the certificate's.

The new set lies whole on the disk, beside the old one, before the collector hears of it. The collector takes
both until it has seen the new one used, so a rotation that was cut off anywhere leaves a gateway that works,
and is begun again from the start.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.config import GatewayConfig
from edge_agent.enrolment.certificates import Certificate, check_certificate, make_request
from edge_agent.enrolment.contact import (
    ANSWER_BYTES_MAX,
    TIMES,
    ask_for_new,
    checked,
)
from edge_agent.enrolment.keyset import KeySet, KeySets
from edge_agent.uplink.settings import HttpsSettings
from foundation.commands import UsageError
from foundation.httppost import HttpPost, parse_target
from foundation.keyfiles import (
    KeyFileError,
    load_signing_key,
    parse_public,
)
from telemetry import enrolment
from telemetry.enrolment import Answer, Rotation
from telemetry.envelope import Signer


class CannotRotateError(UsageError):
    """A configuration that leaves no way to rotate; the message says what is missing."""


class Rotated(NamedTuple):
    """The certificate that is in use now, and the signing key."""

    certificate: Certificate
    signing_key: Ed25519PrivateKey


class _Staged(NamedTuple):
    files: KeySet
    signing_key: Ed25519PrivateKey
    tls_key: ec.EllipticCurvePrivateKey


class _Way(NamedTuple):
    sets: KeySets
    https: HttpsSettings


def _way(config: GatewayConfig) -> _Way:
    sets, https = KeySets.found_at(config.gateway.key_file), config.collector.https
    if sets is None or config.collector.certificate_file not in {None, sets.current.certificate}:
        raise CannotRotateError(
            f"{config.gateway.key_file} was not made by an enrolment, and is not changed by one; enrol this "
            "gateway once: campus gateway enrol"
        )
    if https is None:
        raise CannotRotateError(
            "keys are renewed over the collector's [intake_http], and this gateway knows MQTT only; add "
            "[collector.https], or enrol this gateway again"
        )
    return _Way(sets, https)


async def rotate(config: GatewayConfig, *, signing_key: bool, now_ms: Callable[[], int]) -> Rotated:
    """Both keys, or without `signing_key` only that of the certificate.

    Raises EnrolmentRefusedError, EnrolmentAwayError, UsageError or KeyFileError; then the keys before are
    in use.
    """
    sets, https = _way(config)
    old_key = await asyncio.to_thread(load_signing_key, config.gateway.key_file)
    staged = await asyncio.to_thread(_stage, sets, None if signing_key else config.gateway.key_file)
    rotation = Rotation(
        enrolment.FORMAT,
        secrets.token_bytes(enrolment.NONCE_BYTES),
        config.gateway.school,
        config.gateway.id,
        now_ms(),
        staged.signing_key.public_key().public_bytes_raw(),
        make_request(staged.tls_key),
    )
    target = parse_target(https.url)
    post = HttpPost(
        target,
        answer_bytes_max=ANSWER_BYTES_MAX,
        ca_file=https.ca_file,
        certificate=https.certificate,
        times=TIMES,
    )
    collector_key = parse_public(config.collector.public_key)
    try:
        answer = await ask_for_new(post, target, Signer(old_key), rotation, staged.signing_key, collector_key)
        checked(_check_same, answer, config)
        certificate = checked(check_certificate, answer, staged.tls_key)
    except BaseException:
        staged.files.remove()
        raise
    finally:
        post.close()
    await asyncio.to_thread(_put_in_use, sets, staged.files, answer)
    return Rotated(certificate, staged.signing_key)


def _stage(sets: KeySets, kept_key: Path | None) -> _Staged:
    files = sets.stage()
    return _Staged(files, files.make_signing_key(kept_key), files.create_tls_key())


def _put_in_use(sets: KeySets, files: KeySet, answer: Answer) -> None:
    try:
        files.write_certificates(answer.certificate, answer.authority)
    except OSError as error:
        raise KeyFileError(f"{files.folder} cannot be written: {error.strerror}") from error
    sets.put_in_use(files)


def _check_same(answer: Answer, config: GatewayConfig) -> None:
    if (answer.school, answer.gateway) != (config.gateway.school, config.gateway.id):
        raise ValueError("an answer for another gateway")
