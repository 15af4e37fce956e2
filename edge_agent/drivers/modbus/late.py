"""Replies that come too late, on a bus whose replies carry no number (RTU).

A device answers in the order in which it was asked. So after a request without an answer, a reply
proves to be new only when its shape (function and length) differs from every unanswered one: before
a unit is asked the same shape again it is asked a shorter question. What answers that is new, and
everything older will never come.
"""

from __future__ import annotations

from typing import Final

from device_profiles.modbus import RegisterRead
from edge_agent.drivers.modbus import requests
from edge_agent.drivers.modbus.requests import Request

LATE_S_MAX: Final = 5.0
"""After so long an answer does not come any more. It matters only where no shorter question exists."""

_Shape = tuple[int, int]


class LateReplies:
    """The unanswered shapes of each unit. Times are monotonic, in seconds."""

    def __init__(self) -> None:
        self._open: dict[int, dict[_Shape, float]] = {}

    def unanswered(self, unit: int, request: Request, now_s: float) -> None:
        self._open.setdefault(unit, {})[_shape(request)] = now_s + LATE_S_MAX

    def answered(self, unit: int) -> None:
        """A reply that cannot be an old one has come."""
        self._open.pop(unit, None)

    def is_suspect(self, unit: int, now_s: float) -> bool:
        """Whether any answer of this unit is still on its way."""
        return bool(self._shapes(unit, now_s))

    def could_pass(self, unit: int, request: Request, now_s: float) -> bool:
        """Whether an old reply could be taken for the answer to this request."""
        return _shape(request) in self._shapes(unit, now_s)

    def distinct(self, unit: int, read: RegisterRead, now_s: float) -> Request | None:
        """A part of `read` whose answer cannot be mistaken; None when it is too short to have one."""
        taken = self._shapes(unit, now_s)
        # Even numbers first: some devices do not give half of a two-register value.
        for count in (*range(2, read.count, 2), *range(1, read.count, 2)):
            request = requests.read(read.fc, read.address, count)
            if _shape(request) not in taken:
                return request
        return None

    def _shapes(self, unit: int, now_s: float) -> dict[_Shape, float]:
        shapes = self._open.get(unit)
        if not shapes:
            return {}
        for shape in [shape for shape, until_s in shapes.items() if until_s <= now_s]:
            del shapes[shape]
        return shapes


def _shape(request: Request) -> _Shape:
    return request.fc, request.reply_bytes
