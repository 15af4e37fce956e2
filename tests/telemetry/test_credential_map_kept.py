"""A credential map as it lies in a gateway's file, and its people, who are kept encoded."""

from __future__ import annotations

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.credential_columns import CredentialColumns
from telemetry.credential_map import (
    CredentialMap,
    CredentialMapError,
    Lesson,
    MapUpdate,
    Person,
    decode_map,
    decode_update,
    encode_update,
)
from telemetry.encoded import RECENT_MAX, EncodedTable
from tests.edge.edge_parts import NOW_MS
from tests.edge.maps import make_map, make_update, person

SLOTS = st.integers(0, 2**32 - 1)
CARDS = st.dictionaries(st.integers(0, 2**20).map(lambda number: f"04{number:06X}"), SLOTS, max_size=20)
WHOLE = make_map(
    [person(3, {"health": ("HEALTH-3", NOW_MS)}, heart_rate_max=207.0), person(1, {"sport": "SPORT-1"})],
    {"04A2B31C": 1, "04FFEEDD": 3, "04000001": 3},
    version=7,
    lessons={"c-1": [Lesson(NOW_MS, NOW_MS + 1, "pe", "gym")]},
    school_days=[(NOW_MS, NOW_MS + 1)],
    erased=["GONE-1"],
)


@given(CARDS)
def test_it_comes_back_as_it_was(cards: dict[str, int]) -> None:
    was = CredentialMap.whole(make_update([person(slot) for slot in set(cards.values())], cards, version=7))
    found = CredentialMap.from_kept(was.kept())
    assert found.as_update() == was.as_update()
    assert {card: found.find(card) for card in cards} == {card: person(slot) for card, slot in cards.items()}


def test_with_all_that_is_in_it() -> None:
    assert CredentialMap.from_kept(WHOLE.kept()).as_update() == WHOLE.as_update()


@given(st.data())
def test_bytes_that_are_none_are_an_error_that_does_not_quote_them(data: st.DataObject) -> None:
    good = WHOLE.kept()
    at = data.draw(st.integers(0, len(good) - 1))
    changed = good[:at] + data.draw(st.binary(max_size=4)) + good[at + data.draw(st.integers(0, 4)) :]
    for bad in (good[:at], good + b"\0", data.draw(st.binary(max_size=60))):
        with pytest.raises(CredentialMapError) as caught:
            CredentialMap.from_kept(bad)
        assert "HEALTH-3" not in str(caught.value)
    with contextlib.suppress(CredentialMapError):  # or it is another map
        CredentialMap.from_kept(changed)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [(2, bytes(8), "different length"), (3, bytes(6), "different length"), (2, bytes(24), "out of order")],
)
def test_columns_that_contradict_each_other_are_refused(column: int, value: bytes, words: str) -> None:
    parts = msgspec.msgpack.decode(WHOLE.kept())
    parts[column] = value
    with pytest.raises(CredentialMapError, match=words):
        CredentialMap.from_kept(msgspec.msgpack.encode(parts))


def test_a_map_that_contradicts_itself_is_refused() -> None:
    parts = msgspec.msgpack.decode(WHOLE.kept())
    parts[1][0] = msgspec.msgpack.encode(person(-1))
    with pytest.raises(CredentialMapError, match="out of bounds"):
        CredentialMap.from_kept(msgspec.msgpack.encode(parts))
    parts = msgspec.msgpack.decode(WHOLE.kept())
    parts[0][0] = 9
    with pytest.raises(CredentialMapError, match="format 9"):
        CredentialMap.from_kept(msgspec.msgpack.encode(parts))


@given(CARDS)
def test_a_whole_map_taken_in_pieces_is_the_same_map(cards: dict[str, int]) -> None:
    sent = make_update([person(slot) for slot in set(cards.values())], cards, version=7)
    found = decode_map(encode_update(sent))
    assert isinstance(found, CredentialMap)
    assert found.as_update() == CredentialMap.whole(sent).as_update()
    changes = msgspec.structs.replace(sent, base=6)
    assert decode_map(encode_update(changes)) == changes


@given(st.data())
def test_in_pieces_the_same_is_refused_as_at_once(data: st.DataObject) -> None:
    good = encode_update(WHOLE.as_update())
    at = data.draw(st.integers(0, len(good) - 1))
    bad = good[:at] + data.draw(st.binary(max_size=4)) + good[at + data.draw(st.integers(0, 4)) :]
    try:
        expected = decode_update(bad)
    except CredentialMapError:
        with pytest.raises(CredentialMapError):
            decode_map(bad)
        return
    found = decode_map(bad)
    if isinstance(found, MapUpdate):
        assert found == expected
    else:
        assert found.as_update() == CredentialMap.whole(expected).as_update()


@given(CARDS)
def test_columns_come_back_from_bytes(cards: dict[str, int]) -> None:
    credentials = {bytes.fromhex(f"{card:0>16}"): slot for card, slot in cards.items()}
    columns = CredentialColumns.of(credentials)
    assert CredentialColumns.from_bytes(*columns.as_bytes()).as_dict() == columns.as_dict() == credentials
    assert columns.find(bytes(8)) == credentials.get(bytes(8))


PEOPLE = st.dictionaries(SLOTS, st.text(max_size=3), max_size=6)


@given(PEOPLE, PEOPLE, st.sets(SLOTS, max_size=6), st.data())
def test_people_are_as_a_table_of_objects_would_be(
    before: dict[int, str], new: dict[int, str], gone: set[int], data: st.DataObject
) -> None:
    gone |= data.draw(st.sets(st.sampled_from(sorted(before)))) if before else set()
    was = {slot: person(slot, class_id=name) for slot, name in before.items()}
    wanted = {slot: person(slot, class_id=name) for slot, name in new.items()}
    table = EncodedTable.of(Person, was)
    assert table == was
    assert (
        table.changed(wanted, gone) == {slot: one for slot, one in was.items() if slot not in gone} | wanted
    )
    assert table == was, "what was before stays"
    assert [slot in table for slot in sorted(gone)] == [slot in was for slot in sorted(gone)]


def test_few_people_are_kept_as_objects() -> None:
    table = EncodedTable.of(Person, {slot: person(slot) for slot in range(RECENT_MAX + 5)})
    assert [table[slot] for slot in table] == [person(slot) for slot in table]
    assert len(table._recent) <= RECENT_MAX
    assert table[0] is table[0]
