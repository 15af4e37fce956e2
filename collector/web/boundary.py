"""The outermost layer: who may ask, how much they may send, and that every answer is safe.

It also is the supervising boundary of a request: an unforeseen fault is logged and answered as 500.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collector.text import Text
from collector.web.problems import ProblemError, document, trouble_page
from collector.web.proxies import Proxies
from collector.web.rendering import is_for_people
from foundation.webboundary import (
    LOOPBACK_NAMES,
    SAFE_METHODS,
    BodyTooLargeError,
    bounded,
    declares_more_than,
    host_name,
    is_same_origin,
)
from telemetry.configuration import BYTES_MAX

__all__ = ["LOOPBACK_NAMES", "Boundary", "host_name"]

BODY_BYTES_MAX: Final = 16 * 1024
"""No other request of this server needs more."""
_WIDER: Final = (
    (re.compile(r"/api/v1/gateways/[^/]+/[^/]+/configuration"), BYTES_MAX),
    # The same as a form, with what stands around it.
    (re.compile(r"/fleet/[^/]+/[^/]+/configuration"), BYTES_MAX + BODY_BYTES_MAX),
    # And with the names and digests of as many as may be changed at once.
    (re.compile(r"/fleet/many"), BYTES_MAX + 12 * BODY_BYTES_MAX),
)
"""Where a gateway's whole configuration is handed in."""
_POLICY: Final = (
    "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    # Not "no-referrer": browsers would then send "Origin: null" with a form of our own.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_OVER_TLS: Final = {"Strict-Transport-Security": "max-age=31536000"}
"""A browser that was here once never asks in clear again: a year, this name only."""

_PAST_PROXY: Final = ProblemError(
    403,
    Text("本服务只通过学校的代理访问", "this server answers its proxy only"),
    kind="past-proxy",
    remedy=Text("请用学校公布的网址打开。", "Ask by the name that the school uses."),
)
_OTHER_NAME: Final = ProblemError(
    421,
    Text("本服务不叫这个名称", "this server is not called by that name"),
    remedy=Text(
        "请用 localhost 打开，或在采集端的配置中加上这个名称。",
        "Call it localhost, or add the name to the collector's configuration.",
    ),
)
_OTHER_PAGE: Final = ProblemError(
    403,
    Text(
        "只能在本系统自己的页面上修改",
        "a request that changes something must come from this server's own page",
    ),
    kind="other-page",
)
_FAULT: Final = ProblemError(
    500, Text("程序出错，原因见日志", "a fault of this program; its log has the cause")
)

_log = structlog.get_logger(__name__)


def body_bytes_max(path: str) -> int:
    """How large the body of a request to this path may be."""
    return next((wider for pattern, wider in _WIDER if pattern.fullmatch(path)), BODY_BYTES_MAX)


class Boundary:
    """ASGI middleware around the whole application.

    `host_names` is the set of names the server may be called by, None to leave that to a proxy.
    Without the check, a page of any web site could reach a server on loopback by a name that it lets
    point there (DNS rebinding). `vault_origin`: where else the page's scripts may ask; empty: nowhere.
    `proxies`: who alone may ask then, and is believed about whom they ask for. `title`: the school's name,
    for pages.
    """

    def __init__(
        self,
        app: ASGIApp,
        host_names: Iterable[str] | None,
        title: str = "",
        vault_origin: str = "",
        proxies: Proxies | None = None,
    ) -> None:
        self._app = app
        self._title = title
        self._proxies = proxies
        policy = f"{_POLICY}; connect-src 'self' {vault_origin}" if vault_origin else _POLICY
        self._headers = {"Content-Security-Policy": policy, **_HEADERS}
        self._host_names = None if host_names is None else frozenset(name.lower() for name in host_names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        forwarded = self._proxies.forwarded(scope) if self._proxies else scope
        scope = forwarded or scope
        started = False

        async def send_safely(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                if scope["scheme"] == "https":
                    headers.update(_OVER_TLS)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refuse(scope) if forwarded else _PAST_PROXY
        if refusal:
            await self._answer(scope, refusal)(scope, receive, send_safely)
            return
        bytes_max = body_bytes_max(scope["path"])
        try:
            await self._app(scope, bounded(receive, bytes_max), send_safely)
        except BodyTooLargeError:
            await self._answer(scope, _too_large(bytes_max))(scope, receive, send_safely)
        except Exception:
            _log.exception("web.fault", method=scope["method"], path=scope["path"])
            if started:
                raise  # the server has to break the connection off: half an answer is out
            await self._answer(scope, _FAULT)(scope, receive, send_safely)

    def _answer(self, scope: Scope, error: ProblemError) -> Response:
        request = Request(scope)
        return (
            trouble_page(request, error, self._title) if is_for_people(request) else document(request, error)
        )

    def _refuse(self, scope: Scope) -> ProblemError | None:
        headers = Headers(scope=scope)
        if self._host_names is not None and host_name(headers.get("host", "")) not in self._host_names:
            return _OTHER_NAME
        # What the check protects is the cookie, which a browser sends by itself; a token it does not.
        by_token = headers.get("authorization", "").lower().startswith("bearer ")
        if scope["method"] not in SAFE_METHODS and not by_token and not is_same_origin(headers):
            return _OTHER_PAGE
        bytes_max = body_bytes_max(scope["path"])
        if declares_more_than(headers, bytes_max):
            return _too_large(bytes_max)
        return None


def _too_large(bytes_max: int) -> ProblemError:
    return ProblemError(
        413,
        Text(f"提交的内容超过 {bytes_max} 字节", f"the request body is larger than {bytes_max} bytes"),
    )
