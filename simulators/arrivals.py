"""Who comes to school on a day and when: cards at the gate, in the morning and in the afternoon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple

from simulators.pupils import Pupil
from simulators.signals import chance
from simulators.timetable import MS_PER_MINUTE, Phase, day_of, start_of
from simulators.world import World


class Tap(NamedTuple):
    """A card held to the reader at the gate."""

    school_ms: int
    pupil: Pupil
    way: Literal["in", "out"]

    def __repr__(self) -> str:
        return f"Tap(school_ms={self.school_ms}, way={self.way!r}, …)"


def present(world: World, pupils: Sequence[Pupil], day: int) -> frozenset[int]:
    """The numbers of the pupils who are at school on a day: as many as the rooms are filled with."""
    found: list[int] = []
    if world.timetable.is_school_day(day):
        for one in world.plan.classes:
            members = [pupil.number for pupil in pupils if pupil.class_id == one.id]
            members.sort(key=lambda number: chance(world.seed, "ill", number, day))
            found += members[len(members) - world.occupancy.present(one.id, day) :]
    return frozenset(found)


@lru_cache(maxsize=16)
def taps_of(world: World, pupils: tuple[Pupil, ...], day: int) -> tuple[Tap, ...]:
    """All of a day in their order. Boarders do not leave."""
    here = present(world, pupils, day)
    boarders = {
        pupil.number
        for one in world.plan.classes
        for pupil in [pupil for pupil in pupils if pupil.class_id == one.id][: one.boarders]
    }
    found = [
        Tap(_moment(world, pupil, day, phase), pupil, way)
        for pupil in pupils
        if pupil.number in here
        for phase, way in _WAYS
        if way == "in" or pupil.number not in boarders
        if any(one.phase == phase for one in world.timetable.day)
    ]
    return tuple(sorted(found, key=lambda tap: tap.school_ms))


_WAYS: tuple[tuple[Phase, Literal["in", "out"]], ...] = (("arriving", "in"), ("leaving", "out"))


def _moment(world: World, pupil: Pupil, day: int, phase: Phase) -> int:
    """Most come in the middle of the time there is."""
    period = next(one for one in world.timetable.day if one.phase == phase)
    first, second = (chance(world.seed, phase, part, pupil.number, day) for part in ("first", "second"))
    span_ms = (period.end_min - period.start_min) * MS_PER_MINUTE
    return start_of(day) + period.start_min * MS_PER_MINUTE + int(span_ms * (first + second) / 2)


def taps_from(world: World, pupils: tuple[Pupil, ...], school_ms: int) -> Iterator[Tap]:
    """The taps from a moment on, for ever and in order."""
    day = day_of(school_ms)
    while True:
        yield from (tap for tap in taps_of(world, pupils, day) if tap.school_ms >= school_ms)
        day += 1
