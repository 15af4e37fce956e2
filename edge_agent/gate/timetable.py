"""When something may be collected: school days, and the PE lessons of a class."""

from __future__ import annotations

from typing import Final, NamedTuple

from edge_agent.gate.policy import RecordRule
from telemetry.credential_map import CredentialMap
from telemetry.decoding import INT_MAX

PE: Final = "pe"


class Span(NamedTuple):
    """A stretch of time, ms UTC, both ends included, in all of which there is a lesson or none.

    place: where the lesson is, perhaps empty; None: there is none.
    """

    from_ms: int
    to_ms: int
    place: str | None


class Timetable:
    """The lessons and days of one map, with the margins that one rule allows."""

    def __init__(self, found: CredentialMap, rule: RecordRule) -> None:
        margin_ms = rule.margin_ms
        self._window = rule.window
        self._days = [(start - margin_ms, end + margin_ms) for start, end in found.school_days]
        self._lessons = {
            class_id: [
                Span(lesson.start_ms - margin_ms, lesson.end_ms + margin_ms, lesson.place)
                for lesson in lessons
                if lesson.subject == PE
            ]
            for class_id, lessons in found.lessons.items()
        }

    def is_open(self, class_id: str | None, time_ms: int) -> bool:
        """Whether the rule's window is open."""
        if self._window == "always":
            return True
        if self._window == "school_day":
            return any(start <= time_ms <= end for start, end in self._days)
        return class_id is not None and self.lesson(class_id, time_ms).place is not None

    def lesson(self, class_id: str, time_ms: int) -> Span:
        """The PE lesson of a class at a time, or the time without one around it."""
        before, after = 0, INT_MAX
        for span in self._lessons.get(class_id, ()):
            if span.from_ms <= time_ms <= span.to_ms:
                return span
            if span.to_ms < time_ms:
                before = max(before, span.to_ms + 1)
            else:
                after = min(after, span.from_ms - 1)
        return Span(before, after, None)
