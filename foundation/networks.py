"""Addresses and networks: those that a configuration names, and that of whoever asks."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import Annotated, Final

from pydantic import BeforeValidator

_HOST_BITS: Final = 64


def parse_network(written: object) -> IPv4Network | IPv6Network:
    """An address, or a network as CIDR. Raises ValueError for the person who wrote it."""
    try:
        # Text only: ipaddress takes numbers too, and nobody writes an address as one.
        found = ip_interface(written if isinstance(written, str) else "")
    except ValueError:
        raise ValueError("no address such as 10.0.0.5 and no network such as 10.0.0.0/8") from None
    network = found.network
    if found.ip != network.network_address:
        raise ValueError(f"a network is written by its first address: {network}; an address without /")
    return network


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(parse_network)]
"""A setting of this type is an address or a network."""


def is_within(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """address: as a socket names its other end; one of IPv4 may be written as of IPv6."""
    found = _parsed(address)
    return found is not None and any(found in one for one in networks)


def host_of(address: str) -> str | None:
    """Whose an address is, to count by: of IPv6 the network, for a host has as many addresses as it likes
    (RFC 4291). None for what is no address.
    """
    found = _parsed(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, _HOST_BITS), strict=False))
    return None if found is None else str(found)


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(address.strip().partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
