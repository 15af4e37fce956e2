"""How many names a session may ask for: enough for work, too few to read out the school.

Two counts over ten minutes, of *different* pseudonyms, so that a page that asks again costs nothing:
those that led to a name, and those that led to none. Beyond one of them the session is locked for ten
minutes. One count a minute holds for everybody together. Every table here is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

WINDOW_S: Final = 600
LOCK_S: Final = 600
NAMES_MAX: Final = 600
"""A nurse's list in an outbreak has some hundreds; a school has thousands."""
UNKNOWN_MAX: Final = 60
"""A guess hits one of 10^34; pupils who have left or were deleted are a few on a page."""
REFUSALS_MAX: Final = 20
"""Rows in the audit about questions that a role may not ask; more say nothing new."""
EVERYBODY_S: Final = 60
EVERYBODY_MAX: Final = 6_000
SESSIONS_MAX: Final = 500
TEXT_CHARS_MAX: Final = 32
"""Of what is no pseudonym as much is remembered as a pseudonym has."""

Excess = Literal["names", "unknown"]


class _Session(msgspec.Struct):
    known: dict[str, float] = {}
    unknown: dict[str, float] = {}
    refusals: list[float] = []
    locked_until_s: float = 0.0
    seen_s: float = 0.0


class Pacing:
    """The counts of a running vault. now_s: a monotonic clock."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._sessions: dict[str, _Session] = {}
        self._everybody_since_s = now_s()
        self._everybody = 0

    def locked_for_s(self, session: str) -> float:
        """How long a session has to wait yet; 0 when it may ask."""
        found = self._sessions.get(session)
        return 0.0 if found is None else max(0.0, found.locked_until_s - self._now_s())

    def busy_for_s(self, count: int) -> float:
        """Counts a question of so many pseudonyms for everybody; how long to wait if it is too many."""
        now_s = self._now_s()
        if now_s - self._everybody_since_s >= EVERYBODY_S:
            self._everybody_since_s, self._everybody = now_s, 0
        if self._everybody + count > EVERYBODY_MAX:
            return max(1.0, self._everybody_since_s + EVERYBODY_S - now_s)
        self._everybody += count
        return 0.0

    def has_room_for(self, session: str) -> bool:
        """False when so many sessions are at work that a new one cannot be counted."""
        if session in self._sessions:
            return True
        if len(self._sessions) >= SESSIONS_MAX:
            now_s = self._now_s()
            self._sessions = {
                name: one
                for name, one in self._sessions.items()
                if now_s - one.seen_s < WINDOW_S or one.locked_until_s > now_s
            }
        return len(self._sessions) < SESSIONS_MAX

    def count(self, session: str, known: Iterable[str], unknown: Iterable[str]) -> Excess | None:
        """Counts what a session asked for; what it had too much of, which locks it."""
        one, now_s = self._touch(session)
        one.known.update(dict.fromkeys(known, now_s))
        one.unknown.update((text[:TEXT_CHARS_MAX], now_s) for text in unknown)
        excess: Excess | None = None
        if len(one.known) > NAMES_MAX:
            excess = "names"
        elif len(one.unknown) > UNKNOWN_MAX:
            excess = "unknown"
        if excess is not None:
            # What it is locked for is forgotten: the lock itself is the remedy.
            one.locked_until_s, one.known, one.unknown = now_s + LOCK_S, {}, {}
        return excess

    def is_worth_a_row(self, session: str) -> bool:
        """Counts a question that the role may not ask; False where the audit has enough of them."""
        one, now_s = self._touch(session)
        if len(one.refusals) >= REFUSALS_MAX:
            return False
        one.refusals.append(now_s)
        return True

    def _touch(self, session: str) -> tuple[_Session, float]:
        now_s = self._now_s()
        one = self._sessions.setdefault(session, _Session())
        one.seen_s = now_s
        since_s = now_s - WINDOW_S
        one.known = {text: at_s for text, at_s in one.known.items() if at_s > since_s}
        one.unknown = {text: at_s for text, at_s in one.unknown.items() if at_s > since_s}
        one.refusals = [at_s for at_s in one.refusals if at_s > since_s]
        return one, now_s
