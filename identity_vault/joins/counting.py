"""Decides what a join may tell, and counts. Pure: sets of people in, counts out.

A set of people is an integer, one bit a pupil. Every rule but one looks at the sets that were asked
about, which the asker knows anyway, and not at who is in both; so a refusal tells nothing.

1. Sets: all sets of one purpose that were asked about within the window cut the school into groups of
   people who were always asked about alike. A set that would leave a group of fewer than `group_min` is
   not answered. Whatever is computed from answers is then about such groups: nobody can be told from
   the others of their group. A set that differs from an earlier one by a few people is the simplest case.
2. Ends: of the cases exposed, the lowest `cell_min` counts (0, 1, 2) are told as one, and so are the
   highest: that all or none were exposed would say it of each.
3. Differences (the one rule that looks at counts): where one set lies within an earlier one, the
   difference of the two counts is a count too, and must be as far from both ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec

from identity_vault.joins.limits import JoinLimits
from telemetry.exchange import Exposure, JoinAnswer
from telemetry.purposes import Purpose

MS_PER_H: Final = 3_600_000
SUPPRESSED: Final = Exposure(None, None, None)


class SetQuestion(NamedTuple):
    """A join over sets; everybody in them is known."""

    case_purpose: Purpose
    cases: int
    exposure_purpose: Purpose
    exposures: dict[str, int]


class Told(msgspec.Struct, frozen=True, array_like=True):
    """What was answered about one exposure. exact: the cases among the exposed, where that was told."""

    people: bytes
    counts: Exposure
    exact: int | None


class Asked(msgspec.Struct, frozen=True, array_like=True):
    """A question that was answered; the sets as bytes, most significant first."""

    at_ms: int
    case_purpose: Purpose
    cases: bytes
    exposure_purpose: Purpose
    exposures: list[Told]


class _Cell(NamedTuple):
    """An answer, whichever purpose was that of the cases: people of one purpose and of the other."""

    purposes: tuple[str, str]
    people: tuple[int, int]


class _Earlier(NamedTuple):
    cell: _Cell
    counts: Exposure
    exact: int | None
    case_purpose: Purpose


def within_window(history: Iterable[Asked], now_ms: int, limits: JoinLimits) -> list[Asked]:
    """The questions that still count; those of the future too, which a clock set back has left."""
    oldest_ms = now_ms - int(limits.window_h.value * MS_PER_H)
    return [asked for asked in history if asked.at_ms > oldest_ms]


def join(
    question: SetQuestion, history: Sequence[Asked], everybody: int, now_ms: int, limits: JoinLimits
) -> tuple[JoinAnswer, Asked | None]:
    """The answer, and what is to be remembered of it, if anything. history: `within_window`."""
    if refused := _refusal(question, limits):
        return JoinAnswer({}, refused), None
    if question.cases.bit_count() < limits.group_min.value:
        # Three or four cases are a question, but any count among so few would be about one of them.
        return JoinAnswer(dict.fromkeys(question.exposures, SUPPRESSED)), None
    earlier = _earlier(history, everybody)
    found = {one.cell: one for one in earlier if one.case_purpose == question.case_purpose}
    told: dict[str, Told] = {}
    for name, people in question.exposures.items():
        known = found.get(_cell(question, people))
        if known is not None:
            told[name] = Told(_bytes(people), known.counts, known.exact)
    fresh = {name: people for name, people in question.exposures.items() if name not in told}
    if fresh:
        if refused := _over_budget(fresh, history, limits):
            return JoinAnswer({}, refused), None
        groups = _groups(history, question.case_purpose, everybody, limits)
        if _cut(groups, question.cases, limits) is None:
            return JoinAnswer(
                {},
                "these cases and earlier ones differ by too few people; ask the same again, or a day later",
            ), None
        told |= _count(question, fresh, history, earlier, everybody, limits)
    answer = JoinAnswer({name: told[name].counts for name in question.exposures})
    if not fresh:
        return answer, None
    return answer, Asked(
        now_ms,
        question.case_purpose,
        _bytes(question.cases),
        question.exposure_purpose,
        [told[name] for name in fresh],
    )


def _refusal(question: SetQuestion, limits: JoinLimits) -> str:
    if question.case_purpose == question.exposure_purpose:
        return "a join is of two purposes"
    if question.cases.bit_count() < limits.cases_min.value:
        return f"fewer than {limits.cases_min.value:g} known cases"
    return ""


def _over_budget(fresh: dict[str, int], history: Sequence[Asked], limits: JoinLimits) -> str:
    asked = sum(len(one.exposures) for one in history)
    if (
        len(history) >= limits.questions_per_window.value
        or asked + len(fresh) > limits.exposures_per_window.value
    ):
        return f"too many questions within {limits.window_h.value:g} hours"
    return ""


def _count(
    question: SetQuestion,
    fresh: dict[str, int],
    history: Sequence[Asked],
    earlier: list[_Earlier],
    everybody: int,
    limits: JoinLimits,
) -> dict[str, Told]:
    groups = _groups(history, question.exposure_purpose, everybody, limits)
    earlier = list(earlier)
    told: dict[str, Told] = {}
    # The largest first: what most people did is asked about most.
    for name, people in sorted(fresh.items(), key=lambda item: (-item[1].bit_count(), item[1], item[0])):
        cell = _cell(question, people)
        same = next((one for one in earlier if one.cell == cell), None)
        told[name] = Told(_bytes(people), SUPPRESSED, None)
        count = (question.cases & people).bit_count()
        if same is None:
            cut = None if people.bit_count() < limits.group_min.value else _cut(groups, people, limits)
            if cut is None or any(_tells_by_difference(cell, count, one, limits) for one in earlier):
                continue
            groups = cut
        elif same.counts == SUPPRESSED:
            continue
        else:
            count = _as_told(same, question.cases, people)
        counts, exact = _coded(question.cases.bit_count(), people.bit_count(), count, limits)
        told[name] = Told(_bytes(people), counts, exact)
        earlier.append(_Earlier(cell, counts, exact, question.case_purpose))
    return told


def _as_told(same: _Earlier, cases: int, people: int) -> int:
    """A count that leads to the answer given when the same was asked the other way round."""
    if same.exact is not None:
        return same.exact
    return 0 if same.counts.cases_exposed is None else min(cases.bit_count(), people.bit_count())


def _coded(cases: int, exposed: int, count: int, limits: JoinLimits) -> tuple[Exposure, int | None]:
    """The counts as told, and the exact one if they say it. Where the one that is told stands alone, it
    is the least that it can be.
    """
    least = int(limits.cell_min.value) - 1
    most = min(cases, exposed) - least
    if count <= least:
        return Exposure(None, cases - least, exposed), None
    if count >= most:
        return Exposure(most, None, exposed), None
    return Exposure(count, cases - count, exposed), count


def _tells_by_difference(cell: _Cell, count: int, other: _Earlier, limits: JoinLimits) -> bool:
    """Whether this count and an earlier one tell a third that could not be told."""
    if other.exact is None or other.cell.purposes != cell.purposes:
        return False
    for side in (0, 1):
        ours, theirs = cell.people[side], other.cell.people[side]
        if cell.people[1 - side] != other.cell.people[1 - side]:
            continue
        if ours & theirs not in {ours, theirs}:
            continue
        apart, people = abs(count - other.exact), (ours ^ theirs).bit_count()
        if not limits.cell_min.value <= apart <= people - limits.cell_min.value:
            return True
    return False


def _groups(history: Sequence[Asked], purpose: Purpose, everybody: int, limits: JoinLimits) -> list[int]:
    """The school, cut by every set of this purpose that was answered."""
    sets: dict[int, None] = {}
    for asked in history:
        if asked.case_purpose == purpose:
            sets[int.from_bytes(asked.cases, "big")] = None
        if asked.exposure_purpose == purpose:
            sets |= {
                int.from_bytes(one.people, "big"): None for one in asked.exposures if one.counts != SUPPRESSED
            }
    groups = [everybody]
    for people in sets:
        # One that has become too small, because somebody left, is not cut again.
        groups = _cut(groups, people, limits) or groups
    return groups


def _cut(groups: list[int], people: int, limits: JoinLimits) -> list[int] | None:
    """Each group cut in two by a set; None where that leaves too few people in one."""
    cut: list[int] = []
    for group in groups:
        for part in (group & people, group & ~people):
            if part:
                if part != group and part.bit_count() < limits.group_min.value:
                    return None
                cut.append(part)
    return cut


def _earlier(history: Sequence[Asked], everybody: int) -> list[_Earlier]:
    """Without those who were deleted since: asked again, their sets have the answer they had, and do not
    tell what the deleted one made of it.
    """
    return [
        _Earlier(
            _sorted_cell(
                asked.case_purpose,
                int.from_bytes(asked.cases, "big") & everybody,
                asked.exposure_purpose,
                int.from_bytes(told.people, "big") & everybody,
            ),
            told.counts,
            told.exact,
            asked.case_purpose,
        )
        for asked in history
        for told in asked.exposures
    ]


def _cell(question: SetQuestion, people: int) -> _Cell:
    return _sorted_cell(question.case_purpose, question.cases, question.exposure_purpose, people)


def _sorted_cell(one: Purpose, ones: int, other: Purpose, others: int) -> _Cell:
    if one <= other:
        return _Cell((one, other), (ones, others))
    return _Cell((other, one), (others, ones))


def _bytes(people: int) -> bytes:
    return people.to_bytes((people.bit_length() + 7) // 8 or 1, "big")
