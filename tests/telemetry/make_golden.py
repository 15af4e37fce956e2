"""The golden files of the wire format: what they are made of and how they are read.

Run by hand to write them anew, which is right only together with a new format version:
``python tests/telemetry/make_golden.py`` from the top of the repository.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from telemetry import ack as ack_format
from telemetry import batch as batch_format
from telemetry import configuration as configuration_format
from telemetry import enrolment
from telemetry import posting as posting_format
from telemetry import status as status_format
from telemetry.ack import Ack, Rejection, decode_ack, encode_ack
from telemetry.batch import Gap, Header, decode_body, decode_payload, encode_payload
from telemetry.batch_builder import BatchBuilder
from telemetry.configuration import Offer, Running, decode_offer, difference, digest, encode_offer
from telemetry.credential_map import (
    FORMAT as MAP_FORMAT,
)
from telemetry.credential_map import (
    Lesson,
    MapUpdate,
    Permit,
    Person,
    blind,
    blind_pseudonym,
    decode_update,
    encode_update,
)
from telemetry.enrolment import Answer, Endpoint, Question, Rotation, Sealed
from telemetry.envelope import Kind, Signer, open_envelope, verify
from telemetry.exchange import MapQuestion, read_question, wrap_question
from telemetry.posting import Pending, decode_pending, encode_pending, pack, unpack
from telemetry.quality import ClockQuality, Quality
from telemetry.readings import Chunk, SeriesKey, SeriesTable
from telemetry.records import AccessEvent, HeartRateWindow, MealRecord, MorningCheck, Record, SafetyEvent
from telemetry.status import Status, decode_status, encode_status

FOLDER: Final = Path(__file__).parent / "golden"
SIGNER: Final = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
"""A key for tests that everybody knows."""
NEW_KEY: Final = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
BASE_MS: Final = 1_767_225_600_000
"""2026-01-01T00:00:00Z."""
SCHOOL: Final = "example-primary"


def bulk() -> bytes:
    """Decimals, integers, a bool, a series that only doubles can hold, late times, all qualities."""
    table, chunk = SeriesTable(), Chunk()
    rows: dict[SeriesKey, list[tuple[int, float, Quality]]] = {
        SeriesKey("temperature", "sensor-1", "1/101", "example-thermometer"): [
            (0, 21.5, Quality.GOOD),
            (10_000, 21.43, Quality.GOOD),
            (20_000, -40.01, Quality.OUT_OF_RANGE),
        ],
        SeriesKey("co2", "sensor-1", "1/101"): [(5, 612.0, Quality.UNCERTAIN), (10_005, 615.0, Quality.GOOD)],
        SeriesKey("open", "窗-1", "1/101"): [(-3_600_000, 1.0, Quality.STALE)],
        SeriesKey("energy", "meter", "1/hall"): [
            (0, 1 / 3, Quality.GOOD),
            (1, -0.0, Quality.GOOD),
            (2, 1.7976931348623157e308, Quality.GOOD),
        ],
    }
    for key, points in rows.items():
        for offset_ms, value, quality in points:
            chunk.append(table.index(key), BASE_MS + offset_ms, value, quality)
    builder = BatchBuilder(table)
    builder.add(chunk)
    header = Header(
        batch_format.FORMAT, SCHOOL, "gw-1", "bulk", "5f3a", 42, BASE_MS,
        ClockQuality.SYNCED, "b00c1e", "policy-7", len(chunk), 0,
    )  # fmt: skip
    return SIGNER.wrap(Kind.BATCH, encode_payload(header, builder.close(BASE_MS)))


def urgent() -> bytes:
    """Two checks, one of an unknown card; late, from a corrected clock, with gaps."""
    builder = BatchBuilder(SeriesTable())
    builder.add_record(
        MorningCheck(
            BASE_MS + 1,
            "station-1",
            "1/hall",
            "forehead",
            38.2,
            21.0,
            ("cough", "rash"),
            "p-0a1b",
            "2026-1-3",
        )
    )
    builder.add_record(MorningCheck(BASE_MS + 2, "station-1", "1/hall", "axillary", 36.6))
    header = Header(
        batch_format.FORMAT, SCHOOL, "gw-1", "urgent", "5f3a", 1, BASE_MS, ClockQuality.CORRECTED,
        "b00c1e", "policy-7", 0, 2, late=True,
        gaps=(Gap("bulk", "5f3a", 3, 5, "dropped", 1_200), Gap("bulk", "41cc", 9, 9, "damaged", -1)),
    )  # fmt: skip
    return SIGNER.wrap(Kind.BATCH, encode_payload(header, builder.close(BASE_MS)))


def ack() -> bytes:
    found = Ack(
        ack_format.FORMAT, SCHOOL, "gw-1", "bulk", "5f3a",
        received=((1, 41), (44, 44)), stored=((1, 40),), rejected=(Rejection(43, "unknown_quantity"),),
    )  # fmt: skip
    return SIGNER.wrap(Kind.ACK, encode_ack(found))


def status() -> bytes:
    found = Status(
        status_format.FORMAT, SCHOOL, "gw-1", BASE_MS, ClockQuality.HOLDOVER, "0.1.0", BASE_MS - 60_000,
        3, 4_096, None, 1_000, 990, {"not_a_number": 2},
        Running(7, "c0" * 32, 8, "modbus/hall: devices[2].unit: device hall-2: hall-1 has unit 1 already"),
    )  # fmt: skip
    return SIGNER.wrap(Kind.STATUS, encode_status(found))


def records() -> bytes:
    """One of each record type besides the morning check, with and without what may be missing."""
    pseudonym, class_id = "7K3M9PXA7K3M9PXA7K3M9PXA7K", "3-2"
    rows: list[Record] = [
        AccessEvent(BASE_MS + 1, "reader-1", "1/gate", 2, pseudonym, class_id),
        AccessEvent(BASE_MS + 2, "reader-1", "1/gate"),
        HeartRateWindow(BASE_MS + 3, "1", 142.5, 131.0, 158.0, 15, 1.0, 3.0, pseudonym, class_id),
        HeartRateWindow(BASE_MS + 4, "1", 99.0, 99.0, 99.0, 1),
        MealRecord(BASE_MS + 5, "counter-1", "1/canteen", "lunch", 412.5, pseudonym, class_id),
        MealRecord(BASE_MS + 6, "counter-1", "1/canteen", "other"),
        SafetyEvent(BASE_MS + 7, "1/101", "smoke", "smoke-1"),
        SafetyEvent(BASE_MS + 8, "1/yard", "panic", None, pseudonym, class_id),
    ]
    builder = BatchBuilder(SeriesTable())
    for row in rows:
        builder.add_record(row)
    header = Header(
        batch_format.FORMAT, SCHOOL, "gw-1", "urgent", "5f3a", 2, BASE_MS, ClockQuality.SYNCED,
        "b00c1e", "policy-7", 0, len(rows),
    )  # fmt: skip
    return SIGNER.wrap(Kind.BATCH, encode_payload(header, builder.close(BASE_MS)))


def credential_map() -> bytes:
    key = b"k" * 32
    return encode_update(
        MapUpdate(
            format=MAP_FORMAT,
            school=SCHOOL,
            gateway="gw-1",
            version=9,
            base=7,
            issued_ms=BASE_MS,
            epoch="2026-27",
            blinding_key=key,
            people=[
                Person(3, "3-2", {"health": Permit("7K3M9PXA7K3M9PXA7K3M9PXA7K", BASE_MS + 1)}, 201.7),
                Person(4, "3-1", {}),
            ],
            people_gone=[2],
            credentials={blind(key, "04A1B2C3"): 3, blind(key, "band:C10000302001"): 4},
            credentials_gone=[blind(key, "04A1B2C4")],
            lessons={"3-2": [Lesson(BASE_MS, BASE_MS + 2_400_000, "pe", "sport/gym")]},
            school_days=[(BASE_MS, BASE_MS + 36_000_000)],
            erased=[blind_pseudonym(key, "0000000000000000000000000Z")],
        )
    )


def question() -> bytes:
    return wrap_question(MapQuestion(SCHOOL, "gw-1", bytes(16), bytes(range(32)), 7), SIGNER)


def pending() -> bytes:
    found = Pending(posting_format.FORMAT, SCHOOL, "gw-1", "urgent", "5f3a", ((7, 9), (12, 12)))
    return SIGNER.wrap(Kind.PENDING, encode_pending(found))


def offer() -> bytes:
    """From one version to the next: a section changed, one added, one gone."""
    before = {"batch": '{"interval_s":2.0}', "modbus/hall": '{"name":"hall"}', "silence": "{}"}
    after = {"batch": '{"interval_s":10.0}', "modbus/hall": '{"name":"hall"}', "report": '[{"mode":"every"}]'}
    changed, removed = difference(before, after)
    found = Offer(
        configuration_format.FORMAT, SCHOOL, "gw-1", 8, BASE_MS, digest(before), changed, removed, digest(after)
    )  # fmt: skip
    return SIGNER.wrap(Kind.CONFIGURATION, encode_offer(found))


CODE_KEY: Final = bytes(range(32, 64))
FINGERPRINT: Final = bytes(range(64, 96))


def enrolment_question() -> bytes:
    found = Question(enrolment.FORMAT, bytes(16), bytes(range(32)), b"request", "0.1.0")
    proof = enrolment.question_proof(CODE_KEY, found, FINGERPRINT)
    return enrolment.encode(msgspec.structs.replace(found, proof=proof))


def _enrolment_answer() -> bytes:
    found = Answer(
        enrolment.FORMAT, bytes(16), SCHOOL, "gw-1", "Asia/Shanghai", "collector's key", "authority", "certificate",
        BASE_MS + 1, Endpoint("mqtt.example", 8_883, f"{SCHOOL}/gw-1"), "https://pulse.example:8421", None, None,
    )  # fmt: skip
    return enrolment.encode(found)


def enrolment_answer() -> bytes:
    answer = _enrolment_answer()
    return enrolment.encode(Sealed(answer, enrolment.answer_proof(CODE_KEY, answer)))


def rotation() -> bytes:
    found = Rotation(enrolment.FORMAT, bytes(16), SCHOOL, "gw-1", BASE_MS, bytes(range(32)), b"request")
    held = NEW_KEY.sign(enrolment.rotation_claim(found))
    return SIGNER.wrap(Kind.ROTATION, enrolment.encode(msgspec.structs.replace(found, held=held)))


def rotated() -> bytes:
    return SIGNER.wrap(Kind.ROTATED, _enrolment_answer())


def post() -> bytes:
    return pack([status(), pending(), bulk()])


FILES: Final = {
    "bulk": bulk,
    "urgent": urgent,
    "ack": ack,
    "status": status,
    "records": records,
    "credential_map": credential_map,
    "question": question,
    "pending": pending,
    "post": post,
    "offer": offer,
    "enrolment_question": enrolment_question,
    "enrolment_answer": enrolment_answer,
    "rotation": rotation,
    "rotated": rotated,
}
EARLIER: Final = (
    "status_of_0.1",
    "bulk_of_format_1",
    "urgent_of_format_1",
    "records_of_format_1",
    "post_of_format_1",
)
"""Written by programs before a field was added or a format raised; read for as long as such programs are in
the field.
"""


def _unseal(data: bytes) -> dict[str, Any]:
    sealed = enrolment.decode(data, Sealed)
    return {"answer": enrolment.decode(sealed.answer, Answer), "proof": sealed.proof}


_BARE: Final[dict[str, Callable[[bytes], Any]]] = {
    "credential_map": decode_update,
    "enrolment_question": lambda data: enrolment.decode(data, Question),
    "enrolment_answer": _unseal,
}
"""What travels in no envelope of its own."""


def describe(name: str, data: bytes) -> Any:
    """What a file decodes to, by the project's decoders, as JSON can say it."""
    if name in _BARE:
        return as_json(_BARE[name](data))
    if name.startswith("post"):
        return [describe("", one) for one in unpack(data)]
    envelope = open_envelope(data)
    if envelope.kind is Kind.VAULT_QUESTION:
        return as_json(read_question(envelope, SIGNER.public_key))
    payload = verify(envelope, SIGNER.public_key)
    found: dict[str, Any] = {"kind": envelope.kind.name, "key_id": envelope.key_id.hex()}
    decoders: dict[Kind, Any] = {
        Kind.ACK: decode_ack,
        Kind.STATUS: decode_status,
        Kind.PENDING: decode_pending,
        Kind.CONFIGURATION: decode_offer,
        Kind.ROTATION: lambda data: enrolment.decode(data, Rotation),
        Kind.ROTATED: lambda data: enrolment.decode(data, Answer),
    }
    if envelope.kind in decoders:
        return found | as_json(decoders[envelope.kind](payload))
    header, packed = decode_payload(payload)
    body = decode_body(header, packed)
    readings = [
        {**reading.series._asdict(), "time_ms": reading.time_ms, "value": reading.value.hex(),
         "shown": repr(reading.value), "quality": reading.quality.name}
        for reading in body.readings()
    ]  # fmt: skip
    return found | {"header": as_json(header), "readings": readings, "records": as_json(body.records)}


def as_json(value: Any) -> Any:
    """Structs with the names of their fields, bytes as hex."""
    if isinstance(value, msgspec.Struct):
        return {name: as_json(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, dict):
        return {key.hex() if isinstance(key, bytes) else key: as_json(one) for key, one in value.items()}
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | tuple):
        return [as_json(one) for one in value]
    return int(value) if isinstance(value, int) and not isinstance(value, bool) else value


def unpacked(data: bytes) -> bytes:
    """The bytes without what a version of zstd decides: a batch's body laid open, and its signature
    (which covers the packed body) left out. Everything else unchanged.
    """
    if data[:2] == b"\0\0":
        return b"".join(map(unpacked, unpack(data)))
    if data[:4] != b"CP\x01\x01":
        return data
    envelope = open_envelope(data)
    header, body = msgspec.msgpack.decode(envelope.payload)
    opened = [header, zstandard.ZstdDecompressor().decompress(body)]
    return envelope.signed[: -len(envelope.payload)] + msgspec.msgpack.encode(opened)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, make in FILES.items():
        data = make()
        (FOLDER / f"{name}.bin").write_bytes(data)
        text = json.dumps(describe(name, data), ensure_ascii=False, indent=1)
        (FOLDER / f"{name}.json").write_text(text + "\n", "utf-8")
    sys.stdout.write(f"wrote {len(FILES)} golden files to {FOLDER.name}/; review the difference\n")


if __name__ == "__main__":
    main()
