"""The second factor: codes of an app (TOTP, RFC 6238: SHA-1, six digits, 30 s) and recovery codes."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from collections.abc import Callable
from typing import Final

import pyotp

from collector.accounts.secret_values import digest_of

ISSUER: Final = "Campus Pulse"
STEP_MS: Final = 30_000
STEPS_AROUND: Final = 1
"""A clock of a phone may be half a minute off."""
SECRET_BYTES: Final = 20
"""As long as the hash, as RFC 4226, section 4, recommends."""
RECOVERY_CODES: Final = 10
_RECOVERY_BYTES: Final = 10
"""80 bits, so that a plain hash hides them."""
_CODE: Final = re.compile(r"[0-9]{6}")
_RECOVERY: Final = re.compile(r"[A-Z2-7]{16}")


def offered_secret(key: bytes, session_digest: bytes) -> bytes:
    """The secret that a session is offered: it grows from the session, so that nothing has to be stored of
    an offer that nobody takes.
    """
    return hmac.digest(key, session_digest, "sha256")[:SECRET_BYTES]


def as_text(secret: bytes) -> str:
    """As people type it: groups of four."""
    text = base64.b32encode(secret).decode()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def as_uri(secret: bytes, username: str) -> str:
    """As apps read it from a QR code."""
    return str(
        pyotp.TOTP(base64.b32encode(secret).decode()).provisioning_uri(name=username, issuer_name=ISSUER)
    )


def step_of(secret: bytes, code: str, after: int | None, now_ms: int) -> int | None:
    """The time step that a code belongs to; None for a wrong one, and for one of a step up to `after`."""
    digits = re.sub(r"[\s-]", "", code[:20])
    if not _CODE.fullmatch(digits):
        return None
    totp = pyotp.TOTP(base64.b32encode(secret).decode())
    now = now_ms // STEP_MS
    found = None
    for step in range(now - STEPS_AROUND, now + STEPS_AROUND + 1):
        fits = hmac.compare_digest(totp.generate_otp(step), digits)
        if fits and found is None and (after is None or step > after):
            found = step
    return found


def new_recovery_codes(random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> tuple[str, ...]:
    """In groups of four: ``ABCD-EFGH-IJKL-MNOP``."""
    texts = (base64.b32encode(random_bytes(_RECOVERY_BYTES)).decode() for _ in range(RECOVERY_CODES))
    return tuple("-".join(text[at : at + 4] for at in range(0, len(text), 4)) for text in texts)


def recovery_digest(code: str) -> bytes | None:
    """What is stored of a recovery code; None for what is none."""
    plain = re.sub(r"[\s-]", "", code[:40]).upper()
    return digest_of(plain) if _RECOVERY.fullmatch(plain) else None
