"""A lane of the batch line: what has arrived, and what is opened and waits for the store."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal

from collector.intake.contract import Answer
from collector.intake.lane_queue import LaneQueue
from collector.intake.opening import Opened
from collector.intake.storing import Storing

LaneName = Literal["urgent", "bulk"]
_BEHIND_MAX: Final[dict[LaneName, int]] = {"urgent": 32, "bulk": 1}
"""Opened groups that wait for the store. Bulk waits when they are too many; urgent groups are given
back, for their gateways send them again.
"""


@dataclass
class Lane:
    """Two halves with a short queue between, and since when each half works at what it has."""

    name: LaneName
    storing: Storing
    arrived: LaneQueue = field(default_factory=LaneQueue)
    opened: asyncio.Queue[tuple[list[Opened], Answer]] = field(init=False)
    busy_since_s: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.opened = asyncio.Queue(_BEHIND_MAX[self.name])

    @contextlib.contextmanager
    def busy(self, half: str) -> Iterator[None]:
        self.busy_since_s[half] = time.monotonic()
        try:
            yield
        finally:
            del self.busy_since_s[half]
