"""Proxies before the page: who is one, and what they say of whoever asks."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter
from starlette.datastructures import Headers
from starlette.types import Scope

from foundation.logs import FirstOnly
from foundation.networks import is_within

ADDRESS_CHARS_MAX: Final = 45
"""Of an IPv6 address, written out."""

log = structlog.get_logger()


class Proxies:
    """Every request has to come from one of them: whoever reaches the port by another way could call
    themselves by any address, and would pass by what the proxy asks.
    """

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network], registry: CollectorRegistry) -> None:
        self._networks = tuple(networks)
        self._past = Counter(
            "campus_web_past_proxy", "Requests refused that came from no proxy", registry=registry
        )
        self._reported = FirstOnly(100)

    def forwarded(self, scope: Scope) -> Scope | None:
        """The request as its proxy tells of it; None, counted, where it comes from no proxy.

        Of each header the last word counts: a caller can write what it likes before that.
        """
        peer = scope["client"][0] if scope.get("client") else ""
        if not is_within(peer, self._networks):
            self._past.inc()
            write = log.warning if self._reported.first(peer) else log.debug
            write(
                "a request that did not come through the proxy was refused",
                address=peer,
                remedy="if this is the proxy, add its address to [web] proxies",
            )
            return None
        headers, told = Headers(scope=scope), dict(scope)
        if address := _last(headers, "x-forwarded-for"):
            told["client"] = (address[:ADDRESS_CHARS_MAX], 0)
        if scheme := _last(headers, "x-forwarded-proto"):
            told["scheme"] = "https" if scheme.lower() == "https" else "http"
        return told


def _last(headers: Headers, name: str) -> str:
    lines = headers.getlist(name)
    return lines[-1].rpartition(",")[2].strip() if lines else ""
