"""The blinded credential map: all that a gateway knows about people.

It leads from ``HMAC-SHA-256(gateway's key, credential)`` to a person: class, and for each purpose
that is permitted the pseudonym. A gateway can look up a card that is held against it, and nothing
else: the map holds no name, no number of a card, and no key with which a pseudonym could be made.

The vault sends `MapUpdate`: the whole map, or what has changed since a version. `CredentialMap` is
what the gateway makes of them.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from typing import Final

import msgspec

from telemetry.credential_columns import CredentialColumns
from telemetry.decoding import DECODING_ERRORS, INT_MAX, describe
from telemetry.encoded import EncodedTable
from telemetry.purposes import Purpose

BLINDED_BYTES: Final = 8
"""Of the HMAC: among 30,000 credentials of a school two alike are one chance in 10^10."""
EM4100_DIGITS: Final = 10
FORMAT: Final = 2
PEOPLE_MAX: Final = 50_000
CREDENTIALS_MAX: Final = 1_000_000
_MS_PER_DAY: Final = 86_400_000


class Permit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What one purpose may have of a person. `until_ms`: when it ends, ms UTC, or None for no end yet."""

    pseudonym: str
    until_ms: int | None = None


class Person(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Somebody without a name. `slot` numbers people within one map and means nothing elsewhere.

    permits: purposes there is consent for, or that need none. heart_rate_max: greatest heart rate for
    the age, per minute, None where it is unknown.
    """

    slot: int
    class_id: str
    permits: dict[Purpose, Permit]
    heart_rate_max: float | None = None


class Lesson(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A lesson of a class, ms UTC, the end not included. subject: "pe" or another."""

    start_ms: int
    end_ms: int
    subject: str
    place: str = ""


class MapUpdate(msgspec.Struct, frozen=True, array_like=True):
    """From the vault to one gateway.

    base: the version that `people` and `credentials` are changes to, perhaps none; 0: the whole map.
    issued_ms: when the vault made it, ms UTC. epoch: of the pseudonyms. blinding_key: the gateway's.
    people, credentials: new or changed, by slot and by blinded credential; the `gone` lists: no longer
    there. Always whole: lessons, by class, of the days the map is good for; school_days, when somebody
    is at school (start, end; ms UTC); erased, of whom nothing may be kept any more: their pseudonyms, blinded
    too, or those of one pupil would stand there side by side.
    """

    format: int
    school: str
    gateway: str
    version: int
    base: int
    issued_ms: int
    epoch: str
    blinding_key: bytes
    people: list[Person]
    people_gone: list[int]
    credentials: dict[bytes, int]
    credentials_gone: list[bytes]
    lessons: dict[str, list[Lesson]]
    school_days: list[tuple[int, int]]
    erased: list[bytes]


class _Sent(MapUpdate, frozen=True, array_like=True):
    """An update of which people and credentials are not yet made."""

    people: list[msgspec.Raw]  # type: ignore[assignment]  # said above
    credentials: msgspec.Raw  # type: ignore[assignment]  # said above


class CredentialMapError(ValueError):
    """The bytes are no credential map of a format we know, or it contradicts itself."""


class MissingBaseError(CredentialMapError):
    """An update of a version that is not the one here: ask for the whole map."""


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """A whole map as it lies in a file. rest: all of it but people and credentials."""

    rest: MapUpdate
    people: list[bytes]
    numbers: bytes
    slots: bytes


class CredentialMap:
    """A gateway's map in memory: people by slot, and which slot a credential leads to."""

    def __init__(
        self, *, update: MapUpdate, people: EncodedTable[Person], credentials: CredentialColumns
    ) -> None:
        self._describe(update)
        self.people = people
        self._credentials = credentials

    def _describe(self, update: MapUpdate) -> None:
        """Takes over what every update says whole."""
        self.school = update.school
        self.gateway = update.gateway
        self.version = update.version
        self.issued_ms = update.issued_ms
        self.epoch = update.epoch
        self.blinding_key = update.blinding_key
        self.lessons: Mapping[str, Sequence[Lesson]] = update.lessons
        self.school_days: Sequence[tuple[int, int]] = update.school_days
        self.erased = frozenset(update.erased)

    @classmethod
    def whole(cls, update: MapUpdate) -> CredentialMap:
        """From an update that is a whole map. Raises MissingBaseError for one that is not."""
        if update.base:
            raise MissingBaseError(f"changes since version {update.base}, not a whole map")
        return cls(
            update=update,
            people=EncodedTable.of(Person, _by_slot(update.people)),
            credentials=CredentialColumns.of(update.credentials),
        )

    def __repr__(self) -> str:
        return f"CredentialMap({self.school}/{self.gateway}, version {self.version})"

    @property
    def credential_count(self) -> int:
        return len(self._credentials)

    def age_ms(self, now_ms: int) -> int:
        return now_ms - self.issued_ms

    def is_current(self, now_ms: int, age_days_max: float) -> bool:
        """False when too old to be believed, or made in what is still the future here."""
        return -_MS_PER_DAY <= self.age_ms(now_ms) <= age_days_max * _MS_PER_DAY

    def find(self, credential: str) -> Person | None:
        """Whose (normalised) credential it is.

        Of five bytes, those of an EM4100 tag, the first is its maker's: a school that has the ten digits
        printed on its tags has the other four, and so those are looked for, too.
        """
        person = self._find(credential)
        if person is None and len(credential) == EM4100_DIGITS and ":" not in credential:
            return self._find(credential[2:])
        return person

    def _find(self, credential: str) -> Person | None:
        slot = self._credentials.find(blind(self.blinding_key, credential))
        return None if slot is None else self.people.get(slot)

    def updated(self, update: MapUpdate) -> CredentialMap:
        """The map after an update; this one stays as it is. Raises MissingBaseError, and
        CredentialMapError for another gateway's.
        """
        if (update.school, update.gateway) != (self.school, self.gateway):
            raise CredentialMapError(f"an update of the map of {update.school}/{update.gateway}")
        if update.base == 0:
            return CredentialMap.whole(update)
        if update.base != self.version or update.blinding_key != self.blinding_key:
            raise MissingBaseError(f"changes since version {update.base}; version {self.version} is here")
        if not (update.people or update.people_gone or update.credentials or update.credentials_gone):
            # Every minute, in the rule: nothing is copied for it.
            found = copy(self)
            found._describe(update)  # noqa: SLF001  # its own class
            return found
        return CredentialMap(
            update=update,
            people=self.people.changed(_by_slot(update.people), set(update.people_gone)),
            credentials=self._credentials.changed(update.credentials, update.credentials_gone),
        )

    def as_update(self) -> MapUpdate:
        """The whole map as one update, an object each of people and credentials."""
        return msgspec.structs.replace(
            self._rest(), people=list(self.people.values()), credentials=self._credentials.as_dict()
        )

    def _rest(self) -> MapUpdate:
        return MapUpdate(
            format=FORMAT,
            school=self.school,
            gateway=self.gateway,
            version=self.version,
            base=0,
            issued_ms=self.issued_ms,
            epoch=self.epoch,
            blinding_key=self.blinding_key,
            people=[],
            people_gone=[],
            credentials={},
            credentials_gone=[],
            lessons={class_id: list(lessons) for class_id, lessons in self.lessons.items()},
            school_days=list(self.school_days),
            erased=sorted(self.erased),
        )

    def kept(self) -> bytes:
        """The whole map for a file: as it lies in memory, so that neither writing nor reading takes much more."""
        numbers, slots = self._credentials.as_bytes()
        return _encode(_Kept(self._rest(), list(self.people.rows), numbers, slots))

    @classmethod
    def from_kept(cls, data: bytes) -> CredentialMap:
        """The inverse of `kept`. Raises CredentialMapError."""
        try:
            kept = _decode_kept(data)
            people = _people(kept.people)
        except DECODING_ERRORS as error:
            raise CredentialMapError(f"not a credential map: {describe(error)}") from None
        try:
            credentials = CredentialColumns.from_bytes(kept.numbers, kept.slots)
        except ValueError as error:
            raise CredentialMapError(f"not a credential map: {error}") from None
        return cls(update=_checked(kept.rest), people=people, credentials=credentials)


def _by_slot(people: Iterable[Person]) -> dict[int, Person]:
    return {person.slot: person for person in people}


def normalise_credential(text: str) -> str:
    """One notation for a card's UID: hexadecimal digits in upper case, no separators.

    Raises ValueError when it is none; the message does not repeat the text, which names a person.
    """
    digits = text.translate({ord(sign): None for sign in " :-"}).upper()
    if not 4 <= len(digits) <= 32 or any(digit not in "0123456789ABCDEF" for digit in digits):
        raise ValueError("a credential is 4 to 32 hexadecimal digits")
    return digits


def normalise_identifier(scheme: str, text: str) -> str:
    """One notation for a number by which a station itself knows people (an employee number, say):
    ``scheme:text``, letters as the station writes them.

    scheme: whose numbers they are, lower-case letters ("hikvision", "wecom"). Its colon stands in no
    card's notation, so that a number is never taken for a card, nor for another system's number.
    Raises ValueError when the text is none; the message does not repeat it, for it names a person.
    """
    number = text.strip()
    if not re.fullmatch(r"[a-z]{1,32}", scheme) or not re.fullmatch(r"[!-~]{1,64}", number):
        raise ValueError("a station's number of a person is 1 to 64 printable ASCII signs without blanks")
    return f"{scheme}:{number}"


def normalise_band(address: str) -> str:
    """One notation for a band: ``band:`` and the twelve digits of its Bluetooth address.

    Raises ValueError when it is none; the message does not repeat it.
    """
    digits = address.translate({ord(sign): None for sign in " :-"}).upper()
    if not re.fullmatch(r"[0-9A-F]{12}", digits):
        raise ValueError("a band's address is 12 hexadecimal digits")
    return f"band:{digits}"


def blind(gateway_key: bytes, credential: str) -> bytes:
    """The name under which a map knows a (normalised) credential."""
    return hmac.digest(gateway_key, credential.encode(), "sha256")[:BLINDED_BYTES]


def blind_pseudonym(gateway_key: bytes, pseudonym: str) -> bytes:
    """The name under which a map says that a pseudonym is to be forgotten."""
    return hmac.digest(gateway_key, b"pseudonym\0" + pseudonym.encode(), "sha256")[:BLINDED_BYTES]


class Forgotten:
    """Pseudonyms of which nothing may be kept, as a map tells them: one can only ask for one's own."""

    def __init__(self, gateway_key: bytes, blinded: Collection[bytes]) -> None:
        self._key = gateway_key
        self._blinded = frozenset(blinded)

    def __contains__(self, pseudonym: object) -> bool:
        return isinstance(pseudonym, str) and blind_pseudonym(self._key, pseudonym) in self._blinded

    def __len__(self) -> int:
        return len(self._blinded)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(MapUpdate).decode
_decode_kept = msgspec.msgpack.Decoder(_Kept).decode
_decode_sent = msgspec.msgpack.Decoder(_Sent).decode
_decode_credentials = msgspec.msgpack.Decoder(dict[bytes, int]).decode
_decode_person = msgspec.msgpack.Decoder(Person).decode


def encode_update(update: MapUpdate) -> bytes:
    return _encode(update)


def decode_update(data: bytes) -> MapUpdate:
    """Raises CredentialMapError."""
    try:
        found = _decode(data)
    except DECODING_ERRORS as error:
        raise CredentialMapError(f"not a credential map: {describe(error)}") from None
    return _checked(found)


def decode_map(data: bytes) -> CredentialMap | MapUpdate:
    """An update as a gateway needs it: the map, if it is a whole one, else the changes. A map is made piece by
    piece, so that its people and its credentials are never all there as objects. Raises CredentialMapError.
    """
    try:
        sent = _decode_sent(data)
        if sent.base:
            return decode_update(data)
        people = _people(sent.people)
        credentials = _decode_credentials(sent.credentials)
    except DECODING_ERRORS as error:
        raise CredentialMapError(f"not a credential map: {describe(error)}") from None
    update = _checked(msgspec.structs.replace(sent, people=[], credentials=credentials))
    return CredentialMap(update=update, people=people, credentials=CredentialColumns.of(credentials))


def _people(encoded: Sequence[bytes | msgspec.Raw]) -> EncodedTable[Person]:
    """Raises CredentialMapError, and what decoding raises."""
    found = {_decode_person(one).slot: bytes(one) for one in encoded}
    if len(found) > PEOPLE_MAX or not all(0 <= slot < 2**32 for slot in found):
        raise CredentialMapError("more people than a school has, or a slot out of bounds")
    return EncodedTable(Person, found)


def _checked(found: MapUpdate) -> MapUpdate:
    """The same, if it does not contradict itself. Raises CredentialMapError."""
    if found.format != FORMAT:
        raise CredentialMapError(f"format {found.format} is not known, {FORMAT} is")
    if (
        not 1 <= found.version <= INT_MAX
        or not 0 <= found.base <= found.version
        or len(found.blinding_key) < 16
    ):
        raise CredentialMapError("version or key out of bounds")
    if len(found.people) > PEOPLE_MAX or len(found.credentials) > CREDENTIALS_MAX:
        raise CredentialMapError("more people or credentials than a school has")
    if not _are_sound(found.people, found.credentials, (*found.credentials_gone, *found.erased)):
        raise CredentialMapError("a slot or a credential is out of bounds")
    if any(lesson.start_ms > lesson.end_ms for lessons in found.lessons.values() for lesson in lessons):
        raise CredentialMapError("a lesson ends before it begins")
    return found


def _are_sound(people: Iterable[Person], credentials: Mapping[bytes, int], blinded: Iterable[bytes]) -> bool:
    return (
        all(0 <= person.slot < 2**32 for person in people)
        and all(len(one) == BLINDED_BYTES for one in (*credentials, *blinded))
        and all(0 <= slot < 2**32 for slot in credentials.values())
    )
