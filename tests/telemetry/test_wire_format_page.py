"""docs/wire-format.md stays true: its worked example is made by the code, its numbers are those of
the code, and every field it must explain stands in it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec
import pytest
import zstandard

from telemetry import (
    ack,
    batch,
    columns,
    configuration,
    credential_map,
    enrolment,
    envelope,
    exchange,
    names,
    packed,
    posting,
    resolve_token,
    status,
)  # fmt: skip
from telemetry.batch import Gap, Header, encode_body, encode_payload
from telemetry.quality import ClockQuality, Quality
from telemetry.readings import SeriesKey
from telemetry.records import RECORD_TYPES
from tests.telemetry.make_golden import BASE_MS, SIGNER

PAGE: Final = (Path(__file__).parents[2] / "docs" / "wire-format.md").read_text("utf-8")


def test_the_worked_example() -> None:
    header = Header(batch.FORMAT, "s", "g", "bulk", "5f", 42, BASE_MS, ClockQuality.SYNCED, "b", "p", 2, 0)
    column = (SeriesKey("temperature", "t1", "1/101"), [BASE_MS, BASE_MS + 10_000], [21.5, 21.43], [0, 0])
    packed = encode_body([column], [], BASE_MS)
    payload = encode_payload(header, packed)
    assert payload[:1].hex() == "92"
    head = SIGNER.wrap(envelope.Kind.BATCH, payload)[:12]
    body = zstandard.ZstdDecompressor().decompress(packed)
    made = head + b"\x92" + msgspec.msgpack.encode(header) + b"\xc4" + body
    # The page keeps the label in the first 16 columns, then hex in pairs.
    block = PAGE.split("### A tiny batch in hex")[1].split("```")[1]
    rows = re.findall(r"^.{16}((?:[0-9a-f]{2}(?: |$))+)", block, re.MULTILINE)
    assert bytes.fromhex("".join(rows)).hex(" ") == made.hex(" ")


def test_the_numbers() -> None:
    for number in (
        envelope.PAYLOAD_BYTES_MAX // 1024**2,
        packed.BODY_BYTES_MAX // 1024**2,
        packed.READINGS_MAX,
        batch.GAPS_MAX,
        batch.GENERATION_CHARS_MAX,
        ack.RANGES_MAX,
        posting.ENVELOPES_MAX,
        columns.DIGITS_MAX,
        credential_map.BLINDED_BYTES,
        configuration.SECTIONS_MAX,
        configuration.BYTES_MAX // 1024,
        configuration.REASON_CHARS_MAX,
        enrolment.NONCE_BYTES,
        enrolment.CODE_LIFE_MS // 60_000,
        enrolment.MESSAGE_BYTES_MAX // 1024,
    ):
        assert f"{number:,}" in PAGE
    versions = {
        ack.FORMAT,
        status.FORMAT,
        envelope.VERSION,
        resolve_token.FORMAT,
        posting.FORMAT,
        configuration.FORMAT,
        enrolment.FORMAT,
    }
    assert versions == {1}, "the page speaks of version 1"
    assert (batch.FORMAT, credential_map.FORMAT) == (2, 2), "but for batches and the map"


@pytest.mark.parametrize(
    "struct",
    [
        Header,
        Gap,
        ack.Ack,
        ack.Rejection,
        status.Status,
        posting.Pending,
        configuration.Offer,
        configuration.Running,
        enrolment.Question,
        enrolment.Sealed,
        enrolment.Answer,
        enrolment.Endpoint,
        enrolment.Rotation,
        credential_map.MapUpdate,
        credential_map.Person,
        credential_map.Permit,
        credential_map.Lesson,
        exchange.MapQuestion,
        exchange.DirectoryQuestion,
        exchange.JoinQuestion,
        exchange.KeyQuestion,
        exchange.OrderReport,
        exchange.Directory,
        exchange.ClassList,
        exchange.Order,
        exchange.JoinAnswer,
        exchange.Exposure,
        resolve_token.Claims,
        names.NamesQuestion,
        names.NamesAnswer,
        names.PupilName,
        names.BreakGlass,
        names.BreakGlassAnswer,
        *(one.type for one in RECORD_TYPES.values()),
    ],
)
def test_every_field_is_explained(struct: type[msgspec.Struct]) -> None:
    assert [name for name in struct.__struct_fields__ if f"`{name}`" not in PAGE] == []


def test_every_code_is_explained() -> None:
    for code in (*Quality, *ClockQuality):
        assert f"{int(code)} `{code.name.lower()}`" in PAGE
    for table in configuration.REMOTE_TABLES:
        assert f"`{table}`" in PAGE
    for path in (enrolment.ENROL_PATH, enrolment.ROTATE_PATH):
        assert path in PAGE
    for kind in envelope.Kind:
        assert f"{int(kind)} {kind.name.lower().replace('_', ' ')}" in PAGE
