"""Pupils, their classes, credentials and guardians in the vault's database.

Functions work in the caller's transaction and audit nothing: who changes something says so.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, Literal, TypeVar

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from identity_vault.database import tables
from identity_vault.fields import FieldError
from identity_vault.vault import Vault

CredentialKind = Literal["card", "band", "station"]
Sex = Literal["male", "female"]
PupilState = Literal["active", "left"]
Made = TypeVar("Made")


class PupilDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What names a pupil. birth_date: ISO 8601. allergens: codes of GB 7718's groups."""

    name: str
    student_number: str
    birth_date: str
    sex: Sex | None = None
    dormitory: str = ""
    allergens: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "PupilDetails(…)"


class Pupil(msgspec.Struct, frozen=True):
    """A pupil as the database has them."""

    id: str
    slot: int
    class_id: str
    state: PupilState
    details: PupilDetails


class GuardianDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What names a guardian. relation: as people say it, 母亲 or mother."""

    name: str
    phone: str = ""
    relation: str = ""

    def __repr__(self) -> str:
        return "GuardianDetails(…)"


class Guardian(msgspec.Struct, frozen=True):
    """A guardian of one pupil."""

    id: str
    pupil: str
    details: GuardianDetails


class Credential(msgspec.Struct, frozen=True):
    """A card, band or station's number of a pupil, normalised (`telemetry.credential_map`)."""

    id: int
    pupil: str
    kind: CredentialKind
    value: str
    since_ms: int
    until_ms: int | None

    def __repr__(self) -> str:
        return f"Credential(id={self.id}, kind={self.kind!r}, …)"


class TakenError(ValueError):
    """A student number or credential that somebody else has; the message does not repeat it."""


_ID_BYTES: Final = tables.ID_CHARS // 2


def new_id() -> str:
    return secrets.token_hex(_ID_BYTES)


def bump(connection: Connection) -> int:
    """Raises the version of everybody's map: to be called with every change that gateways must learn."""
    row = tables.meta.c.key == "map_version"
    version = int(connection.execute(select(tables.meta.c.value).where(row)).scalar_one()) + 1
    connection.execute(update(tables.meta).where(row).values(value=str(version)))
    return version


def map_version(connection: Connection) -> int:
    return int(
        connection.execute(select(tables.meta.c.value).where(tables.meta.c.key == "map_version")).scalar_one()
    )


def put_class(connection: Connection, class_id: str, zh: str, en: str, room: str = "") -> None:
    """Adds a class, or renames it; an empty room leaves the one there is."""
    row = tables.classes.c.id == class_id
    values: dict[str, Any] = {"zh": zh, "en": en} | ({"room": room} if room else {})
    if not connection.execute(update(tables.classes).where(row).values(**values)).rowcount:
        connection.execute(insert(tables.classes).values(id=class_id, zh=zh, en=en, room=room))


def class_names(connection: Connection) -> dict[str, tuple[str, str]]:
    """Chinese and English name of each class."""
    rows = connection.execute(select(tables.classes.c.id, tables.classes.c.zh, tables.classes.c.en))
    return {id_: (zh, en) for id_, zh, en in rows}


def add_pupil(vault: Vault, connection: Connection, class_id: str, details: PupilDetails) -> str:
    """The new pupil's id; the class must exist. Raises TakenError for a student number that is taken."""
    index = vault.fields.index("number", details.student_number)
    table = tables.pupils
    if connection.scalar(select(table.c.id).where(table.c.number_index == index)) is not None:
        raise TakenError("another pupil has this student number")
    id_ = new_id()
    # One row keeps the highest slot ever given, so that a deleted pupil's is not used again.
    slot = _next_slot(connection)
    connection.execute(
        insert(table).values(
            id=id_,
            slot=slot,
            class_id=class_id,
            state="active",
            number_index=index,
            sealed=vault.fields.seal(details, f"pupils.sealed/{id_}"),
        )
    )
    return id_


def _next_slot(connection: Connection) -> int:
    row = tables.meta.c.key == "slot"
    found = connection.scalar(select(tables.meta.c.value).where(row))
    slot = int(found or 0) + 1
    if found is None:
        connection.execute(insert(tables.meta).values(key="slot", value=str(slot)))
    else:
        connection.execute(update(tables.meta).where(row).values(value=str(slot)))
    return slot


def change_pupil(
    vault: Vault,
    connection: Connection,
    pupil_id: str,
    *,
    details: PupilDetails | None = None,
    class_id: str | None = None,
    state: PupilState | None = None,
) -> None:
    """Replaces what is given. Raises TakenError for a student number that is taken."""
    values: dict[str, Any] = {}
    if details is not None:
        index = vault.fields.index("number", details.student_number)
        owner = connection.scalar(select(tables.pupils.c.id).where(tables.pupils.c.number_index == index))
        if owner not in {None, pupil_id}:
            raise TakenError("another pupil has this student number")
        values |= {
            "number_index": index,
            "sealed": vault.fields.seal(details, f"pupils.sealed/{pupil_id}"),
        }
    if class_id is not None:
        values["class_id"] = class_id
    if state is not None:
        values["state"] = state
    if values:
        connection.execute(update(tables.pupils).where(tables.pupils.c.id == pupil_id).values(**values))


def remove_pupil(connection: Connection, pupil_id: str) -> None:
    """Deletes a pupil with credentials, guardians, consents, corrections, links and kept cases."""
    connection.execute(delete(tables.pupils).where(tables.pupils.c.id == pupil_id))


def find_pupil(vault: Vault, connection: Connection, student_number: str) -> Pupil | None:
    """By student number, whatever their state."""
    index = vault.fields.index("number", student_number)
    return _first(vault, connection, tables.pupils.c.number_index == index)


def find_pupil_id(vault: Vault, connection: Connection, student_number: str) -> str | None:
    """The same without opening the row: also of one that is damaged."""
    index = vault.fields.index("number", student_number)
    return connection.scalar(select(tables.pupils.c.id).where(tables.pupils.c.number_index == index))


def get_pupil(vault: Vault, connection: Connection, pupil_id: str) -> Pupil | None:
    return _first(vault, connection, tables.pupils.c.id == pupil_id)


def all_pupils(vault: Vault, connection: Connection, damaged: list[FieldError] | None = None) -> list[Pupil]:
    """Every pupil, by slot. Raises FieldError; with a list `damaged`, rows that do not open are left out
    and told there.
    """
    rows = connection.execute(select(tables.pupils).order_by(tables.pupils.c.slot)).mappings()
    return list(_sound(lambda row: _pupil(vault, row), rows, damaged))


def _sound(
    make: Callable[[Any], Made], rows: Iterable[Any], damaged: list[FieldError] | None
) -> Iterator[Made]:
    for row in rows:
        try:
            yield make(row)
        except FieldError as error:
            if damaged is None:
                raise
            damaged.append(error)


def count_pupils(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(tables.pupils)) or 0


def _first(vault: Vault, connection: Connection, condition: Any) -> Pupil | None:
    row = connection.execute(select(tables.pupils).where(condition)).mappings().first()
    return None if row is None else _pupil(vault, row)


def _pupil(vault: Vault, row: Any) -> Pupil:
    details = vault.fields.open(row["sealed"], f"pupils.sealed/{row['id']}", PupilDetails)
    return Pupil(row["id"], row["slot"], row["class_id"], row["state"], details)


def add_guardian(vault: Vault, connection: Connection, pupil_id: str, details: GuardianDetails) -> str:
    """The new guardian's id."""
    id_ = new_id()
    connection.execute(
        insert(tables.guardians).values(
            id=id_,
            pupil=pupil_id,
            phone_index=vault.fields.index("phone", details.phone) if details.phone else None,
            sealed=vault.fields.seal(details, f"guardians.sealed/{id_}"),
        )
    )
    return id_


def change_guardian(vault: Vault, connection: Connection, guardian_id: str, details: GuardianDetails) -> None:
    connection.execute(
        update(tables.guardians)
        .where(tables.guardians.c.id == guardian_id)
        .values(
            phone_index=vault.fields.index("phone", details.phone) if details.phone else None,
            sealed=vault.fields.seal(details, f"guardians.sealed/{guardian_id}"),
        )
    )


def guardians_of(
    vault: Vault, connection: Connection, pupil_ids: Sequence[str] | None = None
) -> list[Guardian]:
    """Guardians of these pupils, of all for None. Raises FieldError."""
    query = select(tables.guardians)
    if pupil_ids is not None:
        query = query.where(tables.guardians.c.pupil.in_(pupil_ids))
    return [
        Guardian(
            row["id"],
            row["pupil"],
            vault.fields.open(row["sealed"], f"guardians.sealed/{row['id']}", GuardianDetails),
        )
        for row in connection.execute(query).mappings()
    ]


def add_credential(
    vault: Vault, connection: Connection, pupil_id: str, kind: CredentialKind, value: str, since_ms: int
) -> None:
    """value: normalised. Adding what the pupil has already changes nothing, but makes it valid again.

    Raises TakenError for another pupil's.
    """
    table = tables.credentials
    index = vault.fields.index("credential", f"{kind}:{value}")
    found = connection.execute(select(table.c.id, table.c.pupil).where(table.c.index == index)).first()
    if found is not None:
        if found.pupil != pupil_id:
            raise TakenError("another pupil has this card, band or station's number")
        connection.execute(update(table).where(table.c.id == found.id).values(until_ms=None))
        return
    connection.execute(
        insert(table).values(
            pupil=pupil_id,
            kind=kind,
            index=index,
            sealed=vault.fields.seal(value, f"credentials.sealed/{pupil_id}"),
            since_ms=since_ms,
        )
    )


def end_credentials(connection: Connection, credential_ids: Iterable[int], until_ms: int) -> None:
    """From then on they lead to nobody."""
    connection.execute(
        update(tables.credentials)
        .where(tables.credentials.c.id.in_(list(credential_ids)))
        .values(until_ms=until_ms)
    )


def credentials_of(
    vault: Vault,
    connection: Connection,
    pupil_ids: Sequence[str] | None = None,
    damaged: list[FieldError] | None = None,
) -> list[Credential]:
    """Credentials of these pupils, of all for None. Raises FieldError, or tells `damaged` as `all_pupils`."""
    query = select(tables.credentials).order_by(tables.credentials.c.id)
    if pupil_ids is not None:
        query = query.where(tables.credentials.c.pupil.in_(pupil_ids))
    rows = connection.execute(query).mappings()
    return list(_sound(lambda row: _credential(vault, row), rows, damaged))


def _credential(vault: Vault, row: Any) -> Credential:
    value = vault.fields.open(row["sealed"], f"credentials.sealed/{row['pupil']}", str)
    return Credential(row["id"], row["pupil"], row["kind"], value, row["since_ms"], row["until_ms"])
