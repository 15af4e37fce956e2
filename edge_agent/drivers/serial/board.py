"""One board as its driver sees it: when it was heard, when it is asked, how it fares."""

from __future__ import annotations

from typing import Final

import structlog

from device_profiles.serial import Request, SerialDecoder
from edge_agent.counters import DeviceCounters

log = structlog.get_logger()

FAILURES_MAX: Final = 3
"""So many questions in a row without an answer put a board that is asked into quarantine."""
PROBE_CYCLES: Final = 10
"""A board in quarantine is asked once in so many of its intervals."""
LATE_S_MAX: Final = 5.0
"""After so long an answer does not come any more."""


class Question:
    """One of a board's requests, and when it is due."""

    def __init__(self, request: Request, interval_s: float | None) -> None:
        self.data = request.data
        self.interval_s = interval_s or request.interval_s
        self.due_s = 0.0


class Board:
    """A configured board. Times are monotonic, in seconds.

    One that is asked is quarantined after FAILURES_MAX failures, as on a Modbus bus. What speaks again
    after a silence may just have been switched on: it is uncertain for the profile's warm-up time.

    Most framings do not tell which question an answer belongs to. So after an unanswered one a board
    is left alone for LATE_S_MAX: what comes meanwhile is late, and nothing is taken for it.
    """

    def __init__(
        self, decoder: SerialDecoder, *, interval_s: float | None, counters: DeviceCounters, driver: str
    ) -> None:
        self.decoder = decoder
        self.id = decoder.device
        self.counters = counters
        self.questions = [Question(request, interval_s) for request in decoder.requests]
        spec = decoder.spec
        self.only_speaks_of_people = not spec.payloads and not spec.polls and spec.frame != "cobs"
        """Nothing is heard of a card reader while nobody comes; its silence means nothing."""
        self._driver = driver
        self.quarantined = False
        self._failures = 0
        self._free_s = 0.0
        self.heard_s: float | None = None
        self._warm_s: float | None = None

    @property
    def is_asked(self) -> bool:
        return bool(self.questions)

    def start(self, now_s: float) -> None:
        """The port is there (again)."""
        self._free_s = now_s
        self._warm_s = None
        for question in self.questions:
            if not self.quarantined:
                question.due_s = now_s

    def speed_changed(self, now_s: float, *, ask_now: bool) -> None:
        """What was asked at another speed is answered no more."""
        if ask_now:
            self._free_s = now_s
            for question in self.questions:
                question.due_s = now_s

    def next_question(self) -> Question | None:
        """The one that is due first."""
        return min(self.questions, key=lambda question: question.due_s, default=None)

    def due_s(self, question: Question) -> float:
        return max(question.due_s, self._free_s)

    def schedule(self, question: Question, now_s: float) -> None:
        """Sets when this is asked next. On a line that cannot keep up it is late, and counted."""
        due_s = question.due_s + question.interval_s
        if due_s < now_s:
            if not self.quarantined:
                self.counters.missed += int((now_s - question.due_s) / question.interval_s)
            due_s = now_s
        question.due_s = due_s

    def warming_up(self, now_s: float) -> bool:
        return self._warm_s is None or now_s < self._warm_s

    def heard(self, now_s: float, time_ms: int) -> None:
        """A good frame of this board."""
        last_s = self.heard_s
        if self._warm_s is None or last_s is None or now_s - last_s > self.decoder.spec.silent_after_s:
            self._warm_s = now_s + self.decoder.spec.warm_up_s
        if self.quarantined:
            silent_s = None if last_s is None else round(now_s - last_s, 1)
            log.info("device answers again", driver=self._driver, device=self.id, silent_s=silent_s)
            self._free_s = now_s
        self.quarantined = self.counters.silent = False
        self.counters.last_seen_ms = time_ms
        self.heard_s = now_s
        self._failures = 0

    def answered(self) -> None:
        """It lives, though it has nothing to say: a refusal is an answer too."""
        self._failures = 0

    def failed(self, now_s: float, *, garbled: bool) -> None:
        """A question without a good answer."""
        if garbled:
            self.counters.garbled += 1
        else:
            self.counters.timeouts += 1
        self._free_s = now_s + LATE_S_MAX
        self._failures += 1
        if self._failures >= FAILURES_MAX and not self.quarantined:
            self.quarantined = self.counters.silent = True
            self.counters.quarantines += 1
            self._warm_s = None
            log.warning(
                "device silent",
                driver=self._driver,
                device=self.id,
                missed=self._failures,
                answers="garbled" if garbled else "none",
            )
        if self.quarantined:
            # One question in so long is a probe; its time-out costs the neighbours next to nothing.
            shortest_s = min(question.interval_s for question in self.questions)
            self._free_s = max(self._free_s, now_s + PROBE_CYCLES * shortest_s)
