"""The notifier that comes with the program: a POST of JSON to an address.

With a secret every post is signed, over its time and its body::

    Campus-Signature: t=<seconds since 1970>,v1=<hex of HMAC-SHA-256(secret, "<t>." + body)>

The receiver computes the same, compares, refuses what is old, and does once what comes twice under one
`Idempotency-Key`. docs/plugins.md has the body.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from collector.notifiers.contract import Notice, NotifyLaterError, NotifyNeverError
from collector.notifiers.plugin import NotifierPlugin
from collector.times import iso
from foundation.httppost import (
    HttpPost,
    PostError,
    PostRefusedError,
    PostUnavailableError,
    Times,
    parse_target,
)
from foundation.plugins import API
from foundation.settings import ServiceUrl
from foundation.tomlfile import StrictModel

ANSWER_BYTES_MAX: Final = 16 * 1024
SECRET_BYTES_MIN: Final = 16
_TIMES: Final = Times(step_s=5.0, total_s=15.0)
_JSON: Final = "application/json"
_MENDABLE: Final = frozenset({401, 403, 404, 409, 421, 423})
"""Refusals that a person can end, at the other side or here, before the notice is too old."""


class WebhookSettings(StrictModel):
    """url: https, or http on this machine. secret_file: one line of at least 16 bytes that the receiver knows
    too. ca_file: who must have signed its certificate; left out, who the system trusts.
    """

    url: ServiceUrl
    secret_file: Path | None = None
    ca_file: Path | None = None

    def relative_to(self, base: Path) -> Self:
        return self.model_copy(
            update={
                "secret_file": self.secret_file and base / self.secret_file,
                "ca_file": self.ca_file and base / self.ca_file,
            }
        )


class Webhook:
    """One address. Raises OSError or ValueError for a secret that cannot be used."""

    def __init__(self, settings: WebhookSettings, now_s: Callable[[], float] = time.time) -> None:
        self._post = HttpPost(
            parse_target(settings.url),
            answer_bytes_max=ANSWER_BYTES_MAX,
            ca_file=settings.ca_file,
            times=_TIMES,
        )
        self._secret = settings.secret_file and _read_secret(settings.secret_file)
        self._now_s = now_s

    async def notify(self, notice: Notice) -> None:
        body = notice_json(notice)
        headers = [("Idempotency-Key", notice.id)]
        if self._secret:
            stamp = str(int(self._now_s()))
            headers.append(("Campus-Signature", f"t={stamp},v1={sign(self._secret, stamp, body)}"))
        try:
            await self._post.tell("", body, _JSON, headers)
        except PostUnavailableError as error:
            raise NotifyLaterError(str(error), retry_after_s=error.retry_after_s) from error
        except PostRefusedError as error:
            # None: a certificate that is not believed, or a file; somebody may put the right one there.
            if error.status is None or error.status in _MENDABLE:
                raise NotifyLaterError(str(error)) from error
            raise NotifyNeverError(str(error)) from error
        except PostError as error:
            raise NotifyLaterError(str(error)) from error


def notice_json(notice: Notice) -> bytes:
    """The body of a post."""
    content = {
        **notice._asdict(),
        "title": notice.title._asdict(),
        "place_label": notice.place_label._asdict(),
        "time": iso(notice.time_ms),
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def sign(secret: bytes, stamp: str, body: bytes) -> str:
    """Hex of the HMAC-SHA-256 over the time, a dot and the body."""
    return hmac.digest(secret, stamp.encode() + b"." + body, "sha256").hex()


def _read_secret(file: Path) -> bytes:
    secret = file.read_bytes().strip()
    if len(secret) < SECRET_BYTES_MIN:
        raise ValueError(
            f"{file} must hold at least {SECRET_BYTES_MIN} bytes; make one with: openssl rand -hex 32"
        )
    return secret


WEBHOOK: Final = NotifierPlugin(api=API, settings=WebhookSettings, make=Webhook)
