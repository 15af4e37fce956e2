"""Addresses and networks that a configuration names, and whether somebody asks from there."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_interface
from typing import Annotated

from pydantic import BeforeValidator


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
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found in one for one in networks)
