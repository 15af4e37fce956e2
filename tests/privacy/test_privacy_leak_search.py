"""The search can find: everybody, in every form, wherever it stands, and nobody where nobody is."""

from __future__ import annotations

import gzip
import json
import random
import sqlite3
from pathlib import Path

import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from simulators.larger_school import plan_of
from simulators.roster import roster
from simulators.school import School
from telemetry.batch import FORMAT, Header, encode_body, encode_payload
from telemetry.envelope import Kind, Signer
from telemetry.quality import ClockQuality
from telemetry.records import MorningCheck
from tests.privacy.forms import forms_of
from tests.privacy.leak_search import Leak, LeakSearch
from tests.privacy.unpacking import Source, sqlite_rows

ENTRIES = roster(School(7, plan_of(120)))
NOW_MS = 1_790_000_000_000


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> LeakSearch:
    return LeakSearch(ENTRIES, tmp_path_factory.mktemp("patterns"))


def test_every_form_of_everybody_is_found(search: LeakSearch) -> None:
    """Each between bytes that are no letters; who is found may be another with the same name."""
    forms = {
        f"{entry.pupil.number} {form.name} {at}": form
        for entry in ENTRIES
        for at, form in enumerate(forms_of(entry))
    }
    leaks = search.find(Source(name, b"\x01<" + form.data + b">\x02") for name, form in forms.items())
    assert {leak.source for leak in leaks} == set(forms)


def test_a_phone_is_found_in_each_way_of_writing(search: LeakSearch) -> None:
    phone = ENTRIES[5].guardians[0].phone
    for text in (phone, f"+86{phone}", f"tel:+86 {phone}", f"{phone[:3]} {phone[3:7]} {phone[7:]}"):
        assert [leak.pupil for leak in search.find([Source("log", f"call {text}.".encode())])] == [5], text


def test_a_card_is_found_in_each_notation(search: LeakSearch) -> None:
    uid = bytes.fromhex(ENTRIES[4].cards[0])
    for data in (
        uid,
        uid[::-1],
        uid.hex(":").encode(),
        uid.hex("-").upper().encode(),
        uid.hex().encode(),
        b"card=%010d" % int.from_bytes(uid[-4:]),
        b"%d,%05d" % (uid[-3], int.from_bytes(uid[-2:])),
        uid[-5:],
    ):
        assert 4 in {leak.pupil for leak in search.find([Source("frame", b"\x02" + data + b"\x03")])}, len(
            data
        )


def test_no_report_names_anybody(search: LeakSearch) -> None:
    entry = ENTRIES[0]
    (leak,) = search.find([Source("log", entry.name.encode())])
    assert leak == Leak("log", 0, "name, utf-8")
    assert entry.name not in repr(search)


def test_what_is_packed_is_unpacked_first(search: LeakSearch) -> None:
    uid = bytes.fromhex(ENTRIES[9].cards[0])
    twice = zstandard.compress(b"x" * 50 + gzip.compress(b"\xc4\x07" + uid + b"\0" * 40))
    assert uid not in twice
    leaks = search.find([Source("message", b"head" + twice)])
    assert {leak.pupil for leak in leaks} == {9}
    assert "message > zstd > gzip" in {leak.source for leak in leaks}


def test_a_card_in_a_place_is_found_in_the_batch_and_in_the_database(
    search: LeakSearch, tmp_path: Path
) -> None:
    place = f"gate/{ENTRIES[3].cards[0].lower()}"
    check = MorningCheck(NOW_MS, "station", place, "forehead", 36.5)
    body = encode_body([], [check] * 30, NOW_MS)
    header = Header(FORMAT, "s", "g", "urgent", "g1", 1, NOW_MS, ClockQuality.SYNCED, "b", "p", 0, 30)
    payload = Signer(Ed25519PrivateKey.generate()).wrap(Kind.BATCH, encode_payload(header, body))
    assert {leak.pupil for leak in search.find([Source("wire", payload)])} == {3}
    file = tmp_path / "records.db"
    with sqlite3.connect(file) as connection:
        connection.execute("create table checks (place text, packed blob)")
        connection.execute(
            "insert into checks values (?, ?)", ("gate/entrance", gzip.compress(place.encode()))
        )
    connection.close()
    assert {leak.pupil for leak in search.find(sqlite_rows(file))} == {3}


@pytest.mark.parametrize("ensure_ascii", [False, True])
def test_a_name_in_a_log_is_found(search: LeakSearch, *, ensure_ascii: bool) -> None:
    entry = ENTRIES[11]
    lines = [{"event": "gateway running"}, {"event": "check", "who": entry.guardians[0].name}]
    log = "\n".join(json.dumps(line, ensure_ascii=ensure_ascii) for line in lines)
    assert 11 in {leak.pupil for leak in search.find([Source("gateway.log", log.encode())])}


def test_a_card_as_raw_bytes_in_a_packed_batch_is_found(search: LeakSearch) -> None:
    """Also where the body is none that anybody could decode."""
    uid = bytes.fromhex(ENTRIES[8].cards[0])
    words = bytes(random.Random(5).choices(b"abcdefgh ", k=5_000))
    body = zstandard.compress(words + b"\xc4\x07" + uid + words[::-1])
    header = Header(FORMAT, "s", "g", "bulk", "g1", 1, NOW_MS, ClockQuality.SYNCED, "b", "p", 1, 0)
    payload = Signer(Ed25519PrivateKey.generate()).wrap(Kind.BATCH, encode_payload(header, body))
    assert uid not in payload
    assert {leak.pupil for leak in search.find([Source("wire", payload)])} == {8}


def test_nobody_is_found_in_chance_times_and_fractions(search: LeakSearch) -> None:
    """Five bytes of chance may be somebody's tag, but not in what is compressed."""
    chance = random.Random(5)
    noise = chance.randbytes(2_000_000)
    text = "\n".join(
        f"{chance.random()} {NOW_MS + at * 977} {chance.getrandbits(128):032x}" for at in range(20_000)
    )
    packed = zstandard.compress(noise)
    assert (
        search.find(
            [Source("noise", noise, like_chance=True), Source("log", text.encode()), Source("packed", packed)]
        )
        == []
    )
