"""Rights: correction, erasure, links, on both databases."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import get_args

import msgspec
import pytest
from sqlalchemy import select

from identity_vault import audit, roster
from identity_vault.database import tables
from identity_vault.rights import (
    corrections,
    erasure,
    export,
    links,
    receipts,
    views,
    wording,
)
from identity_vault.rights.corrections import CorrectionError
from identity_vault.vault import Vault
from telemetry import records
from telemetry.purposes import PURPOSES
from telemetry.records import RECORD_TYPES
from tests.vault.rights_parts import Clock, add_guardian
from tests.vault.vault_parts import NOW_MS, add_somebody, make_vault


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
