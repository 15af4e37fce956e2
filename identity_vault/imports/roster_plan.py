"""What an import of a roster would change: the file's rows against what the vault has. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar, get_args
from zoneinfo import ZoneInfo

import msgspec

from identity_vault.imports.classes import SchoolClass
from identity_vault.imports.problems import CellError, Problems
from identity_vault.imports.roster_rows import GivenConsent, RosterRow, credentials_of_row, day_ms
from identity_vault.roster import (
    OWN_CONSENT_AGE,
    Consent,
    Credential,
    Guardian,
    GuardianDetails,
    Pupil,
    PupilDetails,
    age_on,
)
from identity_vault.roster.people import CredentialKind

KINDS: Final[tuple[CredentialKind, ...]] = get_args(CredentialKind)
_OfPupil = TypeVar("_OfPupil", Credential, Guardian, Consent)
Titles = Callable[[str, str], str]
"""The title of a column in a file, by file and meaning."""


class Known(NamedTuple):
    """What the vault has. The lists are of all pupils, those who left too."""

    pupils: Sequence[Pupil]
    credentials: Sequence[Credential]
    guardians: Sequence[Guardian]
    consents: Sequence[Consent]
    classes: Mapping[str, tuple[str, str]]


@dataclass
class Change:
    """One pupil of the file. `pupil` is None for a new one; what is None or empty stays as it is."""

    row: RosterRow
    pupil: Pupil | None
    details: PupilDetails | None = None
    class_id: str | None = None
    returns: bool = False
    credentials: list[tuple[CredentialKind, str]] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    guardians: list[tuple[str | None, GuardianDetails]] = field(default_factory=list)
    """The guardian's id, None for a new one."""
    consents: list[GivenConsent] = field(default_factory=list)

    @property
    def parts(self) -> list[str]:
        """What changes, in words for the audit and the screen."""
        said = {
            "details": self.details is not None,
            "class": self.class_id is not None,
            "state": self.returns,
            "credentials": bool(self.credentials or self.ended),
            "guardians": bool(self.guardians),
            "consents": bool(self.consents),
        }
        return [part for part, changes in said.items() if changes]


@dataclass
class Plan:
    """Everything one import does."""

    added: list[Change] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)
    unchanged: int = 0
    classes: list[SchoolClass] = field(default_factory=list)
    """New or with another name."""
    released: list[int] = field(default_factory=list)
    """Ended credentials of others, which their new owners' rows replace."""
    missing: list[Pupil] = field(default_factory=list)
    """At the school according to the vault, in a class the files name, and in no file."""
    elsewhere: int = 0
    """At the school, in a class the files do not name."""
    older_consents: int = 0
    """Not newer than what the vault knows of the same purpose, a withdrawal perhaps."""

    @property
    def changes(self) -> bool:
        return bool(self.added or self.changed or self.classes)


def plan_roster(
    rows: Sequence[RosterRow], known: Known, now_ms: int, zone: ZoneInfo, titles: Titles, problems: Problems
) -> Plan:
    """What the rows change. What contradicts the vault is added to the problems."""
    return _Planner(rows, known, now_ms, zone, titles, problems).plan()


class _Planner:
    def __init__(
        self,
        rows: Sequence[RosterRow],
        known: Known,
        now_ms: int,
        zone: ZoneInfo,
        titles: Titles,
        problems: Problems,
    ) -> None:
        self._rows, self._known, self._now_ms, self._zone = rows, known, now_ms, zone
        self._titles, self._problems = titles, problems
        self._pupils = {pupil.details.student_number: pupil for pupil in known.pupils}
        self._credentials = _by_pupil(known.credentials)
        self._guardians = _by_pupil(known.guardians)
        self._consents = _by_pupil(known.consents)
        self._plan = Plan()

    def plan(self) -> Plan:
        for row in self._rows:
            pupil = self._pupils.get(row.student_number)
            change = self._change(row, pupil)
            if pupil is None:
                self._plan.added.append(change)
            elif change.parts:
                self._plan.changed.append(change)
            else:
                self._plan.unchanged += 1
        self._plan_classes()
        self._plan_missing()
        self._check_owners()
        return self._plan

    def _add(self, row: RosterRow, meaning: str, cause: str, remedy: str) -> None:
        self._problems.add(row.file, row.number, self._titles(row.file, meaning), CellError(cause, remedy))

    def _change(self, row: RosterRow, pupil: Pupil | None) -> Change:
        change = Change(row, pupil)
        details = self._details(row, pupil)
        if pupil is None or details != pupil.details:
            change.details = details
        if pupil is not None and pupil.class_id != row.school_class.id:
            change.class_id = row.school_class.id
        change.returns = pupil is not None and pupil.state == "left"
        id_ = pupil.id if pupil else ""
        self._change_credentials(change, self._credentials.get(id_, ()))
        self._change_guardians(change, self._guardians.get(id_, ()))
        self._change_consents(change, self._consents.get(id_, ()))
        return change

    def _details(self, row: RosterRow, pupil: Pupil | None) -> PupilDetails:
        told = {
            "name": row.name,
            "birth_date": row.birth_date,
            "sex": row.sex,
            "dormitory": row.dormitory,
            "allergens": row.allergens,
        }
        if pupil is None and row.birth_date is None:
            self._add(row, "birth_date", "is missing for a new pupil", "write the date of birth")
        said = {name: value for name, value in told.items() if value is not None}
        before = (
            msgspec.structs.asdict(pupil.details)
            if pupil
            else {"student_number": row.student_number, "birth_date": ""}
        )
        return PupilDetails(**{**before, **said})

    def _change_credentials(self, change: Change, known: Iterable[Credential]) -> None:
        """A kind, or a kind of station, of which the file says something is as it says; the others stay."""
        row = change.row
        told = {"card": row.cards, "band": row.bands, "station": row.stations}
        mine = list(known)
        for kind in KINDS:
            wanted = told[kind]
            if wanted is None:
                continue
            valid = {
                one.value: one.id
                for one in mine
                if one.kind == kind
                and self._is_valid(one)
                and (kind != "station" or _scheme(one) in row.schemes)
            }
            change.credentials += [(kind, value) for value in wanted if value not in valid]
            change.ended += [id_ for value, id_ in valid.items() if value not in wanted]

    def _is_valid(self, credential: Credential) -> bool:
        return credential.until_ms is None or credential.until_ms > self._now_ms

    def _change_guardians(self, change: Change, known: Iterable[Guardian]) -> None:
        """Known ones, by phone or name, take what the file says; those it does not name stay."""
        left = list(known)
        for told in change.row.guardians:
            found = next((one for one in left if told.phone and one.details.phone == told.phone), None)
            found = found or next((one for one in left if one.details.name == told.name), None)
            if found is None:
                change.guardians.append((None, told))
                continue
            left.remove(found)
            merged = GuardianDetails(
                name=told.name,
                phone=told.phone or found.details.phone,
                relation=told.relation or found.details.relation,
            )
            if merged != found.details:
                change.guardians.append((found.id, merged))

    def _change_consents(self, change: Change, known: Iterable[Consent]) -> None:
        """Only what is newer than everything the vault knows: a withdrawal is not undone by an old list."""
        row, mine = change.row, list(known)
        has_guardian = bool(row.guardians or (change.pupil and self._guardians.get(change.pupil.id)))
        for told in row.consents:
            given_ms = day_ms(told.on, self._zone)
            last_ms = max(
                (max(one.given_ms, one.withdrawn_ms or 0) for one in mine if one.purpose == told.purpose),
                default=-1,
            )
            if given_ms <= last_ms:
                is_same = any(one.given_ms == given_ms and one.withdrawn_ms is None for one in mine)
                self._plan.older_consents += not is_same
                continue
            birth_date = row.birth_date or (change.pupil.details.birth_date if change.pupil else "")
            if told.by == "guardian" and not has_guardian:
                self._add(
                    row, "consent", "is a guardian's consent, and there is no guardian", "name the guardian"
                )
            elif (
                told.by == "pupil"
                and birth_date
                and age_on(birth_date, given_ms, self._zone) < OWN_CONSENT_AGE
            ):
                self._add(
                    row,
                    "consent_by",
                    f"is a pupil's own consent below the age of {OWN_CONSENT_AGE}",
                    "ask a guardian",
                )
            else:
                change.consents.append(told)

    def _plan_classes(self) -> None:
        named: dict[str, RosterRow] = {}
        for row in self._rows:
            one = row.school_class
            first = named.setdefault(one.id, row)
            if first.school_class.zh != one.zh:
                self._add(
                    row,
                    "class_name",
                    f"gives class {one.id} another name than {first.file}:{first.number}",
                    "write one name",
                )
        for id_, row in sorted(named.items()):
            one, known = row.school_class, self._known.classes.get(id_)
            if known is None:
                self._plan.classes.append(one)
            elif one.is_named and known[0] != one.zh:
                self._plan.classes.append(one._replace(en=known[1]))

    def _plan_missing(self) -> None:
        told = {row.student_number for row in self._rows}
        classes = {row.school_class.id for row in self._rows}
        for pupil in self._known.pupils:
            if pupil.state == "active" and pupil.details.student_number not in told:
                if pupil.class_id in classes:
                    self._plan.missing.append(pupil)
                else:
                    self._plan.elsewhere += 1

    def _check_owners(self) -> None:
        """What is somebody else's in the vault, and does not end with this import."""
        left = {pupil.id for pupil in self._known.pupils if pupil.state == "left"}
        ending = {id_ for change in self._plan.changed for id_ in change.ended}
        owners = {(one.kind, one.value): one for one in self._known.credentials}
        numbers = {pupil.id: pupil.details.student_number for pupil in self._known.pupils}
        for row in self._rows:
            for kind, value in credentials_of_row(row):
                owner = owners.get((kind, value))
                if owner is None or numbers.get(owner.pupil) == row.student_number:
                    continue
                if self._is_valid(owner) and owner.id not in ending and owner.pupil not in left:
                    self._add(
                        row,
                        kind,
                        "is another pupil's in the vault",
                        "write 无 or the new one in that pupil's row, or correct this one",
                    )
                else:
                    self._plan.released.append(owner.id)


def _by_pupil(items: Iterable[_OfPupil]) -> dict[str, list[_OfPupil]]:
    found: dict[str, list[_OfPupil]] = {}
    for item in items:
        found.setdefault(item.pupil, []).append(item)
    return found


def _scheme(station: Credential) -> str:
    return station.value.partition(":")[0]
