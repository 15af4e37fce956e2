"""What the collector knows of its gateways at the moment: data seen, and what they say themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from telemetry.status import Status


@dataclass
class GatewayOverview:
    """Figures of one gateway. `last_data_ms` is when its last good batch came: derived from data,
    so that a gateway that is switched off never looks connected.
    """

    last_data_ms: int | None = None
    status: Status | None = None
    status_ms: int | None = None
    readings_stored: int = 0

    @property
    def last_seen_ms(self) -> int | None:
        """When it was heard last, be it data or a status."""
        return max((at for at in (self.last_data_ms, self.status_ms) if at is not None), default=None)

    def see(self, status: Status, now_ms: int) -> bool:
        """Takes a status unless it is older than the last one of the same start: whoever can publish
        can repeat one, and a gateway that is switched off must not look alive. True when taken.
        """
        known = self.status
        if known and known.started_ms == status.started_ms and known.time_ms >= status.time_ms:
            return False
        self.status, self.status_ms = status, now_ms
        return True


class Overview:
    """The figures of all gateways, by (school, gateway); since the collector's start, but for when data
    came last.
    """

    def __init__(self) -> None:
        self._gateways: dict[tuple[str, str], GatewayOverview] = {}
        self.alerts_raised = 0
        self.refusals: Counter[str] = Counter()
        """Messages refused at intake, by reason; their senders are not known for certain."""

    def load(self, last_data_ms: Mapping[tuple[str, str], int]) -> None:
        """When data came last, as far as it was written down before the start."""
        for key, at_ms in last_data_ms.items():
            self.of(*key).last_data_ms = at_ms

    def refused(self, reason: str) -> None:
        self.refusals[reason] += 1

    @property
    def last_data_ms(self) -> int | None:
        """When data came last from any gateway."""
        return max((one.last_data_ms for one in self.all() if one.last_data_ms is not None), default=None)

    def all(self) -> Collection[GatewayOverview]:
        return self._gateways.values()

    def of(self, school: str, gateway: str) -> GatewayOverview:
        return self._gateways.setdefault((school, gateway), GatewayOverview())
