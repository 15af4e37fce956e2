"""The outermost layer: by which name and from which page the vault may be asked, how much may be
sent, and that every answer is safe.

Three kinds of paths: those that browsers ask from a page of the collector (`BROWSER_PATHS`: exact
CORS), the guardians' own pages (`GUARDIAN_PREFIX`: same origin only), and those for programs, which no
page may ask. It is also the supervising boundary of a request: an unforeseen fault is logged and
answered as 500.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from foundation.webboundary import (
    LOOPBACK_NAMES,
    SAFE_METHODS,
    BodyTooLargeError,
    BodyTooSlowError,
    bounded,
    declares_more_than,
    host_name,
    is_same_origin,
)
from identity_vault.web.metrics import WebMetrics
from identity_vault.web.problems import problem
from telemetry import exchange
from telemetry.names import BREAK_GLASS_PATH, RESOLVE_PATH

BROWSER_PATHS: Final = frozenset({RESOLVE_PATH, BREAK_GLASS_PATH})
GUARDIAN_PREFIX: Final = "/g/"
EXCHANGE_BYTES_MAX: Final = 4 * 1024 * 1024
BODY_BYTES_MAX: Final = 64 * 1024
BODY_WAIT_S: Final = 20.0
"""For a whole body: nobody holds a connection by sending a byte now and then."""
PREFLIGHT_AGE_S: Final = 600
ALLOWED_HEADERS: Final = frozenset({"authorization", "content-type"})

_API_POLICY: Final = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not "no-referrer": browsers would then send "Origin: null" with a form of a guardian's page.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_log = structlog.get_logger(__name__)


class _Refusal(Exception):  # noqa: N818  # an answer, not an error
    """reason: one word for the counter."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.reason = status, reason


_BODY_REFUSALS: Final[dict[type[Exception], _Refusal]] = {
    BodyTooLargeError: _Refusal(413, "body_too_large", "the request body is too large"),
    BodyTooSlowError: _Refusal(408, "body_too_slow", "the request body did not come in time"),
}


class Boundary:
    """ASGI middleware around the whole application.

    host_names: what the vault is called, beside localhost; a page that lets a name of its own point to
    this machine is refused (DNS rebinding). origins: of the pages that may ask for names, exactly.
    """

    def __init__(
        self, app: ASGIApp, *, host_names: Iterable[str], origins: Iterable[str], metrics: WebMetrics
    ) -> None:
        self._app = app
        self._host_names = LOOPBACK_NAMES | {name.lower() for name in host_names}
        self._origins = frozenset(origins)
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        extra = self._headers(scope)

        async def send_safely(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                for name, value in extra.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            answer = self._admit(scope)
            if answer is None:
                body = bounded(receive, _bytes_max(scope["path"]), BODY_WAIT_S)
                await self._app(scope, body, send_safely)
                return
        except ClientDisconnect:
            return
        except Exception as error:
            answer = self._answer_to(error, scope)
            if started:
                raise  # the server has to break the connection off: half an answer is out
        await answer(scope, receive, send_safely)

    def _answer_to(self, error: Exception, scope: Scope) -> Response:
        found = error if isinstance(error, _Refusal) else _BODY_REFUSALS.get(type(error))
        if found is None:
            # Not the path: a guardian's may hold a secret.
            _log.error("web.fault", method=scope["method"], part=_part(scope["path"]), exc_info=error)
            found = _Refusal(500, "fault", "a fault of this program; its log has the cause")
        self._metrics.refused_at_door.labels(found.reason).inc()
        return problem(found.status, str(found))

    def _headers(self, scope: Scope) -> dict[str, str]:
        """What every answer at this path bears."""
        path: str = scope["path"]
        if path.startswith(GUARDIAN_PREFIX):
            return _HEADERS | {
                "Content-Security-Policy": _PAGE_POLICY,
                "Cross-Origin-Resource-Policy": "same-origin",
            }
        headers = _HEADERS | {"Content-Security-Policy": _API_POLICY}
        if path not in BROWSER_PATHS:
            return headers | {"Cross-Origin-Resource-Policy": "same-origin"}
        headers |= {"Vary": "Origin", "Cross-Origin-Resource-Policy": "cross-origin"}
        origin = Headers(scope=scope).get("origin")
        if origin in self._origins:
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = "Retry-After"
        return headers

    def _admit(self, scope: Scope) -> Response | None:
        """The answer to a preflight, None for a request to pass on. Raises _Refusal."""
        headers, path, method = Headers(scope=scope), scope["path"], scope["method"]
        if host_name(headers.get("host", "")) not in self._host_names:
            raise _Refusal(421, "host_name", "the vault is not called by that name; see [web] host_names")
        bytes_max = _bytes_max(path)
        if declares_more_than(headers, bytes_max):
            raise _Refusal(413, "body_too_large", f"the request body is larger than {bytes_max} bytes")
        origin = headers.get("origin")
        if path in BROWSER_PATHS:
            if origin is not None and origin not in self._origins:
                raise _Refusal(403, "origin", "no page of that origin may ask; see [web] origins")
            if method == "OPTIONS":
                return self._preflight(headers)
        elif path.startswith(GUARDIAN_PREFIX):
            if method not in SAFE_METHODS and not is_same_origin(headers):
                raise _Refusal(403, "origin", "a form has to come from the vault's own page")
        elif origin is not None or headers.get("sec-fetch-site", "none") != "none":
            raise _Refusal(403, "origin", "no page may ask here, programs may")
        return None

    def _preflight(self, headers: Headers) -> Response:
        """For an origin that is allowed. Raises _Refusal for anything but a POST with plain headers."""
        wanted = {one.strip().lower() for one in headers.get("access-control-request-headers", "").split(",")}
        if (
            headers.get("origin") is None
            or headers.get("access-control-request-method") != "POST"
            or not wanted <= ALLOWED_HEADERS | {""}
        ):
            raise _Refusal(403, "preflight", "only POST with authorization and content-type is allowed")
        answer = {
            "Access-Control-Allow-Methods": "POST",
            "Access-Control-Allow-Headers": ", ".join(sorted(ALLOWED_HEADERS)),
            "Access-Control-Max-Age": str(PREFLIGHT_AGE_S),
        }
        # A page of another network than the vault's: browsers ask once more (Private Network Access).
        if headers.get("access-control-request-private-network") == "true":
            answer["Access-Control-Allow-Private-Network"] = "true"
        return Response(status_code=204, headers=answer)


def _bytes_max(path: str) -> int:
    return EXCHANGE_BYTES_MAX if path == exchange.PATH else BODY_BYTES_MAX


def _part(path: str) -> str:
    return "guardian" if path.startswith(GUARDIAN_PREFIX) else "api"
