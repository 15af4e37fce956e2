"""What runs a school's devices of one transport, and what a gateway must be told to read them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from simulators.plan import Transport

Table = dict[str, Any]
"""A table of a gateway's file; a list of tables in it is an array of tables."""


class Served(NamedTuple):
    """One thing that is there now. gateway: whose it is. table: its row of the gateway's file under
    the name of its transport. where: for people.
    """

    gateway: str
    transport: Transport
    where: str
    devices: tuple[str, ...]
    table: Table


class Host(Protocol):
    """Devices of one transport, there while its context lasts.

    Entering may raise HostError, in words; `served` is known once it is entered. Leaving takes all of
    it away. `environment`: variables that a gateway's process needs to find the devices.
    """

    environment: dict[str, str]

    @property
    def served(self) -> Sequence[Served]: ...

    async def __aenter__(self) -> Any: ...

    async def __aexit__(self, *exception: object) -> None: ...


class HostError(Exception):
    """Devices that cannot be simulated here: what is missing, and how to get it."""


def row(device_id: str, profile: str, place: str, **more: Any) -> Table:
    """The row of a device under its source; what is None is left out."""
    found = {"id": device_id, "profile": profile, "place": place, **more}
    return {name: value for name, value in found.items() if value is not None}
