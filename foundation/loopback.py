"""Whether an address is this machine itself: what goes there needs no TLS and no password."""

from __future__ import annotations

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """host: a name or an address without port. Of names only localhost is."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
