"""Invented pupils with invented cards, and the morning checks they come to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from simulators.signals import chance, digest
from telemetry.records import Site, Symptom

FEVER_EVERY_CHECKS: Final = 10
UNKNOWN_CARD_EVERY_CHECKS: Final = 25
STATION_SITE: Final[Site] = "forehead"
_WITH_FEVER: Final[tuple[tuple[Symptom, ...], ...]] = (
    ("fever",),
    ("fever", "cough"),
    ("fever", "headache", "fatigue"),
    ("fever", "sore_throat"),
    ("fever", "vomiting", "abdominal_pain"),
)
_WITHOUT_FEVER: Final[tuple[tuple[Symptom, ...], ...]] = (("cough",), ("red_eyes",), ("abdominal_pain",))


class Pupil(NamedTuple):
    """Somebody who does not exist. `card` is a normalised UID of seven bytes, as MIFARE has it."""

    number: int
    class_id: str
    card: str


class Check(NamedTuple):
    """What a morning check is in truth. `pupil` is None for a card that nobody in the map holds."""

    number: int
    pupil: Pupil | None
    card: str
    site: Site
    temperature_c: float
    has_fever: bool
    symptoms: tuple[Symptom, ...]


def class_label(class_id: str) -> str:
    """A class as people write it: ``"3-2"`` is 三（2）班."""
    grade, _, number = class_id.partition("-")
    return f"{'零一二三四五六七八九'[int(grade)]}（{number}）班"


def enrol(seed: int, classes: Mapping[str, int]) -> tuple[Pupil, ...]:
    """Every pupil of the school, class by class, numbered from 0; `classes`: how many in each."""
    found: list[Pupil] = []
    for class_id, count in classes.items():
        for _ in range(count):
            number = len(found)
            found.append(Pupil(number, class_id, card_uid(seed, f"pupil-{number}")))
    return tuple(found)


def card_uid(seed: int, holder: str) -> str:
    """A card's UID: 04 is the maker's byte (NXP), the other six are invented."""
    return "04" + digest(seed, "card", holder)[:6].hex().upper()


def em_tag(card: str) -> str:
    """The 125 kHz tag in the same card, which an RDM6300 reads: five bytes."""
    return card[-10:]


def wiegand_tag(card: str) -> str:
    """What a Wiegand-34 reader makes of the card: four bytes."""
    return card[-8:]


def employee_number(seed: int, number: int) -> str:
    """The number by which a face terminal of another maker knows a pupil: nine digits, each once."""
    # A step prime to 10^7 visits every number once.
    first = int(chance(seed, "employee") * 10_000_000)
    return f"26{(first + number * 7_654_321) % 10_000_000:07d}"


def wecom_user(card: str) -> str:
    """The name by which a thermometer of WeCom knows a pupil."""
    return f"wo-{card[-8:]}"


def check_at(seed: int, pupils: tuple[Pupil, ...], number: int) -> Check:
    """The check with a number: pupil after pupil, with fevers and unknown cards now and then.

    One check of every ten is a fever and one of every twenty-five shows an unknown card, so that
    even a short run has both; a real school sees far fewer.
    """
    is_fever = _is_chosen(seed, "fever", number, FEVER_EVERY_CHECKS)
    is_unknown = _is_chosen(seed, "unknown", number, UNKNOWN_CARD_EVERY_CHECKS)
    pupil = None if is_unknown else pupils[(number * _stride(len(pupils))) % len(pupils)]
    card = pupil.card if pupil else card_uid(seed, f"stranger-{number}")
    first, second = (chance(seed, "body", number, part) for part in ("first", "second"))
    if is_fever:
        temperature_c = 37.6 + 1.8 * first * second
        symptoms = _WITH_FEVER[int(chance(seed, "symptom", number) * len(_WITH_FEVER))]
    else:
        temperature_c = 36.1 + 0.4 * (first + second)
        place = int(chance(seed, "symptom", number) * 20)
        symptoms = _WITHOUT_FEVER[place] if place < len(_WITHOUT_FEVER) else ()
    return Check(number, pupil, card, STATION_SITE, temperature_c, is_fever, symptoms)


def _is_chosen(seed: int, what: str, number: int, every: int) -> bool:
    """Whether a number is the one chosen of its block of `every` numbers."""
    block, place = divmod(number, every)
    return place == int(chance(seed, what, block) * every)


def _stride(count: int) -> int:
    """A step that visits everybody before anybody twice, and mixes the classes."""
    step = max(1, int(count * 0.618))
    while any(count % factor == 0 and step % factor == 0 for factor in range(2, step + 1)):
        step += 1
    return step
