"""Rights: receipts' codes, orders to collector and gateways, exports."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from identity_vault import roster
from identity_vault.database import tables
from identity_vault.pseudonyms import ALPHABET
from identity_vault.rights import (
    codes,
    consents,
    erasure,
    export,
    links,
    orders,
    receipts,
)
from identity_vault.service import Service
from identity_vault.vault import Vault
from telemetry.exchange import OrderReport
from telemetry.purposes import PURPOSE_NAMES
from tests.vault.rights_parts import Clock, add_gateway, add_guardian, confirm
from tests.vault.vault_parts import NOW_MS, add_somebody


def test_a_code_is_read_however_it_is_written() -> None:
    code = codes.new_code()
    for written in (code, code.lower(), code.replace("-", " "), code[2:], f"  {code} "):
        assert codes.read_code(written) == code
    assert codes.read_code("r-oo00-ilL1-" + _checked("00001111000")[-4:])
    assert codes.read_code("R-7K3M-9PXA-4C20")


def _checked(digits: str) -> str:
    return next(digits + one for one in ALPHABET if not codes._check(digits) - ALPHABET.index(one))


@given(st.text(ALPHABET, min_size=11, max_size=11), st.integers(0, 11), st.integers(1, 31))
def test_one_wrong_sign_in_a_code_is_found(digits: str, place: int, by: int) -> None:
    whole = _checked(digits)
    assert codes.read_code(whole)
    wrong = ALPHABET[(ALPHABET.index(whole[place]) + by) % 32]
    with pytest.raises(codes.CodeError):
        codes.read_code(whole[:place] + wrong + whole[place + 1 :])


@given(st.text(max_size=40))
def test_rubbish_is_no_code(text: str) -> None:
    try:
        found = codes.read_code(text)
    except codes.CodeError:
        return
    assert codes.read_code(found) == found


# Orders.


def test_an_erasure_names_every_purpose_and_open_epoch_and_is_closed_when_all_confirmed(
    any_vault: Vault,
) -> None:
    vault, pupil = any_vault, add_somebody(any_vault, 1)
    with vault.begin() as connection:
        old = roster.current_epoch(connection)
        roster.begin_epoch(connection, "2030-31", NOW_MS + 1)
        for name in ("gw-1", "gw-2"):
            add_gateway(connection, name)
        add_gateway(connection, "gw-old", state="revoked")
        code = erasure.erase(vault, connection, "test", pupil)
        version = roster.map_version(connection)
    expected = {
        vault.pseudonyms.make(one, epoch, pupil) for one in PURPOSE_NAMES for epoch in (old, "2030-31")
    }
    with vault.begin() as connection:
        (order,) = orders.open_orders(vault, connection)
        assert (order.kind, set(order.pseudonyms), order.purposes) == ("erase", expected, [])
        assert orders.erased_pseudonyms(vault, connection) == sorted(expected)

        confirm(connection, "gw-1", version)
        orders.finish(vault, connection, OrderReport(order.id, {"morning_checks": 3}))
        assert orders.open_orders(vault, connection) == []
        assert set(orders.erased_pseudonyms(vault, connection)) == expected
        confirm(connection, "gw-2", version - 1)
        orders.close_finished(vault, connection)
        assert orders.erased_pseudonyms(vault, connection)

        confirm(connection, "gw-2", version)
        orders.close_finished(vault, connection)
        assert orders.erased_pseudonyms(vault, connection) == []
        row = connection.execute(select(tables.orders)).one()
        assert (row.sealed, row.sealed_report, row.closed_ms) == (b"", None, NOW_MS)
        receipt = receipts.find(connection, code)
    assert receipt is not None
    assert receipt.pupil is None
    assert receipt.detail.collector == {"morning_checks": 3}
    assert set(receipt.detail.gateways) == {"gw-1", "gw-2"}
    assert receipt.detail.completed_ms == NOW_MS


def test_a_report_told_again_or_about_nothing_changes_nothing(timed: Vault, clock: Clock) -> None:
    pupil = add_somebody(timed, 1)
    with timed.begin() as connection:
        add_gateway(connection, "gw-1")
        erasure.erase(timed, connection, "test", pupil)
        (order,) = orders.open_orders(timed, connection)
        orders.finish(timed, connection, OrderReport(order.id, {"meal_records": 2}))
    before = _everything(timed)
    clock.now_ms += 1_000
    with timed.begin() as connection:
        orders.finish(timed, connection, OrderReport(order.id, {"meal_records": 9}))
        orders.finish(timed, connection, OrderReport("0" * 16, {"meal_records": 9}))
        orders.finish(timed, connection, OrderReport("ä" * 5_000, {}, b"x"))
    assert _everything(timed) == before


def _everything(vault: Vault) -> list[object]:
    with vault.read() as connection:
        return [
            tuple(map(tuple, connection.execute(select(table)))) for table in (tables.orders, tables.receipts, tables.audit)
        ]  # fmt: skip


def test_what_a_collector_reports_is_bounded(timed: Vault) -> None:
    pupil = add_somebody(timed, 1)
    with timed.begin() as connection:
        code = erasure.erase(timed, connection, "test", pupil)
        (order,) = orders.open_orders(timed, connection)
        odd = {f"table_{'x' * at}": 1 for at in range(100)} | {"Li Ming": 1, "": 2, "meals": -1, "big": 2**60}
        orders.finish(timed, connection, OrderReport(order.id, odd))
        receipt = receipts.find(connection, code)
    assert receipt is not None
    assert len(receipt.detail.collector) == orders.TABLES_MAX
    assert all(name.startswith("table_") for name in receipt.detail.collector)


def test_too_many_open_orders_are_refused(timed: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "OPEN_ORDERS_MAX", 1)
    pupil = add_somebody(timed, 1)
    with timed.begin() as connection:
        consents.withdraw(timed, connection, "test", pupil, "health")
    with pytest.raises(orders.OrdersFullError), timed.begin() as connection:
        consents.withdraw(timed, connection, "test", pupil, "sport")
    with timed.read() as connection:  # all or nothing
        held = [one for one in roster.consents_of(connection, [pupil]) if one.holds(NOW_MS)]
    assert {one.purpose for one in held} == set(PURPOSE_NAMES) - {"health"}


def test_an_export_is_kept_for_a_week_and_goes_with_the_pupil(timed: Vault, clock: Clock) -> None:
    pupil = add_somebody(timed, 1)
    with timed.begin() as connection:
        order, _ = export.begin(timed, connection, "test", pupil)
        assert export.begin(timed, connection, "test", pupil)[0] == order
        assert orders.answer(timed, connection, order) == orders.Answer(None, None)
        orders.finish(timed, connection, OrderReport(order, {}, b"\x80"))
        assert orders.answer(timed, connection, order).records == b"\x80"
        assert orders.erased_pseudonyms(timed, connection) == []
        clock.now_ms += orders.EXPORTS_KEPT_MS
        orders.close_finished(timed, connection)
        assert orders.answer(timed, connection, order).records is None

        second, _ = export.begin(timed, connection, "test", pupil)
        orders.finish(timed, connection, OrderReport(second, {}, b"\x80"))
        erasure.erase(timed, connection, "test", pupil)
        assert orders.answer(timed, connection, second).records is None
        assert [one.kind for one in orders.open_orders(timed, connection)] == ["erase"]


def test_a_withdrawal_leaves_no_copy_of_its_records_lying_ready(timed: Vault) -> None:
    pupil, other = add_somebody(timed, 1), add_somebody(timed, 2)
    with timed.begin() as connection:
        mine, _ = export.begin(timed, connection, "test", pupil)
        theirs, _ = export.begin(timed, connection, "test", other)
        for order in (mine, theirs):
            orders.finish(timed, connection, OrderReport(order, {}, b"\x80"))
        consents.withdraw(timed, connection, "test", pupil, "health")
        assert orders.answer(timed, connection, mine).records is None
        assert orders.answer(timed, connection, theirs).records is not None
        assert export.begin(timed, connection, "test", pupil)[0] != mine


@pytest.mark.parametrize("rubbish", [b"\xc1", b"\x91\x01", b"\x81\xa1x\x01", b"\xff" * 40])
def test_rubbish_from_the_collector_is_told_as_unreadable(timed: Vault, rubbish: bytes) -> None:
    pupil = add_somebody(timed, 1)
    with timed.begin() as connection:
        order, code = export.begin(timed, connection, "test", pupil)
        orders.finish(timed, connection, OrderReport(order, {}, rubbish))
        copy = export.collect(timed, connection, pupil, order, code)
    assert copy.records is None
    assert copy.records_unreadable


def test_records_too_large_are_not_told_as_none(timed: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(orders, "RECORDS_BYTES_MAX", 3)
    pupil = add_somebody(timed, 1)
    with timed.begin() as connection:
        order, code = export.begin(timed, connection, "test", pupil)
        orders.finish(timed, connection, OrderReport(order, {}, b"\x80" * 4))
        assert export.collect(timed, connection, pupil, order, code).records_unreadable


async def test_a_running_vault_takes_away_what_is_over(timed: Vault, clock: Clock) -> None:
    pupil = add_somebody(timed, 1)
    guardian = add_guardian(timed, pupil)
    with timed.begin() as connection:
        links.make_link(timed, connection, "t", guardian)
        order, _ = export.begin(timed, connection, "t", pupil)
        orders.finish(timed, connection, OrderReport(order, {}, b"\x80"))
    clock.now_ms += orders.EXPORTS_KEPT_MS + links.LINK_LIFE_MS
    service = Service(timed)

    def is_tidy() -> bool:
        with timed.read() as connection:
            kept = connection.scalars(select(tables.orders.c.sealed_report)).all()
            return kept == [None] and not connection.execute(select(tables.links)).all()

    assert not is_tidy()
    async with asyncio.TaskGroup() as group, asyncio.timeout(20):
        group.create_task(service.run(), name="vault")
        while not is_tidy():  # noqa: ASYNC110  # the database tells nobody
            await asyncio.sleep(0.02)
        service.stop()


# Consent.
