"""What is asked of a sign-in service over HTTP: its description, its keys, and tokens for a code.

Only what its description names is asked, over https (http on this machine only), without following
redirects or a proxy of the environment; every wait and every answer has a bound. What can go wrong::

    OidcError
    ├── OidcUnavailableError   nobody answers, or not in time, or not now: try again later
    └── OidcRefusedError       an answer that says no, or that must not be believed; `reason` says which
"""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Final

import httpx
import msgspec

from foundation.commands import UsageError
from foundation.httppost import parse_target
from foundation.oserrors import why

ANSWER_BYTES_MAX: Final = 256 * 1024
STEP_S_MAX: Final = 5.0
TOTAL_S_MAX: Final = 10.0
_TOO_MANY, _SERVER_ERRORS = 429, 500
WELL_KNOWN: Final = "/.well-known/openid-configuration"


class OidcError(Exception):
    """Nobody is signed in this way now; the message has no secret, code or token in it."""


class OidcUnavailableError(OidcError):
    """The sign-in service does not answer, or says that it cannot now."""


class OidcRefusedError(OidcError):
    """The sign-in service said no, or said what must not be believed. `reason` is for log and audit."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the sign-in service's answer is not accepted: {reason}")
        self.reason = reason


class Description(msgspec.Struct, frozen=True):
    """What a sign-in service says of itself (OpenID Connect Discovery 1.0, section 3), as far as it is used."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Tokens(msgspec.Struct, frozen=True):
    """The answer to a code (OpenID Connect Core 1.0, section 3.1.3.3), as far as it is used."""

    id_token: str
    access_token: str = ""


class Wire:
    """Asks one sign-in service. Raises UsageError for a ca_file that cannot be used."""

    def __init__(self, issuer: str, ca_file: Path | None = None) -> None:
        self._issuer = issuer
        try:
            self._trust = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
        except OSError as error:  # ssl.SSLError is one
            raise UsageError(f"[accounts.oidc] ca_file {ca_file} cannot be used: {why(error)}") from error

    async def description(self) -> Description:
        """Raises OidcError, also for a service that calls itself by another name."""
        data = await self._ask("GET", self._issuer.rstrip("/") + WELL_KNOWN)
        try:
            found = msgspec.json.decode(data, type=Description)
            for url in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
                # An address may carry a query of its own, which says nothing about where it leads.
                parse_target(url.partition("?")[0])
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise OidcRefusedError("description") from error
        if found.issuer != self._issuer:
            raise OidcRefusedError("description_of_another_issuer")
        return found

    async def keys(self, url: str) -> dict[str, object]:
        """The JWK set as it stands there. Raises OidcError."""
        data = await self._ask("GET", url)
        try:
            return msgspec.json.decode(data, type=dict[str, object])
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise OidcRefusedError("keys") from error

    async def tokens(self, url: str, headers: dict[str, str], form: str) -> Tokens:
        """Raises OidcError."""
        data = await self._ask("POST", url, headers, form.encode())
        try:
            return msgspec.json.decode(data, type=Tokens)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise OidcRefusedError("tokens") from error

    async def _ask(
        self, method: str, url: str, headers: dict[str, str] | None = None, body: bytes | None = None
    ) -> bytes:
        # Not compressed: a bound on what comes is then one on what it becomes.
        head = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        client = httpx.AsyncClient(
            verify=self._trust, timeout=STEP_S_MAX, follow_redirects=False, trust_env=False
        )
        try:
            async with (
                asyncio.timeout(TOTAL_S_MAX),
                client,
                client.stream(method, url, headers=head, content=body) as answer,
            ):
                if answer.status_code == _TOO_MANY or answer.status_code >= _SERVER_ERRORS:
                    raise OidcUnavailableError(f"the sign-in service answered {answer.status_code}")
                if answer.status_code != httpx.codes.OK:
                    raise OidcRefusedError(f"status_{answer.status_code}")
                data = bytearray()
                async for piece in answer.aiter_raw():
                    data += piece
                    if len(data) > ANSWER_BYTES_MAX:
                        raise OidcRefusedError("too_large")
                return bytes(data)
        except (httpx.TransportError, TimeoutError) as error:
            raise OidcUnavailableError(
                f"the sign-in service does not answer ({type(error).__name__})"
            ) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OidcRefusedError("no_http") from error
