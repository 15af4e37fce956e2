"""Who is where: classes in their rooms, in the gym, on the yard and in the canteen.

Everybody is in one place at a time. Who is in no room is between rooms or not at school. Numbers
are constant within a period of the timetable, which makes the air of a room exactly solvable.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Final

from simulators.plan import ClassPlan, Plan
from simulators.signals import chance
from simulators.timetable import Period, Phase, Timetable, day_of, weekday_of

OWN_ROOM: Final = "own room"
STUDY_ROOM: Final = "study room"

_SHARES: Final[dict[Phase, dict[str, float]]] = {
    "closed": {},
    "arriving": {OWN_ROOM: 0.5, "yard": 0.2, "gate": 0.1},
    "lesson": {OWN_ROOM: 1.0},
    "break": {OWN_ROOM: 0.5, "yard": 0.2},
    "outside": {OWN_ROOM: 0.05, "yard": 0.9},
    "lunch": {OWN_ROOM: 0.05, "canteen": 0.9},
    "rest": {OWN_ROOM: 0.6, "yard": 0.3},
    "leaving": {OWN_ROOM: 0.2, "yard": 0.2, "gate": 0.2},
    "cleaning": {"yard": 1.0},
    "dinner": {"canteen": 1.0},
    "study": {STUDY_ROOM: 1.0},
}
"""Which part of those who are there is where: in their own room, or at the first place of a kind."""
_STAFF: Final[dict[Phase, float]] = {
    "closed": 0.0,
    "leaving": 0.0,
    "cleaning": 0.0,
    "study": 0.0,
    "rest": 0.5,
}
"""Which part of a room's own staff is there; all of it where nothing is said."""
_SITTING_M3_PER_H: Final = 0.003 * 3.6
"""Pupils who sit emit about 0.003 L/s of carbon dioxide each, the order that Persily and de Jonge
(2017) give for children."""
_EXERCISE_TIMES: Final = 3.0
_STANDING_WORK_M3_PER_H: Final = 0.0055 * 3.6


class Occupancy:
    """The people of one school, by the periods of its timetable."""

    def __init__(self, seed: int, plan: Plan, timetable: Timetable) -> None:
        self._seed = seed
        self._plan = plan
        self._timetable = timetable
        self._rooms = {room.place: room for room in plan.rooms}
        self.people = lru_cache(maxsize=8_192)(self._people)
        self.emission_m3_per_h = lru_cache(maxsize=8_192)(self._emission)

    @cached_property
    def _away(self) -> dict[tuple[str, int, int], tuple[str, str]]:
        return {
            (one.id, away.day, away.lesson): (away.place, away.subject)
            for one in self._plan.classes
            for away in one.away
        }

    @cached_property
    def _home_time_min(self) -> int:
        """From when on only boarders are there."""
        return min((one.end_min for one in self._timetable.day if one.phase == "leaving"), default=1_440)

    def away_lesson(self, class_id: str, day: int, period: Period) -> tuple[str, str] | None:
        """Place and subject of a lesson that the class has elsewhere then."""
        return self._away.get((class_id, weekday_of(day), self._timetable.lesson_number(period)))

    def present(self, class_id: str, day: int) -> int:
        """How many of a class are at school on a day: a few are always ill at home."""
        one = next(one for one in self._plan.classes if one.id == class_id)
        return round(one.pupils * (0.92 + 0.08 * chance(self._seed, class_id, "present", day)))

    def people_at(self, place: str, school_ms: int) -> int:
        return self.people(place, day_of(school_ms), self._timetable.period_at(school_ms))

    def _people(self, place: str, day: int, period: Period) -> int:
        """How many are at a place in a period of a day, staff and cleaners included."""
        return sum(self.pupils(one, place, day, period) for one in self._plan.classes) + self._adults(
            place, day, period
        )

    def _emission(self, place: str, day: int, period: Period) -> float:
        """Carbon dioxide that the people at a place give off, m³/h."""
        found = self._adults(place, day, period) * _STANDING_WORK_M3_PER_H
        for one in self._plan.classes:
            away = self.away_lesson(one.id, day, period)
            times = _EXERCISE_TIMES if away is not None and away[1] == "pe" else 1.0
            found += self.pupils(one, place, day, period) * _SITTING_M3_PER_H * times
        return found

    def pupils(self, one: ClassPlan, place: str, day: int, period: Period) -> int:
        """How many of a class are at a place."""
        if not self._timetable.is_school_day(day):
            return 0
        present = self.present(one.id, day)
        away = self.away_lesson(one.id, day, period)
        if away is not None:
            return present if away[0] == place else 0
        here = min(one.boarders, present) if period.start_min >= self._home_time_min else present
        return sum(
            int(here * share)
            for where, share in _SHARES[period.phase].items()
            if self._place(where, one) == place
        )

    def _place(self, where: str, one: ClassPlan) -> str | None:
        if where == OWN_ROOM:
            return one.room
        if where == STUDY_ROOM:
            return self._plan.timetable.evening_room or one.room
        return next((room.place for room in self._plan.rooms if room.kind == where), None)

    def _adults(self, place: str, day: int, period: Period) -> int:
        if not self._timetable.is_school_day(day):
            return 0
        room = self._rooms[place]
        cleaners = int(period.phase == "cleaning" and room.kind in {"classroom", "special"})
        return cleaners + round(room.staff * _STAFF.get(period.phase, 1.0))
