"""A credential map after changes is the map one would have made at once, however many changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import credential_columns
from telemetry.credential_map import CredentialMap
from tests.edge.maps import make_update, person

CARDS = st.dictionaries(st.integers(0, 30).map(lambda number: f"04{number:06X}"), st.integers(0, 5))
PEOPLE = [person(slot, {"health": f"P-{slot}"}) for slot in range(6)]


@pytest.mark.parametrize("singly_max", [0, 1_000])
@given(before=CARDS, new=CARDS, gone=st.sets(st.integers(0, 35).map(lambda number: f"04{number:06X}")))
def test_changes_one_by_one_or_together_give_the_same(
    singly_max: int, before: dict[str, int], new: dict[str, int], gone: set[str]
) -> None:
    found = CredentialMap.whole(make_update(PEOPLE, before))
    was = found.as_update()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(credential_columns, "_SINGLY_MAX", singly_max)
        changed = found.updated(
            make_update([], new, version=2, base=1, credentials_gone=gone, people_gone=[5])
        )
    expected = {card: slot for card, slot in before.items() if card not in gone} | new
    people = {one.slot: one for one in PEOPLE[:5]}
    assert changed.credential_count == len(expected)
    for card in {*before, *new, *gone}:
        assert changed.find(card) == people.get(expected.get(card, -1))
    assert changed.as_update().credentials == make_update([], expected).credentials
    assert found.as_update() == was, "the map of before is what it was"
