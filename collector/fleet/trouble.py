"""What is not well with a gateway, by rules over what is known of it; the gravest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

from collector.fleet.standing import Standing
from collector.overview import GatewayOverview
from telemetry.quality import ClockQuality
from telemetry.status import Status

Kind = Literal[
    "silent",
    "never",
    "certificate_over",
    "refused",
    "certificate_ends",
    "backlog",
    "clock",
    "waiting",
    "unable",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
"""In order of gravity."""
GRAVE: Final[frozenset[Kind]] = frozenset({"silent", "certificate_over"})
"""Nothing comes, or soon nothing will."""

SILENT_MS: Final = 5 * 60_000
"""A status comes every 10 s unless told otherwise; an hour at most."""
BACKLOG_MS: Final = 10 * 60_000
"""What waits for so long at a gateway that is heard does not get through."""
CERTIFICATE_MS: Final = 14 * 86_400_000
"""A gateway renews its certificate long before that by itself."""
APPLY_MS: Final = 2 * 60_000
"""So long an offer may be on its way."""


@dataclass(frozen=True)
class Trouble:
    """One thing that somebody should look at. since_ms: since when it is so, where that is known."""

    kind: Kind
    since_ms: int | None = None

    @property
    def is_grave(self) -> bool:
        return self.kind in GRAVE

    @property
    def rank(self) -> int:
        return KINDS.index(self.kind)


def troubles(
    seen: GatewayOverview, how: Standing, certificate_ends_ms: int | None, now_ms: int
) -> list[Trouble]:
    """Of an active gateway, the gravest first."""
    last_ms = seen.last_seen_ms
    found: list[Trouble] = []
    if last_ms is None:
        found.append(Trouble("never"))
    elif now_ms - last_ms > SILENT_MS:
        found.append(Trouble("silent", last_ms))
    else:
        # Of who is silent it would be no news.
        found += _of_now(seen.status, how, now_ms)
    if certificate_ends_ms is not None and certificate_ends_ms - now_ms <= CERTIFICATE_MS:
        over = certificate_ends_ms <= now_ms
        found.append(Trouble("certificate_over" if over else "certificate_ends", certificate_ends_ms))
    if how.word == "refused":
        found.append(Trouble("refused", how.reported_ms))
    return sorted(found, key=lambda one: one.rank)


def _of_now(status: Status | None, how: Standing, now_ms: int) -> Iterator[Trouble]:
    if status is not None:
        oldest_ms = status.buffer_oldest_ms
        if oldest_ms is not None and status.time_ms - oldest_ms > BACKLOG_MS:
            yield Trouble("backlog", oldest_ms)
        if status.clock is ClockQuality.UNSYNCED:
            yield Trouble("clock")
    if how.word == "unable":
        yield Trouble("unable")
    if how.word == "waiting" and how.wanted is not None and now_ms - how.wanted.made_ms > APPLY_MS:
        yield Trouble("waiting", how.wanted.made_ms)
