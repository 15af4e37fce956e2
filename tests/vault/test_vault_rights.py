"""Rights: orders, receipts, consent, correction, erasure, links, on both databases."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, select, update

from identity_vault import audit, roster
from identity_vault.database import tables
from identity_vault.pseudonyms import ALPHABET
from identity_vault.rights import (
    codes,
    consents,
    corrections,
    erasure,
    export,
    links,
    orders,
    receipts,
    views,
    wording,
)
from identity_vault.rights.corrections import CorrectionError
from identity_vault.service import Service
from identity_vault.vault import Vault
from telemetry import records
from telemetry.exchange import OrderReport
from telemetry.purposes import PURPOSE_NAMES, PURPOSES
from telemetry.records import RECORD_TYPES
from tests.vault.vault_parts import NOW_MS, add_somebody, make_config, make_vault

DAY_MS = 86_400_000


class Clock:
    def __init__(self) -> None:
        self.now_ms = NOW_MS

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def timed(tmp_path: Path, clock: Clock) -> Iterator[Vault]:
    config = make_config(tmp_path, web={"port": 0})
    with make_vault(tmp_path, config=config, now_ms=clock) as vault:
        yield vault


def add_gateway(connection: Connection, id_: str, version: int = 0, state: str = "active") -> None:
    values = {
        "id": id_, "public_key": "k", "key_id": id_, "purposes": "health", "generation": 1, "state": state,
        "added_ms": NOW_MS, "confirmed_version": version, "confirmed_ms": NOW_MS,
    }  # fmt: skip
    connection.execute(insert(tables.gateways).values(values))


def confirm(connection: Connection, id_: str, version: int) -> None:
    where = tables.gateways.c.id == id_
    connection.execute(update(tables.gateways).where(where).values(confirmed_version=version))


def add_guardian(vault: Vault, pupil: str, relation: str = "母亲") -> roster.Guardian:
    with vault.begin() as connection:
        details = roster.GuardianDetails(name="示例家长甲", phone="13800000001", relation=relation)
        id_ = roster.add_guardian(vault, connection, pupil, details)
    return roster.Guardian(id_, pupil, details)


# Codes.


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


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("name", " 示例  小麦 ", "示例 小麦"),
        ("birth_date", "2017-03-09", "2017-03-09"),
        ("phone", "138 0000-0009", "13800000009"),
        ("allergens", "花生、虾", ("peanuts", "crustaceans")),
        ("allergens", "无", ()),
        ("allergens", "", ()),
    ],
)
def test_a_correction_is_carried_out_when_the_school_accepts(
    timed: Vault, field: corrections.Field, value: str, expected: object
) -> None:
    pupil = add_somebody(timed, 1)
    guardian = add_guardian(timed, pupil)
    with timed.begin() as connection:
        code = corrections.ask(timed, connection, "guardian:x", guardian, field, value)
        (waiting,) = corrections.waiting(timed, connection)
        decided = corrections.decide(timed, connection, "staff", waiting.id, accept=True)
        assert decided is not None
        assert corrections.decide(timed, connection, "staff", waiting.id, accept=True) is None
        found = roster.get_pupil(timed, connection, pupil)
        assert found is not None
        phone = roster.guardians_of(timed, connection, [pupil])[0].details.phone
        receipt = receipts.find(connection, code)
        (sealed,) = connection.execute(select(tables.corrections.c.sealed)).one()
    assert (phone if field == "phone" else getattr(found.details, field)) == expected
    assert receipt is not None
    assert receipt.detail.state == "done"
    wish = timed.fields.open(sealed, f"corrections.sealed/{code}", corrections.Wish)
    assert wish.value == ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""), ("name", "x" * 500), ("name", "a\x00b"), ("name", "a\u202eb"), ("birth_date", "2017-13-09"),
        ("birth_date", "九月"), ("birth_date", "1890-01-01"), ("birth_date", "2031-01-01"), ("phone", "call me"),
        ("phone", ""), ("allergens", "火星石"), ("allergens", "花生 " * 50),
    ],
)  # fmt: skip
def test_a_wish_that_cannot_be_is_refused_without_repeating_it(
    timed: Vault, field: corrections.Field, value: str
) -> None:
    guardian = add_guardian(timed, add_somebody(timed, 1))
    with pytest.raises(CorrectionError) as caught, timed.begin() as connection:
        corrections.ask(timed, connection, "guardian:x", guardian, field, value)
    assert not value or value not in f"{caught.value.text}"


def test_a_declined_correction_changes_nothing_and_waiting_ones_are_bounded(timed: Vault) -> None:
    pupil = add_somebody(timed, 1)
    guardian = add_guardian(timed, pupil)
    with timed.begin() as connection:
        for _ in range(corrections.OPEN_MAX):
            corrections.ask(timed, connection, "guardian:x", guardian, "name", "示例小麦")
        with pytest.raises(CorrectionError):
            corrections.ask(timed, connection, "guardian:x", guardian, "name", "示例小麦")
        first = corrections.waiting(timed, connection)[0]
        corrections.decide(timed, connection, "staff", first.id, accept=False)
        corrections.ask(timed, connection, "guardian:x", guardian, "name", "示例小麦")
        found = roster.get_pupil(timed, connection, pupil)
    assert found is not None
    assert found.details.name == "示例生1"


# Erasure.


def test_after_an_erasure_no_byte_of_the_pupil_is_in_the_file(tmp_path: Path) -> None:
    with make_vault(tmp_path) as vault:
        pupil, other = add_somebody(vault, 1), add_somebody(vault, 2)
        guardian = add_guardian(vault, pupil)
        with vault.begin() as connection:
            roster.add_credential(vault, connection, pupil, "card", "04A1B2C3", NOW_MS)
            links.make_link(vault, connection, "test", guardian)
            corrections.ask(vault, connection, "test", guardian, "name", "示例小麦")
        sealed = _sealed(tmp_path, pupil)
        assert len(sealed) == 9  # pupil, credential, guardian, five consents, correction
        vault.database.forget_deleted()
        assert all(any(one in data for data in _files(tmp_path)) for one in sealed)

        with vault.begin() as connection:
            erasure.erase(vault, connection, "test", pupil)
        vault.database.forget_deleted()
        left = [one for one in sealed if any(one in data for data in _files(tmp_path))]
        assert left == []
        with vault.read() as connection:
            assert [one.id for one in roster.all_pupils(vault, connection)] == [other]
            assert audit.verify(vault, connection) == []


def _files(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in (folder / "data").iterdir() if path.is_file()]


def _sealed(folder: Path, pupil: str) -> list[bytes]:
    with sqlite3.connect(folder / "data" / "vault.db") as file:
        found: list[bytes] = [file.execute("SELECT sealed FROM pupils WHERE id = ?", (pupil,)).fetchone()[0]]
        for table in ("credentials", "guardians", "consents", "corrections"):
            found += [row[0] for row in file.execute(f"SELECT sealed FROM {table} WHERE pupil = ?", (pupil,))]
    file.close()
    return found


# Links.


def test_a_link_opens_once_and_for_its_guardian_only(timed: Vault, clock: Clock) -> None:
    guardian = add_guardian(timed, add_somebody(timed, 1))
    other = add_guardian(timed, add_somebody(timed, 2))
    with timed.begin() as connection:
        void = links.make_link(timed, connection, "t", guardian)
        secret = links.make_link(timed, connection, "t", guardian)
        foreign = links.make_link(timed, connection, "t", other)
        session = links.open_link(timed, connection, secret)
        visitor = links.find_visitor(timed, connection, session)
        assert visitor is not None
        assert visitor.guardian.id == guardian.id
        for bad, reason in ((void, "unknown"), (secret, "used"), ("", "unknown"), ("x" * 32, "unknown")):
            with pytest.raises(links.LinkError) as caught:
                links.open_link(timed, connection, bad)
            assert caught.value.reason == reason
        assert links.find_visitor(timed, connection, secret) is None  # a link is no session
        clock.now_ms += links.SESSION_LIFE_MS
        assert links.find_visitor(timed, connection, session) is None
        clock.now_ms += links.LINK_LIFE_MS
        with pytest.raises(links.LinkError, match="expired"):
            links.open_link(timed, connection, foreign)
    stored = b"".join(_files(Path(timed.config.vault.data_dir).parent))
    assert all(one.encode() not in stored for one in (secret, session, foreign, void))


# Who has looked.


def test_a_guardian_sees_which_role_looked_and_not_who(timed: Vault) -> None:
    pupil = add_somebody(timed, 1)
    with timed.begin() as connection:
        for detail in ({"role": "nurse"}, {"role": "pe_teacher", "grant": "ab12"}, {"role": "unheard"}):
            audit.record(
                timed, connection, actor="session:li-ming", action="resolve", purpose="health", pupil=pupil, **detail
            )  # fmt: skip
        looks = export.looks(connection, pupil, 10)
    reader = views.Reader("zh", timed.config.zone)
    shown = [views.look_view(one, reader) for one in looks]
    assert [one["who"] for one in shown] == ["学校工作人员", "体育教师", "校医、保健教师"]
    assert [one["what"] for one in shown] == [
        "查看了孩子的姓名（晨检与健康）", "查看了孩子的姓名（晨检与健康），紧急情况", "查看了孩子的姓名（晨检与健康）"
    ]  # fmt: skip
    assert "li-ming" not in f"{looks}{shown}"


# Words.


def test_everything_has_its_words_in_both_languages() -> None:
    assert set(wording.EXPLANATIONS) == set(PURPOSES)
    assert set(wording.RECORD_NAMES) == set(RECORD_TYPES)
    fields = {one for type_ in RECORD_TYPES.values() for one in type_.type.__struct_fields__} - {"pseudonym"}
    assert set(wording.FIELDS_OF_RECORDS) == fields
    values = {*records.SITES, *records.SYMPTOMS, *get_args(records.Meal), *records.DANGERS}
    assert set(wording.VALUE_NAMES) == values
    assert set(wording.FIELD_NAMES) == set(get_args(corrections.Field))
    assert set(wording.RECEIPT_NAMES) == set(get_args(receipts.Kind))


def test_no_repr_quotes_anybody() -> None:
    wish = corrections.Wish("name", "示例小麦")
    assert "示例" not in repr(wish)
    assert "示例" not in repr(msgspec.structs.replace(wish, field="phone"))
