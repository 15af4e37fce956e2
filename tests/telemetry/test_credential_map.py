"""The credential map: whole and in changes, and what a gateway finds in it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.credential_map import (
    FORMAT,
    CredentialMap,
    CredentialMapError,
    Lesson,
    MapUpdate,
    MissingBaseError,
    Permit,
    Person,
    blind,
    decode_update,
    encode_update,
    normalise_band,
    normalise_credential,
    normalise_identifier,
)

KEY = b"k" * 32
DAY_MS = 86_400_000


def update(
    people: dict[int, str],
    cards: dict[str, int],
    *,
    version: int = 1,
    base: int = 0,
    people_gone: list[int] | None = None,
    cards_gone: list[str] | None = None,
    issued_ms: int = 0,
) -> MapUpdate:
    return MapUpdate(
        format=FORMAT,
        school="example-primary",
        gateway="gw-1",
        version=version,
        base=base,
        issued_ms=issued_ms,
        epoch="2026-27",
        blinding_key=KEY,
        people=[Person(slot, "3-2", {"health": Permit(name)}) for slot, name in people.items()],
        people_gone=people_gone or [],
        credentials={blind(KEY, card): slot for card, slot in cards.items()},
        credentials_gone=[blind(KEY, card) for card in cards_gone or []],
        lessons={"3-2": [Lesson(1, 2, "pe")]},
        school_days=[(1, 2)],
        erased=[],
    )


def seen(found: CredentialMap, cards: set[str]) -> dict[str, str]:
    """What each card leads to."""
    people = {card: found.find(card) for card in cards}
    return {card: one.permits["health"].pseudonym for card, one in people.items() if one}


@given(
    st.lists(
        st.tuples(st.dictionaries(st.integers(0, 9), st.text("AB", max_size=2), max_size=6), st.data()),
        min_size=2,
        max_size=5,
    )
)
def test_changes_lead_to_the_same_map_as_the_whole(steps: list[tuple[dict[int, str], st.DataObject]]) -> None:
    all_cards = {f"{number:08X}" for number in range(20)}
    held: CredentialMap | None = None
    people_before: dict[int, str] = {}
    cards_before: dict[str, int] = {}
    for version, (people, data) in enumerate(steps, 1):
        owners = st.sampled_from(sorted(people)) if people else st.nothing()
        cards = data.draw(
            st.dictionaries(st.sampled_from(sorted(all_cards)), owners, max_size=8 if people else 0)
        )
        whole = CredentialMap.whole(update(people, cards, version=version))
        if held is None:
            held = whole
        else:
            held = held.updated(
                update(
                    {slot: name for slot, name in people.items() if people_before.get(slot) != name},
                    {card: slot for card, slot in cards.items() if cards_before.get(card) != slot},
                    version=version,
                    base=version - 1,
                    people_gone=sorted(people_before.keys() - people.keys()),
                    cards_gone=sorted(cards_before.keys() - cards.keys()),
                )
            )
        assert (
            seen(held, all_cards)
            == seen(whole, all_cards)
            == {card: people[slot] for card, slot in cards.items()}
        )
        assert held.credential_count == whole.credential_count
        kept = CredentialMap.whole(decode_update(encode_update(held.as_update())))
        assert seen(kept, all_cards) == seen(held, all_cards)
        people_before, cards_before = people, cards


def test_changes_to_another_version_are_refused() -> None:
    held = CredentialMap.whole(update({1: "A"}, {"04A1": 1}, version=5))
    with pytest.raises(MissingBaseError, match="version 5 is here"):
        held.updated(update({}, {}, version=8, base=7))
    with pytest.raises(MissingBaseError, match="not a whole map"):
        CredentialMap.whole(update({}, {}, version=8, base=7))
    other = msgspec.structs.replace(update({}, {}, version=6, base=5), gateway="gw-2")
    with pytest.raises(CredentialMapError, match="gw-2"):
        held.updated(other)
    new_key = msgspec.structs.replace(update({}, {}, version=6, base=5), blinding_key=b"n" * 32)
    with pytest.raises(MissingBaseError):
        held.updated(new_key)
    assert held.find("04A1") is not None


def test_nothing_changed_renews_the_age() -> None:
    held = CredentialMap.whole(update({1: "A"}, {"04A1": 1}, version=5, issued_ms=10 * DAY_MS))
    assert held.is_current(17 * DAY_MS, 7)
    assert not held.is_current(17 * DAY_MS + 1, 7)
    assert held.is_current(9 * DAY_MS, 7), "clocks differ"
    assert not held.is_current(9 * DAY_MS - 1, 7), "a day in the future is no clock difference"
    renewed = held.updated(update({}, {}, version=5, base=5, issued_ms=17 * DAY_MS))
    assert renewed.is_current(24 * DAY_MS, 7)
    assert renewed.find("04A1") == held.find("04A1")


@pytest.mark.parametrize(
    "change",
    [
        {"format": 1},
        {"format": 3},
        {"version": 0},
        {"version": 2**60},
        {"base": 2},
        {"base": -1},
        {"blinding_key": b"short"},
        {"credentials": {b"x": 1}},
        {"credentials": {bytes(8): -1}},
        {"credentials": {bytes(8): 2**40}},
        {"credentials_gone": [b"x" * 16]},
        {"people": [Person(-1, "3-2", {})]},
        {"lessons": {"3-2": [Lesson(2, 1, "pe")]}},
    ],
)
def test_what_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    bad = msgspec.structs.replace(update({1: "A"}, {"04A1": 1}), **change)
    with pytest.raises(CredentialMapError):
        decode_update(encode_update(bad))


def test_a_purpose_that_does_not_exist_is_refused() -> None:
    raw = msgspec.msgpack.decode(encode_update(update({1: "A"}, {})))
    raw[8][0][2] = {"advertising": ["A"]}
    with pytest.raises(CredentialMapError, match="not a credential map"):
        decode_update(msgspec.msgpack.encode(raw))


def test_three_kinds_of_credentials_never_meet() -> None:
    digits = "C10000302001"
    found = {normalise_credential(digits), normalise_band(digits), normalise_identifier("band", digits)}
    assert len(found) == 2, "a station's scheme called band would be the bands': no profile has one"
    assert normalise_band("c1:00:00:30:20:01") == normalise_band("C1-00-00-30-20-01") == f"band:{digits}"
    for bad in ("", "C1:00", "G10000302001", digits * 2):
        with pytest.raises(ValueError, match="12 hexadecimal digits"):
            normalise_band(bad)


def test_a_map_of_three_thousand_finds_everybody() -> None:
    people = {slot: f"P{slot}" for slot in range(3_000)}
    cards = {f"{slot * 7_919 + kind:014X}": slot for slot in people for kind in range(8)}
    found = CredentialMap.whole(update(people, cards))
    assert found.credential_count == len(cards)
    assert all(seen(found, {card}) == {card: f"P{slot}"} for card, slot in list(cards.items())[::997])
    assert found.find("FFFFFFFFFFFFFF") is None
