"""A gateway's credential map out of a snapshot: the whole map, or what changed.

Nothing in it can be laid beside another gateway's map or an older epoch's: the key that blinds
credentials and the numbers of people are of this gateway, its generation and the epoch alone.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from identity_vault.keys import VaultKeys
from identity_vault.maps.history import Touched
from identity_vault.maps.people import Snapshot
from telemetry.credential_map import FORMAT, MapUpdate, Person, blind, blind_pseudonym
from telemetry.purposes import PURPOSE_NAMES, Purpose

_ROUNDS: Final = 4


class MapGateway(NamedTuple):
    """What a map depends on, of a registered gateway."""

    id: str
    generation: int
    purposes: tuple[Purpose, ...]


class MapKeys(NamedTuple):
    """blinding: goes to the gateway. numbering: stays here, or a gateway could undo the numbers."""

    blinding: bytes
    numbering: bytes

    def __repr__(self) -> str:
        return "MapKeys(…)"


def parse_purposes(text: str) -> tuple[Purpose, ...]:
    """Purposes with commas between, in the order of the list. Raises ValueError naming a wrong one."""
    wanted = {part.strip() for part in text.split(",") if part.strip()}
    if unknown := wanted - set(PURPOSE_NAMES):
        raise ValueError(f"{min(unknown)!r} is no purpose; there are {', '.join(PURPOSE_NAMES)}")
    return tuple(purpose for purpose in PURPOSE_NAMES if purpose in wanted)


def derive_keys(keys: VaultKeys, gateway: MapGateway, epoch: str) -> MapKeys:
    """Of one gateway, one generation and one epoch."""
    name = (gateway.id, str(gateway.generation), epoch)
    return MapKeys(keys.derive("map", "blinding", *name), keys.derive("map", "numbering", *name))


def build_map(
    snapshot: Snapshot,
    gateway: MapGateway,
    keys: MapKeys,
    *,
    school: str,
    issued_ms: int,
    erased: Sequence[str] = (),
    have: int = 0,
    touched: Touched | None = None,
) -> MapUpdate:
    """touched: what changed since version `have`; None: the whole map.

    Everybody who is at the school is in it, also those without a permit: their cards are known, and
    what they leave behind is dropped.
    """
    slots: Iterable[int] = snapshot.people if touched is None else touched.slots
    texts: Iterable[str] = snapshot.credentials if touched is None else touched.credentials
    number = {slot: renumber(keys.numbering, slot) for slot in slots}
    numbers_of = dict(number)
    people: list[Person] = []
    people_gone: list[int] = []
    for slot, own in number.items():
        person = snapshot.people.get(slot)
        if person is None:
            people_gone.append(own)
        else:
            people.append(_for_gateway(person, own, gateway.purposes))
    credentials: list[tuple[bytes, int]] = []
    credentials_gone: list[bytes] = []
    for text in texts:
        blinded, holder = blind(keys.blinding, text), snapshot.credentials.get(text)
        if holder is None:
            credentials_gone.append(blinded)
            continue
        if holder not in numbers_of:
            numbers_of[holder] = renumber(keys.numbering, holder)
        credentials.append((blinded, numbers_of[holder]))
    return MapUpdate(
        format=FORMAT,
        school=school,
        gateway=gateway.id,
        version=snapshot.version,
        base=0 if touched is None else have,
        issued_ms=issued_ms,
        epoch=snapshot.epoch,
        blinding_key=keys.blinding,
        # In the order of their numbers, which is nobody's: the roster's order would tell neighbours.
        people=sorted(people, key=lambda person: person.slot),
        people_gone=sorted(people_gone),
        credentials=dict(sorted(credentials)),
        credentials_gone=sorted(credentials_gone),
        lessons={class_id: list(lessons) for class_id, lessons in snapshot.lessons.items()},
        school_days=list(snapshot.school_days),
        erased=sorted(blind_pseudonym(keys.blinding, one) for one in erased),
    )


def _for_gateway(person: Person, number: int, purposes: tuple[Purpose, ...]) -> Person:
    permits = {purpose: person.permits[purpose] for purpose in purposes if purpose in person.permits}
    # What only heart rates are judged by goes where heart rates are.
    limit = person.heart_rate_max if "sport" in permits else None
    return Person(number, person.class_id, permits, limit)


def renumber(key: bytes, slot: int) -> int:
    """A slot's number under a key, below 2³²: a Feistel network, so that no two slots get the same."""
    left, right = slot >> 16 & 0xFFFF, slot & 0xFFFF
    for at in range(_ROUNDS):
        mixed = hmac.digest(key, bytes((at,)) + right.to_bytes(2, "big"), "sha256")
        left, right = right, left ^ int.from_bytes(mixed[:2], "big")
    return left << 16 | right
