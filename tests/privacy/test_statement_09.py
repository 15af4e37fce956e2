"""9. No face image or template field exists in any schema."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import LargeBinary, MetaData, Table, Text

from collector.records.all_tables import metadata as collector_tables
from identity_vault.database.tables import metadata as vault_tables
from telemetry import batch, credential_map, exchange, names, resolve_token, status
from telemetry.quantities import QUANTITIES
from telemetry.records import RECORD_TYPES

PICTURE = re.compile(
    r"(?<![a-z])face|image|photo|picture|portrait|template|biometric|fingerprint|iris|video|audio|jpe?g|人脸|照片"
)
BYTES_ALLOWED = {
    # what travels as bytes, and what it is
    ("MapQuestion", "nonce"), ("MapQuestion", "reply_key"),
    ("DirectoryQuestion", "nonce"), ("DirectoryQuestion", "reply_key"),
    ("JoinQuestion", "nonce"), ("JoinQuestion", "reply_key"),
    ("KeyQuestion", "nonce"), ("KeyQuestion", "reply_key"), ("KeyQuestion", "public_key"),
    ("KeyQuestion", "held"),  # a signature
    ("OrderReport", "records"),  # msgpack of records, which have no picture either
    ("MapUpdate", "blinding_key"), ("MapUpdate", "credentials"), ("MapUpdate", "credentials_gone"),
    ("MapUpdate", "erased"),  # blinded pseudonyms
}  # fmt: skip


def structs() -> Iterator[type[msgspec.Struct]]:
    yield from (one.type for one in RECORD_TYPES.values())
    for module in (batch, credential_map, exchange, names, resolve_token, status):
        for thing in vars(module).values():
            if (
                isinstance(thing, type)
                and issubclass(thing, msgspec.Struct)
                and thing.__module__ == module.__name__
            ):
                yield thing


def fields() -> Iterator[tuple[str, str, Any]]:
    for struct in structs():
        for field in msgspec.structs.fields(struct):
            yield struct.__name__, field.name, field.type


def test_09_no_field_of_the_contract_is_a_picture() -> None:
    assert [(struct, name) for struct, name, _ in fields() if PICTURE.search(name.lower())] == []
    assert [name for name in QUANTITIES if PICTURE.search(name)] == []
    holding_bytes = {
        (struct, name)
        for struct, name, type_ in fields()
        if "bytes" in str(type_) and not struct.startswith("_")
    }
    assert holding_bytes == BYTES_ALLOWED


@pytest.mark.parametrize("metadata", [collector_tables, vault_tables], ids=["collector", "vault"])
def test_09_no_column_is_a_picture(metadata: MetaData) -> None:
    assert metadata.sorted_tables
    named = [f"{table.name}.{column.name}" for table in metadata.sorted_tables for column in table.columns]
    # SHA-256 of a gateway's certificate, not somebody's finger
    found = [name for name in named if PICTURE.search(name)]
    assert [name for name in found if name != "gateway_certificates.fingerprint"] == []


RECORD_TABLES = {
    "morning_checks", "access_events", "heart_rate_windows", "meal_records", "safety_events", "alerts",
}  # fmt: skip


def test_09_no_record_has_room_for_bytes_or_free_text() -> None:
    for row in RECORD_TYPES.values():
        kinds = {str(field.type) for field in msgspec.structs.fields(row.type)}
        assert not any("bytes" in kind for kind in kinds)
    tables: list[Table] = [collector_tables.tables[name] for name in sorted(RECORD_TABLES)]
    for table in tables:
        for column in table.columns:
            assert not isinstance(column.type, LargeBinary | Text), f"{table.name}.{column.name}"


def test_09_a_record_with_a_picture_is_refused() -> None:
    made = msgspec.msgpack.encode(
        {
            "type": "morning_check", "time_ms": 1, "device": "d", "place": "p", "site": "ear",
            "temperature_c": 36.5, "face_image": b"\xff\xd8\xff",
        }
    )  # fmt: skip
    with pytest.raises(msgspec.ValidationError, match="face_image"):
        msgspec.msgpack.decode(made, type=RECORD_TYPES["morning_check"].type)


def test_09_such_a_field_would_be_found() -> None:
    for name in ("face_image", "photo_url", "template", "人脸特征", "snapshot_jpg"):
        assert PICTURE.search(name)
