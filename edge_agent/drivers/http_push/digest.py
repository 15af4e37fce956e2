"""HTTP Digest (RFC 7616, MD5 with qop "auth"): what terminals offer where they offer anything.

A nonce is its own proof: the time, and a MAC over it. A device counts its requests on a nonce; one
that does not go up is a replay and gets a new nonce.
"""

from __future__ import annotations

import hashlib  # noqa: TID251  # the digest scheme of RFC 7616: of a password and a nonce
import hmac
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum
from typing import Final

REALM: Final = "campus-pulse"
NONCE_LIFE_S: Final = 300.0
NONCES_MAX: Final = 1_024
_PARAMETER: Final = re.compile(r'([A-Za-z0-9-]{1,32})\s*=\s*(?:"([^"\\]{0,512})"|([^\s,"]{1,512}))')
_COUNT: Final = re.compile(r"[0-9a-fA-F]{8}")


class Verdict(Enum):
    """What is thought of a request's credential."""

    GOOD = "good"
    MISSING = "no_credential"
    STALE = "stale_nonce"
    """It was right once; the device is told to try again with a new nonce."""
    WRONG = "wrong_credential"


class Digest:
    """Gives nonces out and judges what comes back; one a listener."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._key = secrets.token_bytes(32)
        self._clock_s = clock_s
        self._counts: OrderedDict[str, int] = OrderedDict()

    def challenge(self, *, stale: bool = False) -> bytes:
        """The value of a WWW-Authenticate field."""
        again = ", stale=true" if stale else ""
        nonce = self._sign(f"{int(self._clock_s() * 1_000):x}-{secrets.token_hex(4)}")
        return f'Digest realm="{REALM}", qop="auth", algorithm=MD5, nonce="{nonce}"{again}'.encode()

    def judge(self, text: str, method: str, target: str, username: str, password: str) -> Verdict:
        """text: what follows "Digest " in the Authorization field. target: as the request line has it."""
        told = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(text)}
        nonce, count = told.get("nonce", ""), told.get("nc", "")
        if told.get("qop") != "auth" or told.get("algorithm", "MD5").upper() != "MD5":
            return Verdict.WRONG
        if told.get("uri") != target or not _COUNT.fullmatch(count):
            return Verdict.WRONG
        secret = _hash(f"{username}:{REALM}:{password}")
        wanted = _hash(
            f"{secret}:{nonce}:{count}:{told.get('cnonce', '')}:auth:{_hash(f'{method}:{target}')}"
        )
        named = hmac.compare_digest(told.get("username", "").encode(), username.encode())
        if not hmac.compare_digest(told.get("response", "").lower().encode(), wanted.encode()) or not named:
            return Verdict.WRONG
        return Verdict.GOOD if self._is_fresh(nonce, int(count, 16)) else Verdict.STALE

    def _sign(self, text: str) -> str:
        return f"{text}-{hmac.digest(self._key, text.encode(), 'sha256').hex()[:32]}"

    def _is_fresh(self, nonce: str, count: int) -> bool:
        text, _, _ = nonce.rpartition("-")
        if not hmac.compare_digest(self._sign(text).encode(), nonce.encode()):
            return False
        given_s = int(text.partition("-")[0], 16) / 1_000
        if self._clock_s() - given_s > NONCE_LIFE_S or count <= self._counts.get(nonce, 0):
            return False
        if nonce not in self._counts and len(self._counts) >= NONCES_MAX:
            self._counts.popitem(last=False)
        self._counts[nonce] = count
        return True


def _hash(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
