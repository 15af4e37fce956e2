"""What a browser carries while its user is at the sign-in service: a sealed cookie, good for minutes, once."""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from collections import OrderedDict
from typing import Final, Self

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LIFE_MS: Final = 10 * 60_000
USED_MAX: Final = 4_096
COOKIE_CHARS_MAX: Final = 2_000
_NONCE_BYTES: Final = 12


class Journey(msgspec.Struct, frozen=True):
    """One attempt to sign in. state: comes back in the address. nonce: comes back in the ID token. verifier:
    for PKCE (RFC 7636). next_path: where to then, on this page. until_ms: ms UTC.
    """

    state: str
    nonce: str
    verifier: str
    next_path: str
    until_ms: int

    @classmethod
    def begin(cls, next_path: str, now_ms: int) -> Self:
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, next_path, now_ms + LIFE_MS)

    def __repr__(self) -> str:
        return f"Journey(until_ms={self.until_ms})"


class Journeys:
    """Seals and opens them with a key of this process, and knows which are over.

    Only the browser that began a journey has its cookie, so nobody can be made to end somebody else's; and a
    cookie costs no memory here, so that nobody fills it by beginning many.
    """

    def __init__(self) -> None:
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._over: OrderedDict[str, int] = OrderedDict()

    def seal(self, journey: Journey) -> str:
        salt = os.urandom(_NONCE_BYTES)
        sealed = self._cipher.encrypt(salt, msgspec.json.encode(journey), b"journey")
        return base64.urlsafe_b64encode(salt + sealed).decode()

    def take(self, cookie: str, state: str, now_ms: int) -> Journey | None:
        """The journey of this cookie and state, which is over then; None for none, another's, or a late one."""
        if len(cookie) > COOKIE_CHARS_MAX:
            return None
        try:
            raw = base64.b64decode(cookie.encode(), altchars=b"-_", validate=True)
            data = self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], b"journey")
        except (ValueError, InvalidTag):
            return None
        journey = msgspec.json.decode(data, type=Journey)
        if not hmac.compare_digest(journey.state.encode(), state.encode()) or now_ms >= journey.until_ms:
            return None
        if journey.state in self._over:
            return None
        self._over[journey.state] = journey.until_ms
        while len(self._over) > USED_MAX or next(iter(self._over.values())) <= now_ms:
            self._over.popitem(last=False)
        return journey
