"""What a scheduler needs of a bus, and how asking goes wrong.

LinkError
├── BusAwayError     port or gateway is not there: nobody on the bus can be asked; connect again
├── NoReplyError     this unit did not answer, or not understandably: ask again later
├── RefusedError     this unit answered with an exception code: it lives, the question was wrong
└── NotTakenError    this unit answered, and does not hold what was written
"""

from __future__ import annotations

from typing import Protocol

from device_profiles.rtu import EXCEPTION_NAMES
from edge_agent.drivers.modbus.requests import Request


class LinkError(Exception):
    """A request without a good reply."""


class BusAwayError(LinkError):
    """The port or gateway cannot be reached; the text says why."""


class NoReplyError(LinkError):
    """No good reply within the time. `garbled`: something came, but nothing that can be believed."""

    def __init__(self, text: str = "no reply", *, garbled: bool = False) -> None:
        super().__init__(text)
        self.garbled = garbled


class RefusedError(LinkError):
    """The device refused with an exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exception {code} ({EXCEPTION_NAMES.get(code, 'unknown')})")
        self.code = code


class NotTakenError(LinkError):
    """A write that was read back shows another value."""


GATEWAY_SILENT = (10, 11)
"""What a gateway says in place of a unit that does not answer."""


class Link(Protocol):
    """One bus, one request at a time; the caller sees to that.

    `numbered`: replies carry the number of their request, so that a late one cannot pass.
    """

    numbered: bool

    @property
    def is_open(self) -> bool: ...

    async def open(self) -> None:
        """Raises BusAwayError."""

    async def close(self) -> None: ...

    async def exchange(self, unit: int, request: Request, timeout_s: float) -> bytes:
        """The body of a good reply. Raises BusAwayError, NoReplyError, RefusedError."""
