"""Maps: every notation of a card, nobody's numbers in common, and changes that give the whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import update
from structlog.testing import capture_logs

from identity_vault import roster
from identity_vault.database import tables
from identity_vault.fields import FieldError
from identity_vault.keys import VaultKeys
from identity_vault.maps import history as history_module
from identity_vault.maps.builder import MapGateway, build_map, derive_keys, parse_purposes, renumber
from identity_vault.maps.directory import class_lists
from identity_vault.maps.history import NOTHING, Snapshots, Touched, difference
from identity_vault.maps.people import Snapshot, heart_rate_max, lead_to, notations_of
from identity_vault.rights import consents, orders
from identity_vault.roster import Credential
from identity_vault.vault import Vault
from telemetry.credential_map import (
    CredentialMap,
    Lesson,
    Permit,
    Person,
    decode_update,
    encode_update,
    normalise_credential,
    normalise_identifier,
)
from telemetry.purposes import PURPOSE_NAMES
from tests.vault.exchange_parts import content_of
from tests.vault.vault_parts import NOW_MS, SCHOOL, SEED, add_somebody, make_vault

KEYS = VaultKeys(SEED, SCHOOL)
GATE = MapGateway("gate", 1, ("health", "access"))
DAY_MS = 86_400_000


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with make_vault(tmp_path) as found:
        yield found


def card(pupil: str, value: str, kind: str = "card") -> Credential:
    assert kind in {"card", "band", "station"}
    return Credential(1, pupil, kind, value, 0, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("registered", "told", "by"),
    [
        ("0400BC614E", "0400BC614E", "our desk: all five bytes of an EM4100 tag"),
        ("0400BC614E", "00BC614E", "an RDM6300, and the ten digits printed on the tag"),
        ("0400BC614E", "BC614E", "Wiegand of 26 bits"),
        ("00BC614E", "BC614E", "Wiegand of 26 bits, of a school that has the ten digits"),
        ("0102BC61", "0002BC61", "24 bits as a decimal number"),
        ("04A2B31C5D6E7F", "04A2B31C5D6E7F", "a station over MQTT"),
        ("04A2B31C5D6E7F", "7F6E5D1CB3A204", "a reader that begins with the last byte"),
        ("04A2B31C5D6E7F", "04A2B31C", "ESPEasy's RC522: the first four"),
        ("04A2B31C5D6E7F", "1C5D6E7F", "Wiegand of 34 bits"),
        ("04A2B31C5D6E7F", "B31C5D6E7F", "a reader of five bytes"),
        ("A1B2C3D4", "D4C3B2A1", "four bytes, last byte first"),
        ("A1B2C300", "00C3B2A1", "last byte first, as a decimal number: zeros stay to four bytes"),
    ],
)
def test_a_card_is_found_however_a_reader_tells_it(registered: str, told: str, by: str) -> None:
    assert told in notations_of(card("p", registered)), by


def test_a_tag_of_which_the_school_has_the_ten_digits_is_found_at_our_desk() -> None:
    snapshot = snapshot_of(
        1, {4: Person(4, "3-2", {})}, dict.fromkeys(notations_of(card("p", "00BC614E")), 4)
    )
    found = CredentialMap.whole(decode_update(build(snapshot, GATE)))
    assert found.find("0400BC614E") == found.find("00BC614E") is not None, "the first byte is the maker's"
    assert found.find("0400BC614F") is None
    assert found.find("abcd:00BC61") is None


def test_bands_and_stations_numbers_are_told_in_one_way() -> None:
    number = normalise_identifier("hikvision", "1017")
    assert notations_of(card("p", number, "station")) == {number}
    assert notations_of(card("p", "band:A0B1C2D3E4F5", "band")) == {"band:A0B1C2D3E4F5"}
    odd = normalise_credential("1234567890ABC")
    assert notations_of(card("p", odd)) == {odd}, "of no whole bytes: as it was written down"


def test_what_leads_to_two_leads_to_nobody() -> None:
    held = [card("a", "11BC614E"), card("b", "22BC614E"), card("b", "04A2B31C5D6E7F"), card("c", "BC614E")]
    found, by_length, unreachable = lead_to(held, {"a": 1, "b": 2, "c": 3})
    assert "BC614E" not in found
    assert (found["11BC614E"], found["22BC614E"], found["1C5D6E7F"]) == (1, 2, 2)
    assert by_length[3] == 2, "the last three bytes, in both orders"
    assert unreachable == 1, "whose card is registered by those three bytes alone"


def test_ambiguous_notations_are_told_once_and_never_quoted(vault: Vault) -> None:
    for number, value in enumerate(("11BC614E", "22BC614E")):
        pupil = add_somebody(vault, number)
        with vault.begin() as connection:
            roster.add_credential(vault, connection, pupil, "card", value, 0)
    snapshots = Snapshots(vault)
    with capture_logs() as logs:
        snapshots.newest()
        with vault.begin() as connection:
            roster.bump(connection)
        found, _ = snapshots.newest()
    assert [entry["event"] for entry in logs] == ["cards.ambiguous"]
    assert "BC614E" not in repr(logs) + repr(found)
    assert found.ambiguous == {3: 2, 4: 2}, "and as decimal numbers"


def test_the_snapshot_holds_what_is_true_now(vault: Vault) -> None:
    own, child, gone, left = (
        add_somebody(vault, number, born=born, purposes=())
        for number, born in enumerate(("2012-09-10", "2012-09-11", "2015-01-01", "2015-01-01"))
    )
    with vault.begin() as connection:
        for pupil in (own, child):
            roster.give_consent(
                vault, connection, pupil, "health", given_by="pupil", evidence="form", given_ms=NOW_MS - 1
            )
        roster.add_credential(vault, connection, gone, "card", "A1B2C3D4", 0)
        roster.add_credential(vault, connection, left, "card", "A1B2C3D5", 0)
        old = roster.credentials_of(vault, connection, [gone])
        roster.end_credentials(connection, [one.id for one in old], NOW_MS)
        roster.change_pupil(vault, connection, left, state="left")
        roster.bump(connection)
    found, _ = Snapshots(vault).newest()
    assert sorted(len(one.permits) for one in found.people.values()) == [1, 1, 2], "14 today: may agree alone"
    assert all("safety" in one.permits for one in found.people.values())
    assert not found.credentials
    assert heart_rate_max(13) == 198.9


def test_purposes_are_read_and_refused_by_name() -> None:
    assert parse_purposes(" access, health") == ("health", "access")
    with pytest.raises(ValueError, match="'helth' is no purpose; there are health"):
        parse_purposes("helth")


@given(st.sets(st.integers(0, 2**32 - 1), max_size=50))
def test_numbers_of_people_are_never_shared(slots: set[int]) -> None:
    assert len({renumber(bytes(32), slot) for slot in slots}) == len(slots)


def test_numbers_and_names_of_cards_are_of_one_gateway_generation_and_epoch() -> None:
    keys = [
        derive_keys(KEYS, MapGateway(id_, generation, ()), epoch)
        for id_, generation, epoch in (("a", 1, "x"), ("b", 1, "x"), ("a", 2, "x"), ("a", 1, "y"))
    ]
    assert len({key for pair in keys for key in pair}) == 8
    assert "MapKeys(…)" in repr(keys[0])


def test_consent_that_has_ended_is_on_no_class_list() -> None:
    people = {
        slot: Person(slot, "c", {"health": Permit(f"P{slot}", until)})
        for slot, until in ((1, NOW_MS), (2, NOW_MS + 1), (3, None))
    }
    found = class_lists(snapshot_of(1, people, {}), NOW_MS)
    assert [(one.size, one.pseudonyms) for one in found] == [(3, ["P2", "P3"])]


def snapshot_of(version: int, people: dict[int, Person], credentials: dict[str, int]) -> Snapshot:
    return Snapshot(
        version=version,
        epoch="2026-27",
        day="2026-09-10",
        people=MappingProxyType(people),
        credentials=MappingProxyType(credentials),
        ambiguous={},
        unreachable=0,
        names={},
        lessons={"3-2": [Lesson(NOW_MS, NOW_MS + version, "pe")]},
        school_days=[(NOW_MS, NOW_MS + version)],
    )


def build(snapshot: Snapshot, gateway: MapGateway, have: int = 0, touched: Touched | None = None) -> bytes:
    update = build_map(
        snapshot,
        gateway,
        derive_keys(KEYS, gateway, snapshot.epoch),
        school=SCHOOL,
        issued_ms=NOW_MS,
        erased=[f"E{snapshot.version}"],
        have=have,
        touched=touched,
    )
    return encode_update(update)


persons = st.builds(
    Person,
    st.just(0),
    st.sampled_from(["3-1", "3-2"]),
    st.dictionaries(
        st.sampled_from(PURPOSE_NAMES),
        st.builds(Permit, st.sampled_from("ABC"), st.none() | st.integers(1, 3)),
    ),
    st.none() | st.sampled_from([200.0, 201.4]),
)
rosters = st.dictionaries(st.integers(0, 8), persons, max_size=8).flatmap(
    lambda people: st.tuples(
        st.just({slot: msgspec.structs.replace(one, slot=slot) for slot, one in people.items()}),
        st.dictionaries(st.sampled_from("ABCDEFGH"), st.sampled_from(sorted(people)), max_size=8)
        if people
        else st.just({}),
    )
)


@settings(deadline=None, max_examples=50)
@given(st.lists(rosters, min_size=2, max_size=6), st.sampled_from([(), ("sport",), PURPOSE_NAMES]), st.data())
def test_changes_one_after_the_other_give_the_whole_map(
    states: list[tuple[dict[int, Person], dict[str, int]]], purposes: tuple[object, ...], data: st.DataObject
) -> None:
    gateway = MapGateway("gate", 1, purposes)  # type: ignore[arg-type]
    snapshots = [snapshot_of(number, *state) for number, state in enumerate(states, 1)]
    at = 0
    found = CredentialMap.whole(decode_update(build(snapshots[0], gateway)))
    while at < len(snapshots) - 1:
        # A gateway that was away takes several changes at once.
        to = data.draw(st.integers(at + 1, len(snapshots) - 1))
        touched = NOTHING
        for one in range(at, to):
            touched |= difference(snapshots[one], snapshots[one + 1])
        found = found.updated(decode_update(build(snapshots[to], gateway, at + 1, touched)))
        whole = CredentialMap.whole(decode_update(build(snapshots[to], gateway)))
        assert content_of(found) == content_of(whole)
        assert found.credential_count == whole.credential_count
        assert (found.version, found.lessons, found.school_days, found.erased) == (
            whole.version,
            whole.lessons,
            whole.school_days,
            whole.erased,
        )
        at = to


def test_the_history_is_bounded_and_says_when_it_does_not_reach_back(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "CHANGES_MAX", 3)
    snapshots = Snapshots(vault)
    versions = [snapshots.newest()[0].version]
    for number in range(5):
        add_somebody(vault, number)
        versions.append(snapshots.newest()[0].version)
    reached = [snapshots.newest(version)[1] for version in versions]
    assert [None if one is None else len(one.slots) for one in reached] == [None, None, 3, 2, 1, 0]
    assert snapshots.newest(versions[-1] + 1)[1] is None
    assert snapshots.newest(0)[1] is None
    monkeypatch.setattr(history_module, "TOUCHED_MAX", 1)
    add_somebody(vault, 9)
    assert snapshots.newest(versions[-1])[1] is not None
    assert snapshots.newest(versions[-2])[1] is None


def test_a_new_epoch_has_no_history(vault: Vault) -> None:
    add_somebody(vault, 1)
    snapshots = Snapshots(vault)
    before, _ = snapshots.newest()
    with vault.begin() as connection:
        roster.begin_epoch(connection, "2027-28", NOW_MS)
        roster.bump(connection)
    after, touched = snapshots.newest(before.version)
    assert touched is None
    (old,), (new,) = before.people.values(), after.people.values()
    assert not {one.pseudonym for one in old.permits.values()} & {
        one.pseudonym for one in new.permits.values()
    }


def test_a_snapshot_is_read_once_a_version(vault: Vault) -> None:
    add_somebody(vault, 1)
    snapshots = Snapshots(vault)
    assert snapshots.newest()[0] is snapshots.newest()[0]


def _damage(vault: Vault, *pupils: str) -> None:
    with vault.begin() as connection:
        where = tables.pupils.c.id.in_(pupils)
        connection.execute(update(tables.pupils).where(where).values(sealed=b"damaged" * 9))
        roster.bump(connection)


def test_a_damaged_row_is_unknown_and_everybody_else_is_not(vault: Vault) -> None:
    """A withdrawal of one must not wait for the repair of another."""
    ids = [add_somebody(vault, number) for number in range(3)]
    with vault.begin() as connection:
        for id_, uid in zip(ids, ("04A1B2C3D4E5F6", "04A1B2C3AABBCC", "0455667788990A"), strict=True):
            roster.add_credential(vault, connection, id_, "card", uid, NOW_MS)
    before, _ = Snapshots(vault).newest()
    _damage(vault, ids[0])
    with capture_logs() as said:
        found, _ = Snapshots(vault).newest()
    assert len(found.people) == len(before.people) - 1 == 2
    assert "04A1B2C3D4E5F6" in before.credentials
    assert set(found.credentials) < set(before.credentials), "no notation leads to another than before"
    assert found.credentials.items() <= before.credentials.items()
    assert [one["event"] for one in said if one["log_level"] == "error"] == ["rows.damaged"]
    assert found.damaged[0].startswith(f"pupils.sealed/{ids[0]} does not open")


def test_a_vault_of_which_nothing_opens_makes_no_map(vault: Vault) -> None:
    """That is another's key file; an empty map would make everybody anonymous."""
    _damage(vault, *(add_somebody(vault, number) for number in range(3)))
    with pytest.raises(FieldError, match="does not open"):
        Snapshots(vault).newest()


def test_a_withdrawal_of_a_damaged_pupil_is_told_all_the_same(vault: Vault) -> None:
    pupil = add_somebody(vault, 1)
    with vault.begin() as connection:
        consents.withdraw(vault, connection, "command:nurse", pupil, "health")
    _damage(vault, pupil)
    with vault.read() as connection:
        erased = orders.erased_pseudonyms(vault, connection)
    assert erased == [vault.pseudonyms.make("health", "2026-27", pupil)]
