"""Rights: who may agree and withdraw, and what a withdrawal does."""

from __future__ import annotations

import pytest

from identity_vault import roster
from identity_vault.rights import (
    consents,
    orders,
)
from identity_vault.vault import Vault
from telemetry.purposes import PURPOSE_NAMES
from tests.vault.rights_parts import DAY_MS, Clock, add_gateway
from tests.vault.vault_parts import NOW_MS, add_somebody


def test_a_withdrawal_holds_at_once_and_queues_its_records(any_vault: Vault) -> None:
    vault, pupil = any_vault, add_somebody(any_vault, 1)
    with vault.begin() as connection:
        add_gateway(connection, "gw-1")
        before = roster.map_version(connection)
        code = consents.withdraw(vault, connection, "test", pupil, "health")
        assert roster.map_version(connection) > before
        found = roster.get_pupil(vault, connection, pupil)
        assert found is not None
        standing = {one.purpose: one.may_collect for one in consents.standings(vault, connection, found)}
        assert standing == {one: one != "health" for one in PURPOSE_NAMES}
        (order,) = orders.open_orders(vault, connection)
        mine = vault.pseudonyms.make("health", roster.current_epoch(connection), pupil)
        assert (order.pseudonyms, order.purposes) == ([mine], ["health"])
        (pending,) = consents.pending(connection)
        assert (pending.receipt, pending.purpose, list(pending.gateways)) == (code, "health", ["gw-1"])
        with pytest.raises(consents.ConsentError):
            consents.withdraw(vault, connection, "test", pupil, "health")


def test_what_is_agreed_to_again_is_not_taken_out_at_gateways(timed: Vault, clock: Clock) -> None:
    pupil = add_somebody(timed, 1)
    with timed.begin() as connection:
        add_gateway(connection, "gw-1")
        consents.withdraw(timed, connection, "test", pupil, "health")
        consents.withdraw(timed, connection, "test", pupil, "sport")
        clock.now_ms += 1_000
        assert len(orders.erased_pseudonyms(timed, connection)) == 2
        consents.give(timed, connection, "t", pupil, "health", given_by="guardian", evidence="sheet 2")
        epoch = roster.current_epoch(connection)
        assert orders.erased_pseudonyms(timed, connection) == [timed.pseudonyms.make("sport", epoch, pupil)]
        assert len(orders.open_orders(timed, connection)) == 2  # the collector deletes what was before


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"given_by": "pupil"}, "under 14"),
        ({"given_ms": NOW_MS + 1}, "future"),
        ({"until_ms": NOW_MS}, "ended already"),
        ({"evidence": " "}, "where the signed form is"),
        ({"evidence": "x" * 201}, "where the signed form is"),
        ({"evidence": "a\x00b"}, "where the signed form is"),
        ({"guardian": "0" * 16}, "no guardian"),
        ({"purpose": "safety"}, "needs no consent"),
        ({"pupil_id": "0" * 16}, "nobody"),
    ],
)
def test_a_consent_that_cannot_be_given_is_refused(
    timed: Vault, changes: dict[str, object], reason: str
) -> None:
    pupil = add_somebody(timed, 1, purposes=())
    wanted = {"pupil_id": pupil, "purpose": "health", "given_by": "guardian", "evidence": "x"} | changes
    with pytest.raises(consents.ConsentError, match=reason), timed.begin() as connection:
        consents.give(timed, connection, "test", **wanted)  # type: ignore[arg-type]  # bad ones, too
    with timed.read() as connection:
        assert roster.consents_of(connection, [pupil]) == []


def test_from_14_on_a_pupil_agrees_alone_and_paper_older_than_a_withdrawal_does_not_count(
    timed: Vault, clock: Clock
) -> None:
    pupil = add_somebody(timed, 1, born="2012-09-09", purposes=())
    with timed.begin() as connection:
        consents.give(timed, connection, "t", pupil, "sport", given_by="pupil", evidence="x")
        clock.now_ms += DAY_MS
        consents.withdraw(timed, connection, "t", pupil, "sport")
        with pytest.raises(consents.ConsentError, match="older than its withdrawal"):
            consents.give(
                timed, connection, "t", pupil, "sport", given_by="pupil", evidence="x", given_ms=NOW_MS
            )
        consents.give(timed, connection, "t", pupil, "sport", given_by="pupil", evidence="x")


def test_a_childs_own_consent_is_shown_as_not_counting(timed: Vault) -> None:
    pupil = add_somebody(timed, 1, purposes=())
    with timed.begin() as connection:
        roster.give_consent(
            timed, connection, pupil, "sport", given_by="pupil", evidence="imported", given_ms=NOW_MS - 1
        )
        found = roster.get_pupil(timed, connection, pupil)
        assert found is not None
        unheeded = {one.purpose for one in consents.standings(timed, connection, found) if one.unheeded}
    assert unheeded == {"sport"}


def test_of_a_pupil_who_has_left_nothing_is_collected_and_consent_can_be_withdrawn(timed: Vault) -> None:
    pupil = add_somebody(timed, 1, purposes=("health",))
    with timed.begin() as connection:
        roster.change_pupil(timed, connection, pupil, state="left")
        found = roster.get_pupil(timed, connection, pupil)
        assert found is not None
        standings = consents.standings(timed, connection, found)
        assert not any(one.may_collect or one.unheeded for one in standings)
        assert [one.purpose for one in standings if one.holds] == ["health"]
        with pytest.raises(consents.ConsentError):
            consents.give(timed, connection, "t", pupil, "sport", given_by="guardian", evidence="x")
        consents.withdraw(timed, connection, "t", pupil, "health")


# Correction.
