"""How a posting device shows who it is: a password, or a token in the header or the address.

Compared in constant time. Neither a credential nor a part of one appears in a log line or error.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from edge_agent.drivers.http_push.digest import REALM, Digest, Verdict
from foundation.keyfiles import KeyFileError, read_secret

TOKEN_CHARACTERS_MIN: Final = 16
PASSWORD_CHARACTERS_MIN: Final = 8
TOKEN_NAMES: Final = ("device_access_token", "access_token", "token")
"""Keys of the address's query; the first is that of WeCom's devices."""


class Request(NamedTuple):
    """What a credential is looked for in. `target` as on the request line; `tail`: what the address
    has beyond the device's path.
    """

    method: str
    target: str
    tail: str
    query: dict[str, str]
    authorization: str


class Credential(Protocol):
    """A device's credential."""

    def judge(self, request: Request) -> Verdict: ...

    def challenges(self, *, stale: bool) -> list[bytes]:
        """Values of WWW-Authenticate for a request that was refused."""


class Nobody:
    """Of a device whose credential cannot be read: everything is refused."""

    def judge(self, request: Request) -> Verdict:
        del request
        return Verdict.WRONG

    def challenges(self, *, stale: bool) -> list[bytes]:
        del stale
        return [f'Basic realm="{REALM}"'.encode()]


class Password:
    """User name and password, by Digest or Basic."""

    def __init__(self, username: str, password: str, digest: Digest) -> None:
        self._username = username
        self._password = password
        self._pair = f"{username}:{password}".encode()
        self._digest = digest

    def judge(self, request: Request) -> Verdict:
        kind, _, value = request.authorization.partition(" ")
        if request.tail:
            return Verdict.WRONG
        if not value:
            return Verdict.WRONG if kind else Verdict.MISSING
        if kind.lower() == "digest":
            return self._digest.judge(value, request.method, request.target, self._username, self._password)
        if kind.lower() != "basic":
            return Verdict.WRONG
        try:
            pair = base64.b64decode(value.strip(), validate=True)
        except (binascii.Error, ValueError):
            return Verdict.WRONG
        return Verdict.GOOD if hmac.compare_digest(pair, self._pair) else Verdict.WRONG

    def challenges(self, *, stale: bool) -> list[bytes]:
        return [self._digest.challenge(stale=stale), f'Basic realm="{REALM}"'.encode()]


class Token:
    """A secret word: as bearer token, as last part of the path, or in the address's query."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def judge(self, request: Request) -> Verdict:
        kind, _, value = request.authorization.partition(" ")
        shown = [request.tail, *(request.query.get(name, "") for name in TOKEN_NAMES)]
        if kind.lower() == "bearer":
            shown.append(value.strip())
        shown = [one for one in shown if one]
        if not shown:
            return Verdict.WRONG if kind else Verdict.MISSING
        good = [hmac.compare_digest(one.encode("utf-8", "replace"), self._token) for one in shown]
        return Verdict.GOOD if all(good) else Verdict.WRONG

    def challenges(self, *, stale: bool) -> list[bytes]:
        del stale
        return [f'Bearer realm="{REALM}"'.encode()]


def load_password(username: str, file: Path, digest: Digest) -> Password:
    """Raises KeyFileError."""
    return Password(username, _read(file, PASSWORD_CHARACTERS_MIN), digest)


def load_token(file: Path) -> Token:
    """Raises KeyFileError."""
    return Token(_read(file, TOKEN_CHARACTERS_MIN))


def _read(file: Path, characters_min: int) -> str:
    try:
        text = read_secret(file).decode().strip()
    except UnicodeDecodeError:
        text = ""
    if len(text) < characters_min or not text.isprintable():
        raise KeyFileError(f"{file} must hold one line of at least {characters_min} characters")
    return text
