"""A small OpenID Connect provider on a real port: the code flow with PKCE, as the specification has it.

Its refusals are those of a provider: a code is good once, for the client, address and verifier it was made
for. A test spoils what it says through the fields of `Provider`.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import unquote_plus, urlencode

import uvicorn
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from foundation.webserver import PartServer

CLIENT_ID, CLIENT_SECRET = "campus-pulse", "an invented secret: with a colon"
SUBJECT: Final = "staff-0042"
Key = RSAKey | ECKey


class Provider:
    """Answers as long as it runs. `asked` counts the requests by path."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.reset()

    def reset(self) -> None:
        """As it was at first."""
        self.key: Key = ECKey.generate_key("P-256", {"kid": "one", "use": "sig", "alg": "ES256"})
        self.published: list[Key] = [self.key]
        self.subject = SUBJECT
        self.claims: dict[str, Any] = {}
        """Changed or, with None, left out of the ID token."""
        self.description: dict[str, Any] = {}
        """Changed in what it says of itself."""
        self.answers: dict[str, Response] = {}
        """By path, instead of what it would say."""
        self.sign: Callable[[dict[str, Any]], str] = self._sign
        self.redirect_error = ""
        self.asked: list[str] = []
        self._codes: dict[str, dict[str, str]] = {}

    def application(self) -> Starlette:
        routes = [
            Route("/.well-known/openid-configuration", self._describe),
            Route("/keys", self._keys),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
        ]
        return Starlette(routes=routes)

    async def _describe(self, request: Request) -> Response:
        said = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
        }
        return self._say(request, JSONResponse(said | self.description))

    async def _keys(self, request: Request) -> Response:
        return self._say(
            request, JSONResponse({"keys": [key.as_dict(private=False) for key in self.published]})
        )

    async def _authorize(self, request: Request) -> Response:
        """Whoever comes is signed in already, as staff mostly are in the morning."""
        asked = dict(request.query_params)
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        answer = {"state": asked["state"], "iss": self.url}
        if self.redirect_error:
            answer["error"] = self.redirect_error
        else:
            code = answer["code"] = secrets.token_urlsafe(16)
            self._codes[code] = asked
        return self._say(request, RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 302))

    async def _token(self, request: Request) -> Response:
        async with request.form() as form:
            sent = {name: str(value) for name, value in form.items()}
        if not self._is_client(request, sent):
            return self._say(request, JSONResponse({"error": "invalid_client"}, 401))
        asked = self._codes.pop(sent.get("code", ""), None)
        if (
            asked is None
            or sent.get("grant_type") != "authorization_code"
            or sent.get("redirect_uri") != asked["redirect_uri"]
            or create_s256_code_challenge(sent.get("code_verifier", "")) != asked["code_challenge"]
        ):
            return self._say(request, JSONResponse({"error": "invalid_grant"}, 400))
        now_s = int(time.time())
        claims = {
            "iss": self.url, "sub": self.subject, "aud": CLIENT_ID, "iat": now_s, "exp": now_s + 300,
            "nonce": asked["nonce"],
        } | self.claims  # fmt: skip
        token = self.sign({name: value for name, value in claims.items() if value is not None})
        return self._say(
            request,
            JSONResponse(
                {"access_token": secrets.token_urlsafe(8), "token_type": "Bearer", "id_token": token}
            ),
        )

    def _is_client(self, request: Request, sent: dict[str, str]) -> bool:
        kind, _, value = request.headers.get("authorization", "").partition(" ")
        if kind != "Basic":
            return sent.get("client_id") == CLIENT_ID and sent.get("client_secret") == CLIENT_SECRET
        id_, _, secret = base64.b64decode(value).decode().partition(":")
        return id_ == CLIENT_ID and hmac.compare_digest(unquote_plus(secret), CLIENT_SECRET)

    def _sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": str(self.key.alg), "kid": self.key.kid}, claims, self.key)

    def _say(self, request: Request, answer: Response) -> Response:
        self.asked.append(request.url.path)
        return self.answers.get(request.url.path, answer)


@contextmanager
def running_provider() -> Iterator[Provider]:
    """A provider on a free port, in a thread of its own."""
    listening = socket.create_server(("127.0.0.1", 0))
    provider = Provider(f"http://127.0.0.1:{listening.getsockname()[1]}")
    server = PartServer(
        uvicorn.Config(provider.application(), log_config=None, access_log=False, lifespan="off")
    )
    thread = threading.Thread(
        target=lambda: asyncio.run(server.serve([listening])), name="oidc-provider", daemon=True
    )
    thread.start()
    try:
        yield provider
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
