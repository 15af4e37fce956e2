"""Joins: counts out, and nothing by which one pupil could be told from the others."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity_vault.joins.counting import (
    MS_PER_H,
    SUPPRESSED,
    Asked,
    SetQuestion,
    join,
    within_window,
)
from identity_vault.joins.limits import default_limits, parse_limits
from telemetry.exchange import Exposure, JoinAnswer
from telemetry.purposes import Purpose

LIMITS = default_limits()
NOW_MS = 1_788_998_400_000
EVERYBODY = (1 << 60) - 1


def people(*numbers: int | range) -> int:
    found = 0
    for number in numbers:
        for one in (number,) if isinstance(number, int) else number:
            found |= 1 << one
    return found


class Asker:
    """A collector that asks one question after the other, and the vault's memory of it."""

    def __init__(self) -> None:
        self.history: list[Asked] = []
        self.now_ms = NOW_MS

    def ask(
        self,
        cases: int,
        *exposures: int,
        purposes: tuple[Purpose, Purpose] = ("health", "nutrition"),
        everybody: int = EVERYBODY,
    ) -> JoinAnswer:
        question = SetQuestion(
            purposes[0], cases, purposes[1], {str(at): one for at, one in enumerate(exposures)}
        )
        self.history = within_window(self.history, self.now_ms, LIMITS)
        answer, asked = join(question, self.history, everybody, self.now_ms, LIMITS)
        if asked is not None:
            self.history.append(asked)
        return answer

    def counts(self, cases: int, exposed: int, **settings: object) -> Exposure:
        answer = self.ask(cases, exposed, **settings)  # type: ignore[arg-type]
        assert not answer.refused
        return answer.exposures["0"]


def test_counts_of_a_cluster() -> None:
    answer = Asker().ask(people(range(12)), people(range(5, 40)), people(range(40, 60)))
    assert answer == JoinAnswer({"0": Exposure(7, 5, 35), "1": Exposure(None, 10, 20)})


@pytest.mark.parametrize(("exposed", "told"), [(10, 8), (9, 8), (8, 8), (7, 7), (3, 3)])
def test_all_of_them_is_told_as_nearly_all(exposed: int, told: int) -> None:
    counts = Asker().counts(people(range(10)), people(range(10 - exposed, 40)))
    assert counts.cases_exposed == told
    assert counts.cases_unexposed == (None if exposed >= 8 else 10 - exposed)


@pytest.mark.parametrize("exposed", [0, 1, 2])
def test_none_of_them_is_told_as_nearly_none(exposed: int) -> None:
    counts = Asker().counts(people(range(10)), people(range(10 - exposed, 40)))
    assert counts == Exposure(None, 8, 30 + exposed)


def test_that_everybody_exposed_is_a_case_is_not_told_either() -> None:
    counts = {Asker().counts(people(range(30)), people(range(at, at + 6))) for at in (24, 25, 26)}
    assert counts == {Exposure(4, None, 6)}, "six, five or four of the six who ate it"


def test_too_few_are_refused_or_suppressed() -> None:
    asker = Asker()
    assert asker.ask(people(1, 2), people(range(30))).refused == "fewer than 3 known cases"
    assert asker.ask(people(1, 2, 3, 4), people(range(30))).exposures == {"0": SUPPRESSED}
    assert asker.ask(people(range(10)), people(range(4))).exposures == {"0": SUPPRESSED}
    nearly_all = EVERYBODY & ~people(7, 8)
    assert asker.ask(people(range(10)), nearly_all).exposures == {"0": SUPPRESSED}, "complementary"
    assert asker.ask(people(range(10)), people(range(30)), purposes=("health", "health")).refused


def test_the_same_again_has_the_same_answer_and_costs_nothing() -> None:
    asker = Asker()
    first = asker.ask(people(range(12)), people(range(5, 40)), people(range(6, 40)))
    for _ in range(100):
        assert asker.ask(people(range(12)), people(range(5, 40)), people(range(6, 40))) == first
    assert len(asker.history) == 1
    assert first.exposures["1"] == SUPPRESSED, "one person less than the other"


def test_a_question_that_differs_by_a_few_is_refused_for_a_day() -> None:
    asker = Asker()
    dish = people(range(5, 40))
    asker.ask(people(range(12)), dish)
    for differing in (people(range(13)), people(range(11)), people(range(1, 13)), people(range(16))):
        assert "differ by too few people" in asker.ask(differing, dish).refused
    assert asker.ask(people(11, range(40, 50)), dish).refused, "one of them in both: an intersection"
    assert not asker.ask(people(range(17)), dish).refused
    assert asker.counts(people(range(12)), people(range(5, 41))) == SUPPRESSED
    asker.now_ms += 24 * MS_PER_H
    assert not asker.ask(people(range(13)), dish).refused


def test_who_is_deleted_is_not_told_by_asking_again() -> None:
    asker = Asker()
    cases, dish, gone = people(range(12)), people(range(5, 40)), people(8)
    before = asker.counts(cases, dish)
    assert asker.counts(cases & ~gone, dish & ~gone, everybody=EVERYBODY & ~gone) == before
    turned = asker.counts(
        dish & ~gone, cases & ~gone, purposes=("nutrition", "health"), everybody=EVERYBODY & ~gone
    )
    assert turned.cases_exposed == before.cases_exposed


def test_the_other_way_round_is_the_same_question() -> None:
    asker = Asker()
    asker.ask(people(range(12)), people(range(5, 40)))
    turned = asker.counts(people(range(5, 40)), people(range(12)), purposes=("nutrition", "health"))
    assert turned == Exposure(7, 28, 12)
    assert asker.ask(people(range(5, 41)), people(range(12)), purposes=("nutrition", "health")).refused


def test_a_difference_of_counts_is_a_count() -> None:
    cases, dish = people(range(20)), people(range(12, 50))
    asker = Asker()
    assert asker.counts(cases, dish) == Exposure(8, 12, 38)
    part = people(range(12, 44))
    assert asker.counts(cases, part) == SUPPRESSED, "the six others had no case among them"
    more = people(range(4, 50))
    assert asker.counts(cases, more) == SUPPRESSED, "the eight more were all cases"
    mixed = people(range(5, 18), range(24, 50))
    assert asker.counts(cases, mixed) != SUPPRESSED, "neither within the other"


def test_so_many_questions_a_day() -> None:
    asker = Asker()
    answers = [asker.ask(people(range(at, at + 5)), people(range(30))) for at in range(0, 60, 5)]
    wide = (1 << 300) - 1
    answers += [
        asker.ask(people(range(at, at + 5)), people(range(30)), everybody=wide) for at in range(60, 300, 5)
    ]
    most = int(LIMITS.questions_per_window.value)
    assert [not answer.refused for answer in answers].count(True) == most
    assert answers[-1].refused == "too many questions within 24 hours"
    many = Asker()
    assert many.ask(people(range(12)), *range(1_001)).refused == "too many questions within 24 hours"


def test_limits_that_contradict_each_other_are_refused() -> None:
    text = "\n".join(
        f'[{name}]\nvalue = {value}\nunit = "1"\nsource = "s"\nedition = "2026"\nconfidence = "E"'
        for name, value in {
            "cases_min": 3, "group_min": 4, "cell_min": 3, "unknown_share_max": 0.1, "unknown_free": 2,
            "window_h": 24, "questions_per_window": 9, "exposures_per_window": 9,
        }.items()
    )  # fmt: skip
    with pytest.raises(ValueError, match="group_min must be at least"):
        parse_limits(text)
    with pytest.raises(ValueError, match="joins: "):
        parse_limits("[cases_min]")


small = st.sets(st.integers(0, 23), min_size=3, max_size=20).map(lambda found: people(*found))
questions = st.lists(st.tuples(small, st.lists(small, min_size=1, max_size=4)), min_size=1, max_size=12)


def told_sets(history: Sequence[Asked], purpose: Purpose) -> list[int]:
    """The sets of one purpose about which an answer says something."""
    found: list[int] = []
    for asked in history:
        told = [one for one in asked.exposures if one.counts != SUPPRESSED]
        if told and asked.case_purpose == purpose:
            found.append(int.from_bytes(asked.cases, "big"))
        if asked.exposure_purpose == purpose:
            found += [int.from_bytes(one.people, "big") for one in told]
    return found


@settings(deadline=None, max_examples=100)
@given(questions)
def test_whatever_is_asked_nobody_can_be_told_from_four_others(
    asked: list[tuple[int, list[int]]],
) -> None:
    """The intersection attack: sets chosen at will. Answers are the same for whoever was always in the
    same sets, so it is enough that each of these groups is large.
    """
    asker, everybody = Asker(), (1 << 24) - 1
    for cases, exposures in asked:
        asker.ask(cases, *exposures, everybody=everybody)
    purposes: tuple[Purpose, ...] = ("health", "nutrition")
    for purpose in purposes:
        sets = told_sets(asker.history, purpose)
        alike: dict[tuple[bool, ...], int] = {}
        for one in range(24):
            signature = tuple(bool(group >> one & 1) for group in sets)
            alike[signature] = alike.get(signature, 0) + 1
        assert min(alike.values()) >= 5


@settings(deadline=None, max_examples=60)
@given(st.integers(5, 8), st.integers(5, 8), st.data())
def test_one_answer_leaves_open_of_each_whether_they_were_exposed(
    cases: int, exposed: int, data: st.DataObject
) -> None:
    """Every way in which so many cases can be among the exposed that gives the same answer, tried."""
    both = data.draw(st.integers(0, min(cases, exposed)))
    ill = people(range(cases))

    def answer(count: int) -> Exposure:
        return Asker().counts(ill, people(range(cases - count, cases - count + exposed)))

    seen = answer(both)
    possible = [count for count in range(min(cases, exposed) + 1) if answer(count) == seen]
    assert seen != SUPPRESSED
    assert possible[0] < min(cases, exposed), "not sure of anybody that they were"
    assert possible[-1] > 0, "nor that they were not"


def test_the_attack_by_equations_finds_nobody() -> None:
    """Every set that the vault answers is an equation; solved exactly, none names fewer than five."""
    asker = Asker()
    cases = people(range(0, 60, 2))
    choice = random.Random(7)
    # Thirty sums over twenty people: enough to solve for each.
    wanted = [people(*choice.sample(range(20), 10)) for _ in range(30)]
    asker.ask(cases, people(range(25, 50)), *wanted)
    rows = [
        [Fraction(group >> one & 1) for one in range(60)] for group in told_sets(asker.history, "nutrition")
    ]
    assert len(rows) >= 2, "something is told"
    for row in reduced(rows):
        assert sum(cell != 0 for cell in row) >= 5


def reduced(rows: list[list[Fraction]]) -> list[list[Fraction]]:
    """Reduced row echelon form, without the empty rows: what a solver could isolate stands alone."""
    found = [list(row) for row in rows]
    top = 0
    for column in range(len(rows[0])):
        pivot = next((at for at in range(top, len(found)) if found[at][column]), None)
        if pivot is None:
            continue
        found[top], found[pivot] = found[pivot], found[top]
        found[top] = [cell / found[top][column] for cell in found[top]]
        for at, row in enumerate(found):
            if at != top and row[column]:
                factor = row[column]
                found[at] = [cell - factor * above for cell, above in zip(row, found[top], strict=True)]
        top += 1
    return found[:top]
