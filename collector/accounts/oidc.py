"""Signing in at the school's own sign-in service: OpenID Connect, authorization code flow with PKCE.

`begin` says where to send a browser; `finish` says who came back. Nothing is asked before somebody presses
the button, and nothing is believed that is not signed by the issuer for this client and this attempt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote_plus

import structlog

# Authlib ships no type information; of its HTTP clients none is used.
from authlib.oauth2.auth import ClientAuth  # type: ignore[import-untyped]
from authlib.oauth2.rfc6749.parameters import (  # type: ignore[import-untyped]
    prepare_grant_uri,
    prepare_token_request,
)
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import ClaimError, ExpiredTokenError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from collector.accounts.oidc_keys import usable_keys
from collector.accounts.oidc_settings import OidcSection
from collector.accounts.oidc_state import Journey, Journeys
from collector.accounts.oidc_wire import (
    Description,
    OidcError,
    OidcRefusedError,
    OidcUnavailableError,
    Tokens,
    Wire,
)
from collector.accounts.permissions import Role
from foundation.keyfiles import KeyFileError, read_secret
from foundation.logs import FirstOnly

__all__ = ["Identity", "OidcSignIn"]

KEPT_S: Final = 3_600.0
"""Description and keys of the issuer; keys are asked for earlier when it signs with one that is not known."""
LEEWAY_S: Final = 60
AWAY_S: Final = 10.0
"""After a question without an answer nobody is made to wait for the next one, and nobody out there is asked."""
AT_ONCE: Final = 8
"""Of those who come back, so many are asked about at a time."""
GROUPS_MAX: Final = 200
SUBJECT_CHARS_MAX: Final = 255
"""OpenID Connect Core 1.0, section 2: a subject has 255 ASCII characters at most."""
ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
"""With a key pair; a signature by the client's secret, or none, is never taken."""

log = structlog.get_logger()


class Identity(NamedTuple):
    """Who came back. issuer and subject together are one person. roles: those that their groups stand for;
    None where the configuration names no claim.
    """

    issuer: str
    subject: str
    roles: frozenset[Role] | None
    next_path: str

    def __repr__(self) -> str:
        return f"Identity(issuer={self.issuer!r})"


class OidcSignIn:
    """One sign-in service. Raises KeyFileError or UsageError for files that cannot be used."""

    def __init__(self, section: OidcSection, now_ms: Callable[[], int]) -> None:
        self._section = section
        self._now_ms = now_ms
        self._secret = _secret(section)
        self._wire = Wire(section.issuer, section.ca_file)
        self._journeys = Journeys()
        self._described: tuple[float, Description] | None = None
        self._describing = asyncio.Lock()
        self._away_until_s = 0.0
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._reported = FirstOnly(100)
        self._keys: tuple[float, KeySet] | None = None

    @property
    def name(self) -> str:
        return self._section.name

    @property
    def issuer(self) -> str:
        return self._section.issuer

    async def begin(self, next_path: str) -> tuple[str, str]:
        """Where to send the browser, and the cookie it carries meanwhile. Raises OidcError."""
        described = await self._description()
        journey = Journey.begin(next_path, self._now_ms())
        url = prepare_grant_uri(
            described.authorization_endpoint,
            client_id=self._section.client_id,
            response_type="code",
            redirect_uri=self._section.redirect_uri,
            scope="openid",
            state=journey.state,
            nonce=journey.nonce,
            code_challenge=create_s256_code_challenge(journey.verifier),
            code_challenge_method="S256",
        )
        return str(url), self._journeys.seal(journey)

    async def finish(self, answer: Mapping[str, str], cookie: str) -> Identity:
        """Who came back with this query and this cookie. Raises OidcError."""
        journey = self._journeys.take(cookie, answer.get("state", ""), self._now_ms())
        if journey is None:
            raise OidcRefusedError("state")
        # RFC 9207: an answer that names another issuer was meant for another.
        if answer.get("iss", self.issuer) != self.issuer:
            raise OidcRefusedError("another_issuer")
        if "error" in answer:
            away = answer["error"] in {"temporarily_unavailable", "server_error"}
            raise (
                OidcUnavailableError("the sign-in service says that it cannot now")
                if away
                else OidcRefusedError("said_no")
            )
        if not answer.get("code"):
            raise OidcRefusedError("no_code")
        if self._turns.locked():
            raise OidcUnavailableError(
                "as many people come back from the sign-in service as are let in at once"
            )
        async with self._turns:
            described = await self._description()
            tokens = await self._tokens(described, answer["code"], journey.verifier)
            claims = await self._claims(described, tokens, journey.nonce)
        subject = claims["sub"]
        if not isinstance(subject, str) or not subject.isascii() or not 0 < len(subject) <= SUBJECT_CHARS_MAX:
            raise OidcRefusedError("subject")
        self._reported = FirstOnly(100)
        return Identity(self.issuer, subject, self._roles(claims), journey.next_path)

    def log(self, error: OidcError) -> None:
        """Why nobody came in: as a warning the first time since somebody did, so that no stranger fills the
        log by knocking.
        """
        reason = error.reason if isinstance(error, OidcRefusedError) else str(error)
        write = log.warning if self._reported.first(reason) else log.debug
        write("nobody could sign in through the sign-in service", issuer=self.issuer, reason=reason)

    async def _description(self) -> Description:
        async with self._describing:
            now_s = time.monotonic()
            if self._described is None or now_s >= self._described[0]:
                if now_s < self._away_until_s:
                    raise OidcUnavailableError("the sign-in service did not answer a moment ago")
                try:
                    self._described = now_s + KEPT_S, await self._wire.description()
                except OidcUnavailableError:
                    self._away_until_s = time.monotonic() + AWAY_S
                    raise
            return self._described[1]

    async def _tokens(self, described: Description, code: str, verifier: str) -> Tokens:
        form = prepare_token_request(
            "authorization_code", code=code, redirect_uri=self._section.redirect_uri, code_verifier=verifier
        )
        offered = described.token_endpoint_auth_methods_supported
        client = self._section.client_id, self._secret
        if self._secret is None:
            method = "none"
        elif "client_secret_post" in offered and "client_secret_basic" not in offered:
            method = "client_secret_post"
        else:
            method = "client_secret_basic"
            # RFC 6749, section 2.3.1: both are encoded before they are joined, which Authlib leaves to us.
            client = quote_plus(self._section.client_id), quote_plus(self._secret)
        url, headers, body = ClientAuth(*client, method).prepare(
            "POST",
            described.token_endpoint,
            {"Content-Type": "application/x-www-form-urlencoded"},
            form,
        )
        return await self._wire.tokens(url, headers, body)

    async def _claims(self, described: Description, tokens: Tokens, nonce: str) -> dict[str, object]:
        allowed = ALGORITHMS.intersection(described.id_token_signing_alg_values_supported)
        if not allowed:
            raise OidcRefusedError("algorithms")  # an empty set would allow the library's own choice
        registry = JWSRegistry(algorithms=allowed, strict_check_header=False)
        keys = await self._key_set(described)
        try:
            try:
                token = jwt.decode(tokens.id_token, keys, registry=registry)
            except InvalidKeyIdError:
                keys = await self._key_set(described, anew=True)
                token = jwt.decode(tokens.id_token, keys, registry=registry)
            claims = CodeIDToken(
                token.claims,
                token.header,
                {
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": self._section.client_id},
                },
                {
                    "nonce": nonce,
                    "client_id": self._section.client_id,
                    "access_token": tokens.access_token,
                },
            )
            claims.validate(now=self._now_ms() // 1_000, leeway=LEEWAY_S)
        except ExpiredTokenError as error:
            raise OidcRefusedError("expired") from error
        except ClaimError as error:
            # Its name only: what a claim holds is about a person.
            raise OidcRefusedError(f"claim_{error.claim}") from error
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise OidcRefusedError("signature") from error
        return dict(claims)

    async def _key_set(self, described: Description, *, anew: bool = False) -> KeySet:
        now_s = time.monotonic()
        if anew or self._keys is None or now_s >= self._keys[0]:
            self._keys = now_s + KEPT_S, usable_keys(await self._wire.keys(described.jwks_uri))
        return self._keys[1]

    def _roles(self, claims: Mapping[str, object]) -> frozenset[Role] | None:
        name, roles = self._section.role_claim, self._section.roles
        if name is None:
            return None
        held = claims.get(name)
        groups = held[:GROUPS_MAX] if isinstance(held, list) else [held]
        return frozenset(roles[one] for one in groups if isinstance(one, str) and one in roles)


def _secret(section: OidcSection) -> str | None:
    if section.client_secret_file is None:
        return None
    secret = read_secret(section.client_secret_file).decode("ascii", "replace").strip()
    if not secret or "\n" in secret:
        raise KeyFileError(f"{section.client_secret_file} does not hold one line, the client's secret")
    return secret
