"""The copy of everything about a pupil that a guardian may have: as JSON, and as a page to read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from identity_vault import audit, roster
from identity_vault.rights import orders, receipts, wording
from identity_vault.vault import Vault
from telemetry.decoding import DECODING_ERRORS
from telemetry.purposes import Purpose
from telemetry.records import RECORD_TYPES

AUDIT_ROWS_MAX: Final = 5_000
AGAIN_MS: Final = 60 * 60_000
"""An export younger than this is shown again instead of asking the collector once more."""
JSON_NAME: Final = "data.json"
PAGE_NAME: Final = "index.html"


class GuardianCopy(msgspec.Struct, frozen=True):
    """phone: whole for whoever gets the copy, else its last digits."""

    name: str
    relation: str
    phone: str


class CredentialCopy(msgspec.Struct, frozen=True):
    """masked: the last digits only, for a whole number opens doors."""

    kind: str
    masked: str
    since_ms: int
    until_ms: int | None


class ConsentCopy(msgspec.Struct, frozen=True):
    purpose: Purpose
    given_by: str
    given_ms: int
    until_ms: int | None
    withdrawn_ms: int | None
    evidence: str


class LookCopy(msgspec.Struct, frozen=True):
    """One row of the audit. by, role: what kind of actor, not which person. emergency: by break-glass."""

    at_ms: int
    by: str
    action: str
    purpose: str | None
    role: str = ""
    emergency: bool = False


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """Everything. Times are ms UTC. records: by type, None while the collector has not answered;
    records_ms: when it did. records_unreadable: it answered with what nobody can read.
    """

    school: str
    made_ms: int
    receipt: str
    pupil: roster.PupilDetails
    class_zh: str
    class_en: str
    guardians: list[GuardianCopy]
    credentials: list[CredentialCopy]
    consents: list[ConsentCopy]
    corrections_waiting: int
    receipts: list[receipts.Receipt]
    looks: list[LookCopy]
    records: dict[str, list[dict[str, Any]]] | None = None
    records_ms: int | None = None
    records_unreadable: bool = False


def begin(vault: Vault, connection: Connection, actor: str, pupil_id: str) -> tuple[str, str]:
    """Asks the collector for its records, unless it was asked just now; order and receipt.

    Raises orders.OrdersFullError.
    """
    now_ms, last = vault.now_ms(), orders.export_of(connection, pupil_id)
    if last is not None and now_ms - last[2] < AGAIN_MS:
        return last[0], last[1]
    code = receipts.add(connection, "export", pupil_id, now_ms, receipts.Detail())
    order = orders.make_export(vault, connection, pupil_id, code)
    audit.record(vault, connection, actor=actor, action="export", pupil=pupil_id, receipt=code)
    return order, code


def collect(
    vault: Vault, connection: Connection, pupil_id: str, order: str, receipt: str, guardian: str | None = None
) -> Copy:
    """The copy as of now; guardian: who gets it. The pupil must exist. Raises FieldError."""
    pupil = roster.get_pupil(vault, connection, pupil_id)
    assert pupil is not None, "an export goes with its pupil"
    zh, en = roster.class_names(connection).get(pupil.class_id, (pupil.class_id, pupil.class_id))
    answer = orders.answer(vault, connection, order)
    records = None if answer.records is None else _read_records(answer.records)
    found = receipts.of_pupil(connection, pupil_id)
    return Copy(
        school=vault.school,
        made_ms=vault.now_ms(),
        receipt=receipt,
        pupil=pupil.details,
        class_zh=zh,
        class_en=en,
        guardians=[
            GuardianCopy(
                one.details.name,
                one.details.relation,
                one.details.phone if one.id == guardian else mask(one.details.phone),
            )
            for one in roster.guardians_of(vault, connection, [pupil_id])
        ],
        credentials=[
            CredentialCopy(one.kind, mask(one.value), one.since_ms, one.until_ms)
            for one in roster.credentials_of(vault, connection, [pupil_id])
        ],
        consents=[
            ConsentCopy(
                one.purpose,
                one.given_by,
                one.given_ms,
                one.until_ms,
                one.withdrawn_ms,
                roster.evidence_of(vault, connection, one.id),
            )
            for one in roster.consents_of(connection, [pupil_id])
        ],
        corrections_waiting=sum(one.detail.state == "asked" for one in found),
        receipts=found,
        looks=looks(connection, pupil_id, AUDIT_ROWS_MAX),
        records=records,
        records_ms=answer.done_ms,
        records_unreadable=answer.records is not None and records is None,
    )


def looks(connection: Connection, pupil_id: str, rows_max: int) -> list[LookCopy]:
    """Who has done what with a pupil's data, the newest first."""
    rows = audit.find(connection, pupil=pupil_id, limit=rows_max)
    return [_look(row) for row in reversed(rows)]


def _look(row: audit.AuditRow) -> LookCopy:
    detail = msgspec.json.decode(row.detail, type=dict[str, Any])
    role = str(detail.get("role", ""))
    return LookCopy(row.at_ms, _kind(row.actor), row.action, row.purpose, role, "grant" in detail)


def _kind(actor: str) -> str:
    kind = actor.partition(":")[0]
    return kind if kind in wording.ACTOR_NAMES else "staff"


def as_json(copy: Copy) -> bytes:
    return msgspec.json.format(msgspec.json.encode(copy), indent=1)


def as_zip(files: Sequence[tuple[str, bytes]]) -> bytes:
    """Name and content of each file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return buffer.getvalue()


def mask(text: str) -> str:
    """The last four characters, or fewer of a short text; the rest as one sign."""
    return f"***{text[-min(4, len(text) // 2) :]}" if len(text) > 1 else text and "***"


def _read_records(data: bytes) -> dict[str, list[dict[str, Any]]] | None:
    """Records by type without their pseudonyms, which mean nothing outside; None for rubbish."""
    try:
        found = msgspec.msgpack.decode(data, type=dict[str, list[dict[str, Any]]]) if data else {}
        # The page and the JSON show plain values; anything else is not a record.
        return {
            name: [{key: value for key, value in one.items() if key not in {"pseudonym", "type"}} for one in rows]
            for name, rows in found.items()
            if name in RECORD_TYPES and msgspec.json.encode(rows)
        }  # fmt: skip
    except (TypeError, ValueError, *DECODING_ERRORS):
        return None
