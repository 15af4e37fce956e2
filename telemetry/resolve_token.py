"""The token with which a browser may ask the vault for names: minted by the collector for somebody
who is signed in, checked by the vault, good for five minutes at most.

A token is two Base64url texts with a dot between: the claims (JSON) and the collector's Ed25519
signature over `DOMAIN` and the claims.
"""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from telemetry.decoding import DECODING_ERRORS
from telemetry.purposes import Purpose

FORMAT: Final = 1
DOMAIN: Final = b"campus-pulse/resolve-token\0"
LIFE_MS_MAX: Final = 5 * 60_000
SKEW_MS_MAX: Final = 60_000
"""How far the clocks of collector and vault may be apart."""
TOKEN_CHARS_MAX: Final = 2_048
TEXT_CHARS_MAX: Final = 64


class Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who asks, for what. session: one signing-in of one person; not their name.

    role: as the vault's table of roles knows it. classes: only pupils of these, None for all.
    """

    format: int
    school: str
    role: str
    purpose: Purpose
    session: str
    issued_ms: int
    expires_ms: int
    classes: tuple[str, ...] | None = None


class TokenError(ValueError):
    """A token that is damaged, not of this collector, or not valid now; the message is for a log."""


def mint(claims: Claims, key: Ed25519PrivateKey) -> str:
    """The token. Raises ValueError for claims that no vault would take."""
    if not 0 < claims.expires_ms - claims.issued_ms <= LIFE_MS_MAX:
        raise ValueError(f"a token lives at most {LIFE_MS_MAX // 1000} s")
    payload = msgspec.json.encode(claims)
    return f"{_text(payload)}.{_text(key.sign(DOMAIN + payload))}"


def read(token: str, key: Ed25519PublicKey, now_ms: int) -> Claims:
    """The claims of a token that is valid now. Raises TokenError."""
    head, _, tail = token.partition(".")
    if len(token) > TOKEN_CHARS_MAX:
        raise TokenError("a token of that length is none")
    try:
        payload, signature = _bytes(head), _bytes(tail)
        key.verify(signature, DOMAIN + payload)
        claims = msgspec.json.decode(payload, type=Claims)
    except InvalidSignature:
        raise TokenError("the signature is not this collector's") from None
    except (binascii.Error, ValueError, *DECODING_ERRORS):
        raise TokenError("not a token") from None
    if claims.format != FORMAT or not claims.session or len(claims.session) > TEXT_CHARS_MAX:
        raise TokenError("a token of another format")
    if not 0 < claims.expires_ms - claims.issued_ms <= LIFE_MS_MAX:
        raise TokenError("a token that would live too long")
    if now_ms >= claims.expires_ms:
        raise TokenError("the token has expired")
    if claims.issued_ms > now_ms + SKEW_MS_MAX:
        raise TokenError("the token is of the future: the clocks of collector and vault differ")
    return claims


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
