"""5. After a key rotation old and new pseudonyms cannot be linked without the custodian's key: nothing that
singles somebody out in the old epoch's traffic, or in a gateway's old map, occurs in the new one's.
"""

from __future__ import annotations

from collections.abc import Iterable

from telemetry.credential_map import Person
from tests.privacy.linkage import telling_values
from tests.privacy.week import Week


def _pseudonyms(people: Iterable[Person]) -> set[str]:
    return {permit.pseudonym for person in people for permit in person.permits.values()}


def test_05_no_pseudonym_outlives_a_rotation(week: Week) -> None:
    old, new = ({record.pseudonym for record in records} - {None} for records in week.epochs)
    assert min(len(old), len(new)) > 1_000
    assert not old & new


def test_05_no_telling_value_outlives_a_rotation(week: Week) -> None:
    old, new = map(telling_values, week.epochs)
    assert old
    assert new
    assert not old & new


def test_05_a_gateways_maps_of_two_epochs_share_nothing(week: Week) -> None:
    """Neither the names under which it knows cards, nor the numbers of people, nor its key."""
    for gateway, (before, after) in week.maps.items():
        old, new = before.as_update(), after.as_update()
        assert len(old.people) == len(new.people) == len(week.entries), gateway
        assert old.epoch != new.epoch
        assert old.blinding_key != new.blinding_key
        assert not old.credentials.keys() & new.credentials.keys()
        assert not {one.slot for one in old.people} & {one.slot for one in new.people}
        assert not _pseudonyms(before.people.values()) & _pseudonyms(after.people.values())


def test_05_the_maps_of_two_gateways_share_nothing_but_pseudonyms(week: Week) -> None:
    maps = [after.as_update() for _, after in week.maps.values()]
    for at, one in enumerate(maps):
        for other in maps[at + 1 :]:
            assert one.blinding_key != other.blinding_key
            assert not one.credentials.keys() & other.credentials.keys()
            assert not {person.slot for person in one.people} & {person.slot for person in other.people}
