"""How a gateway stands to the configuration it should run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from collector.overview import GatewayOverview
from collector.records.configurations import GatewayKey, State, Version
from telemetry.configuration import Running

Word = Literal["own", "same", "waiting", "refused", "unable"]
"""own: none was made here, it runs that of its own file. same: it runs the newest. waiting: not yet.
refused: it could not apply the newest and runs the one before. unable: its program knows of no such thing.
"""


@dataclass(frozen=True)
class Standing:
    """wanted: the newest version. running: the version that runs, 0 for that of its own file, None where it
    never said. reason: why it refused one, in its own words.
    """

    word: Word
    wanted: Version | None
    running: int | None
    refused: int | None
    reason: str
    reported_ms: int | None

    @property
    def needs_another_number(self) -> bool:
        """Whether the gateway takes the newest only when it is sent again: after it has refused it, or has run
        a higher one, as after a backup was restored here.
        """
        if self.wanted is None:
            return False
        return self.word == "refused" or (
            self.word == "waiting" and (self.running or 0) > self.wanted.version
        )


def runs(running: Running, wanted: Version) -> bool:
    """Whether a gateway runs what it should."""
    return (running.version, running.digest) == (wanted.version, wanted.digest)


def standing(
    key: GatewayKey,
    seen: GatewayOverview,
    wanted: Mapping[GatewayKey, Version],
    told: Mapping[GatewayKey, State],
) -> Standing:
    """From what it says now, or else said before the collector's start."""
    newest, state, status = wanted.get(key), told.get(key), seen.status
    running: Running | None = None
    if status is not None:
        running = status.configuration
    elif state is not None:
        running = as_running(state)
    reported_ms = seen.status_ms if status is not None else state.reported_ms if state else None
    return Standing(
        _word(running, newest, said_nothing_of_it=status is not None and running is None),
        newest,
        running.version if running else None,
        running.refused if running else None,
        running.reason if running else "",
        reported_ms,
    )


def _word(running: Running | None, wanted: Version | None, *, said_nothing_of_it: bool) -> Word:
    if wanted is None:
        return "own"
    if said_nothing_of_it:
        return "unable"
    if running is None:
        return "waiting"
    if runs(running, wanted):
        return "same"
    return "refused" if running.refused == wanted.version else "waiting"


def as_running(state: State) -> Running:
    return Running(state.running, state.digest, state.refused, state.reason or "")
