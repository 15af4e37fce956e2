"""Configurations of gateways: every version there ever was, and what each gateway said it runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, delete, func, insert, select

from collector.records.configuration_tables import configuration_states, gateway_configurations
from collector.records.tables import gateways
from telemetry.configuration import digest as digest_of

NOTE_CHARS_MAX: Final = 200
_NUMBER_BELIEVED_MAX: Final = 2**30
"""Far from what the column takes, whatever a gateway says."""

GatewayKey = tuple[str, str]
"""School and id."""

_SHOWN: Final = ("school", "gateway", "version", "digest", "note", "made_by", "made_ms")


@dataclass(frozen=True)
class Version:
    """A version for one gateway, without its sections. digest: as telemetry.configuration makes it."""

    school: str
    gateway: str
    version: int
    digest: str
    note: str
    made_by: str
    made_ms: int

    @property
    def key(self) -> GatewayKey:
        return self.school, self.gateway


@dataclass(frozen=True)
class State:
    """What a gateway said last. running 0: no version of ours; refused: the version it could not apply."""

    school: str
    gateway: str
    running: int
    digest: str
    refused: int | None
    reason: str | None
    reported_ms: int

    @property
    def key(self) -> GatewayKey:
        return self.school, self.gateway


class UnknownGatewayError(LookupError):
    """No gateway is registered under this school and id."""


class OtherDigestError(Exception):
    """Somebody has made another version meanwhile."""


def make(
    connection: Connection,
    key: GatewayKey,
    sections: Mapping[str, str],
    *,
    note: str,
    by: str,
    at_ms: int,
    expected: str | None = None,
) -> tuple[Version, bool]:
    """The newest version afterwards, and whether it is a new one: what equals the newest is none, unless
    the gateway would not take that; then it is sent again under a new number.

    expected: the digest that whoever asks has seen; None: whatever there is. Raises UnknownGatewayError and
    OtherDigestError.
    """
    if not connection.scalar(
        select(func.count()).where(gateways.c.school == key[0], gateways.c.id == key[1])
    ):
        raise UnknownGatewayError
    newest, state = find(connection, key), find_state(connection, key)
    if expected is not None and expected != (newest.digest if newest else ""):
        raise OtherDigestError
    digest = digest_of(sections)
    if newest is not None and newest.digest == digest and not _needs_another_number(newest, state):
        return newest, False
    number = 1 + max(newest.version if newest else 0, _seen(state))
    note = "".join(filter(str.isprintable, note))[:NOTE_CHARS_MAX]
    made = Version(*key, number, digest, note, by, at_ms)
    packed = msgspec.msgpack.encode(dict(sections))
    connection.execute(insert(gateway_configurations), [{**made.__dict__, "sections": packed}])
    return made, True


def _needs_another_number(newest: Version, state: State | None) -> bool:
    """A gateway takes a version that it has refused, or one below what it has run, only as a new one."""
    return state is not None and (state.refused == newest.version or _seen(state) > newest.version)


def _seen(state: State | None) -> int:
    """The highest version that a gateway speaks of: more than there are here after a backup was restored."""
    return 0 if state is None else min(max(state.running, state.refused or 0), _NUMBER_BELIEVED_MAX)


def find(connection: Connection, key: GatewayKey, version: int | None = None) -> Version | None:
    """One version, the newest without a number."""
    query = _versions(key).limit(1)
    if version is not None:
        query = query.where(gateway_configurations.c.version == version)
    row = connection.execute(query).mappings().one_or_none()
    return Version(**row) if row else None


def history(connection: Connection, key: GatewayKey, before: int | None, limit: int) -> list[Version]:
    """Newest first; `before`: only lower versions."""
    query = _versions(key).limit(limit)
    if before is not None:
        query = query.where(gateway_configurations.c.version < before)
    return [Version(**row) for row in connection.execute(query).mappings()]


def newest(connection: Connection) -> dict[GatewayKey, Version]:
    """What every gateway should run, of those that have a version."""
    table = gateway_configurations.c
    last = (
        select(table.school, table.gateway, func.max(table.version).label("version"))
        .group_by(table.school, table.gateway)
        .subquery()
    )
    query = select(*(table[name] for name in _SHOWN)).join(
        last,
        (table.school == last.c.school)
        & (table.gateway == last.c.gateway)
        & (table.version == last.c.version),
    )
    found = (Version(**row) for row in connection.execute(query).mappings())
    return {one.key: one for one in found}


def sections(connection: Connection, key: GatewayKey, version: int) -> dict[str, str] | None:
    table = gateway_configurations.c
    query = select(table.sections).where(
        table.school == key[0], table.gateway == key[1], table.version == version
    )
    return _unpack(connection.scalar(query))


def sections_before(connection: Connection, key: GatewayKey, version: int) -> dict[str, str]:
    """Those of the version before this one; none before the first. Numbers may have gaps."""
    before = history(connection, key, version, 1)
    return (sections(connection, key, before[0].version) if before else None) or {}


def sections_of_digest(connection: Connection, key: GatewayKey, digest: str) -> dict[str, str] | None:
    """None where no version of this gateway has this digest."""
    table = gateway_configurations.c
    query = (
        select(table.sections)
        .where(table.school == key[0], table.gateway == key[1], table.digest == digest)
        .order_by(table.version.desc())
        .limit(1)
    )
    return _unpack(connection.scalar(query))


def states(connection: Connection) -> dict[GatewayKey, State]:
    """Of every gateway that ever said something about it."""
    found = (State(**row) for row in connection.execute(select(configuration_states)).mappings())
    return {one.key: one for one in found}


def find_state(connection: Connection, key: GatewayKey) -> State | None:
    row = connection.execute(select(configuration_states).where(_of(key))).mappings().one_or_none()
    return State(**row) if row else None


def save_states(connection: Connection, told: Iterable[State]) -> None:
    """Each in place of what the gateway said before."""
    rows: Sequence[State] = list(told)
    for one in rows:
        connection.execute(delete(configuration_states).where(_of(one.key)))
    if rows:
        connection.execute(insert(configuration_states), [one.__dict__ for one in rows])


def _versions(key: GatewayKey) -> Select[tuple[object, ...]]:
    table = gateway_configurations.c
    return (
        select(*(table[name] for name in _SHOWN))
        .where(table.school == key[0], table.gateway == key[1])
        .order_by(table.version.desc())
    )


def _of(key: GatewayKey) -> ColumnElement[bool]:
    return (configuration_states.c.school == key[0]) & (configuration_states.c.gateway == key[1])


def _unpack(data: bytes | None) -> dict[str, str] | None:
    return None if data is None else msgspec.msgpack.decode(data, type=dict[str, str])
