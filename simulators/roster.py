"""The roster of a simulated school: names, numbers, guardians and consents of people who do not exist.

Everything follows from the seed. Only the vault may be given it; devices, gateways and the collector of
a simulated school never see it, and tests search them for all of it.
"""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Final, Literal, NamedTuple

from simulators.pupils import Pupil, employee_number, wecom_user
from simulators.school import School
from simulators.signals import chance
from telemetry.credential_map import normalise_identifier
from telemetry.purposes import PURPOSES, Purpose

SCHOOL_YEAR: Final = 2026
"""It begins on 1 September of this year."""
CONSENT_DATE: Final = date(SCHOOL_YEAR, 8, 28)
OWN_CONSENT_AGE: Final = 14
"""From 14 on a pupil may agree for himself: Personal Information Protection Law, article 31."""
REGION: Final = "990199"
"""GB/T 2260 has no region that begins with 99, so that no citizen bears such a number."""
PHONE_PREFIX: Final = "154"
"""No operator was given this range: of the 15x it was left out when the others were assigned, and lists
of 2022 still name it among those not assigned.
"""
_REFUSES_ALL: Final = 0.02
_REFUSES_SOME: Final = 0.12
_SECOND_GUARDIAN: Final = 0.6
_ALLERGIC: Final = 0.06
_CHECK_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_SIGNS: Final = "10X98765432"
"""GB 11643: weights and signs of the last place of a citizen's number."""

Sex = Literal["male", "female"]
Relation = Literal["father", "mother", "grandparent"]


class Guardian(NamedTuple):
    """Who answers for a pupil."""

    name: str
    relation: Relation
    phone: str

    def __repr__(self) -> str:
        return f"Guardian(relation={self.relation!r}, …)"


class Entry(NamedTuple):
    """A pupil as the school's office knows one. cards, bands: as readers and radios write them.

    station_ids: ``scheme:number``, by which stations of others know people. consents: what was agreed
    to; `consent_by`: who agreed.
    """

    pupil: Pupil
    name: str
    student_number: str
    sex: Sex
    birth_date: date
    dormitory: str
    allergens: tuple[str, ...]
    cards: tuple[str, ...]
    bands: tuple[str, ...]
    station_ids: tuple[str, ...]
    guardians: tuple[Guardian, ...]
    consents: tuple[Purpose, ...]
    consent_by: Literal["guardian", "pupil"]

    def __repr__(self) -> str:
        return f"Entry(pupil={self.pupil.number}, class_id={self.pupil.class_id!r}, …)"

    def age_on(self, day: date) -> int:
        """Whole years."""
        return _age(self.birth_date, day)


class _Parts(NamedTuple):
    surnames: str
    given_first: str
    given_second: str
    allergens: tuple[str, ...]


@cache
def _parts() -> _Parts:
    found = tomllib.loads(Path(__file__).with_name("roster_parts.toml").read_text("utf-8"))
    return _Parts(found["surnames"], found["given_first"], found["given_second"], tuple(found["allergens"]))


def roster(school: School) -> tuple[Entry, ...]:
    """Every pupil of the school, in the order of `school.pupils`."""
    bands: dict[int, list[str]] = {}
    for device in school.devices:
        if device.plan.wearer is not None and device.plan.ble is not None:
            bands.setdefault(device.plan.wearer, []).append(device.plan.ble.address)
    boarders = {one.id: one.boarders for one in school.plan.classes}
    seats: dict[str, int] = {}
    taken: set[str] = set()
    found: list[Entry] = []
    for pupil in school.pupils:
        seat = seats[pupil.class_id] = seats.get(pupil.class_id, -1) + 1
        lives_in = seat < boarders[pupil.class_id]
        found.append(_entry(school.seed, pupil, tuple(bands.get(pupil.number, ())), taken, boards=lives_in))
    return tuple(found)


def _entry(seed: int, pupil: Pupil, bands: tuple[str, ...], taken: set[str], *, boards: bool) -> Entry:
    number, parts = pupil.number, _parts()
    surname = _pick(parts.surnames, seed, "surname", number)
    sex: Sex = "male" if chance(seed, "sex", number) < 0.52 else "female"
    born = _birth_date(seed, pupil)
    guardians = _guardians(seed, number, surname)
    consents, by = _consents(seed, number, born)
    allergic = chance(seed, "allergic", number) < _ALLERGIC
    return Entry(
        pupil=pupil,
        name=surname + _given(seed, number, "pupil"),
        student_number=_student_number(born, sex, taken),
        sex=sex,
        birth_date=born,
        dormitory=f"{1 + number % 2} 号楼 {101 + number % 40}" if boards else "",
        allergens=(_pick(parts.allergens, seed, "allergen", number),) if allergic else (),
        cards=(pupil.card,),
        bands=bands,
        station_ids=(
            normalise_identifier("hikvision", employee_number(seed, number)),
            normalise_identifier("wecom", wecom_user(pupil.card)),
        ),
        guardians=guardians,
        consents=consents,
        consent_by=by,
    )


def _given(seed: int, number: int, who: str) -> str:
    parts = _parts()
    return _pick(parts.given_first, seed, who, "first", number) + _pick(
        parts.given_second, seed, who, "second", number
    )


def _pick(of: str | tuple[str, ...], seed: int, *what: str | int) -> str:
    return of[int(chance(seed, *what) * len(of))]


def _birth_date(seed: int, pupil: Pupil) -> date:
    """Six years old, and not yet seven, on the eve of the first grade."""
    grade = int(pupil.class_id.partition("-")[0])
    first = date(SCHOOL_YEAR - 6 - grade, 9, 1)
    return first + timedelta(days=int(chance(seed, "birthday", pupil.number) * 365))


def _student_number(born: date, sex: Sex, taken: set[str]) -> str:
    """G and a citizen's number of a region that does not exist: of those born on one day each has an
    order of his own, odd for boys, and none has the sign of control X.
    """
    for order in range(int(sex == "male"), 1_000, 2):
        digits = f"{REGION}{born:%Y%m%d}{order:03d}"
        total = sum(weight * int(digit) for weight, digit in zip(_CHECK_WEIGHTS, digits, strict=True))
        number = f"G{digits}{_CHECK_SIGNS[total % 11]}"
        if not number.endswith("X") and number not in taken:
            taken.add(number)
            return number
    raise ValueError("more pupils were born on one day than there are numbers")


def _age(born: date, day: date) -> int:
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def _guardians(seed: int, number: int, surname: str) -> tuple[Guardian, ...]:
    """The first one bears the pupil's surname as often as not."""
    relations: tuple[Relation, ...] = ("mother", "father", "grandparent")
    first = int(chance(seed, "guardian", number) * 2.15)
    count = 2 if chance(seed, "second guardian", number) < _SECOND_GUARDIAN else 1
    found = []
    for at in range(count):
        relation = relations[(first + at) % 3]
        family = surname if relation == "father" else _pick(_parts().surnames, seed, relation, number)
        # A step prime to 10^8 visits every number once: no two guardians share one.
        subscriber = (number * 2 + at) * 31_415_927 % 100_000_000
        phone = f"{PHONE_PREFIX}{subscriber:08d}"
        found.append(Guardian(family + _given(seed, number, f"guardian-{at}"), relation, phone))
    return tuple(found)


def _consents(seed: int, number: int, born: date) -> tuple[tuple[Purpose, ...], Literal["guardian", "pupil"]]:
    asked = [purpose for purpose, info in PURPOSES.items() if info.needs_consent]
    own = _age(born, CONSENT_DATE) >= OWN_CONSENT_AGE
    by: Literal["guardian", "pupil"] = "pupil" if own else "guardian"
    mood = chance(seed, "consent", number)
    if mood < _REFUSES_ALL:
        return (), by
    if mood < _REFUSES_ALL + _REFUSES_SOME:
        kept = [one for one in asked if chance(seed, "refuses", one, number) < 0.5]
        return tuple(kept or asked[:1]), by
    return tuple(asked), by
