"""Credential maps for tests, from plain dicts. The people are invented and have no names here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from telemetry.credential_map import (
    FORMAT,
    CredentialMap,
    Lesson,
    MapUpdate,
    Permit,
    Person,
    blind,
    blind_pseudonym,
)
from telemetry.purposes import Purpose
from tests.edge.edge_parts import GATEWAY, NOW_MS, SCHOOL

BLINDING_KEY: Final = bytes(range(32))
DAY_MS: Final = 86_400_000


def person(
    slot: int,
    permits: Mapping[Purpose, str | tuple[str, int]] | None = None,
    *,
    class_id: str = "c-1",
    heart_rate_max: float | None = None,
) -> Person:
    """permits: pseudonym by purpose, or pseudonym and until when."""
    found = {
        purpose: Permit(one) if isinstance(one, str) else Permit(*one)
        for purpose, one in (permits or {}).items()
    }
    return Person(slot, class_id, found, heart_rate_max)


def make_update(
    people: Iterable[Person] = (),
    credentials: Mapping[str, int] | None = None,
    *,
    school: str = SCHOOL,
    gateway: str = GATEWAY,
    version: int = 1,
    base: int = 0,
    issued_ms: int = NOW_MS,
    epoch: str = "2026",
    blinding_key: bytes = BLINDING_KEY,
    people_gone: Iterable[int] = (),
    credentials_gone: Iterable[str] = (),
    lessons: Mapping[str, Sequence[Lesson]] | None = None,
    school_days: Sequence[tuple[int, int]] = (),
    erased: Iterable[str] = (),
) -> MapUpdate:
    """What a vault would send; credentials in clear, by slot of their person."""
    return MapUpdate(
        format=FORMAT,
        school=school,
        gateway=gateway,
        version=version,
        base=base,
        issued_ms=issued_ms,
        epoch=epoch,
        blinding_key=blinding_key,
        people=list(people),
        people_gone=list(people_gone),
        credentials={blind(blinding_key, one): slot for one, slot in (credentials or {}).items()},
        credentials_gone=[blind(blinding_key, one) for one in credentials_gone],
        lessons={class_id: list(found) for class_id, found in (lessons or {}).items()},
        school_days=list(school_days),
        erased=[blind_pseudonym(blinding_key, one) for one in erased],
    )


def make_map(
    people: Iterable[Person] = (), credentials: Mapping[str, int] | None = None, **settings: Any
) -> CredentialMap:
    """A whole map; settings as for `make_update`."""
    return CredentialMap.whole(make_update(people, credentials, **settings))
