"""The cookie of a session: who sets it, reads it and takes it away does so here."""

from __future__ import annotations

from typing import Final

from fastapi import Request, Response

OVER_TLS: Final = "__Host-session"
"""With this prefix a browser takes it only with Secure, for this host and all paths (RFC 6265bis)."""
PLAIN: Final = "session"
"""On loopback without TLS, where browsers take no Secure cookie."""


def set_session(request: Request, response: Response, secret: str) -> None:
    """For as long as the browser runs; when the session is over the database says. Lax: somebody who comes
    back from the sign-in service, or by a link, is signed in; a form of another site sends it not.
    """
    over_tls = _over_tls(request)
    response.set_cookie(
        OVER_TLS if over_tls else PLAIN, secret, httponly=True, samesite="lax", secure=over_tls, path="/"
    )


def clear_session(request: Request, response: Response) -> None:
    over_tls = _over_tls(request)
    response.delete_cookie(
        OVER_TLS if over_tls else PLAIN, httponly=True, samesite="lax", secure=over_tls, path="/"
    )


def session_secret(request: Request) -> str:
    """Empty without one."""
    return request.cookies.get(OVER_TLS if _over_tls(request) else PLAIN, "")


def set_journey(request: Request, response: Response, sealed: str, life_s: int) -> None:
    """What a browser carries to the sign-in service and back. Lax: it comes back from another site."""
    over_tls = _over_tls(request)
    response.set_cookie(
        _journey_name(over_tls),
        sealed,
        max_age=life_s,
        httponly=True,
        samesite="lax",
        secure=over_tls,
        path="/",
    )


def clear_journey(request: Request, response: Response) -> None:
    over_tls = _over_tls(request)
    response.delete_cookie(_journey_name(over_tls), httponly=True, samesite="lax", secure=over_tls, path="/")


def journey_cookie(request: Request) -> str:
    """Empty without one."""
    return request.cookies.get(_journey_name(_over_tls(request)), "")


def _journey_name(over_tls: bool) -> str:  # noqa: FBT001  # read at a glance in three places
    return "__Host-journey" if over_tls else "journey"


def _over_tls(request: Request) -> bool:
    return request.url.scheme == "https"
