"""Corrections: a guardian asks, the school compares with its papers and decides."""

from __future__ import annotations

import re
from datetime import date
from typing import Final, Literal, NamedTuple

import msgspec
from sqlalchemy import Connection, func, select, update

from identity_vault import roster
from identity_vault.audit import record
from identity_vault.database import tables
from identity_vault.imports.allergens import ALLERGENS, allergen_code
from identity_vault.imports.values import NAME_CHARS_MAX
from identity_vault.rights import receipts
from identity_vault.rights.wording import Text
from identity_vault.vault import Vault

Field = Literal["name", "birth_date", "phone", "allergens"]
OPEN_MAX: Final = 5
"""Of one pupil at a time."""
ALLERGENS_MAX: Final = 20
AGE_YEARS: Final = (2, 25)
_PHONE: Final = re.compile(r"\+?[0-9]{5,20}")
_BETWEEN: Final = re.compile(r"[、,，;；\s]+")


class CorrectionError(ValueError):
    """A wish that cannot be taken down or decided. The text says what would do and repeats no value."""

    def __init__(self, text: Text) -> None:
        super().__init__(text.en)
        self.text = text


class Wish(msgspec.Struct, frozen=True):
    """What somebody wants changed; guardian: whose phone number. The value is forgotten once decided."""

    field: Field
    value: str
    guardian: str | None = None

    def __repr__(self) -> str:
        return f"Wish(field={self.field!r}, …)"


class Correction(NamedTuple):
    """One wish as the database has it."""

    id: int
    pupil: str
    receipt: str
    made_ms: int
    wish: Wish


def ask(
    vault: Vault, connection: Connection, actor: str, guardian: roster.Guardian, field: Field, value: str
) -> str:
    """Takes a guardian's wish down; the receipt's code. Raises CorrectionError."""
    wish = Wish(field, read_value(vault, field, value), guardian.id if field == "phone" else None)
    table, now_ms = tables.corrections, vault.now_ms()
    waiting = (table.c.pupil == guardian.pupil) & (table.c.state == "asked")
    count = connection.scalar(select(func.count()).select_from(table).where(waiting)) or 0
    if count >= OPEN_MAX:
        raise CorrectionError(
            Text("还有几项更正在等学校处理，请稍后再提", "Several corrections wait for the school; please ask again later")
        )  # fmt: skip
    detail = receipts.Detail(field=field, state="asked")
    code = receipts.add(connection, "correction", guardian.pupil, now_ms, detail)
    values = {
        "pupil": guardian.pupil, "receipt": code, "state": "asked", "made_ms": now_ms,
        "sealed": vault.fields.seal(wish, _about(code)),
    }  # fmt: skip
    connection.execute(table.insert().values(values))
    record(
        vault,
        connection,
        actor=actor,
        action="correction_ask",
        pupil=guardian.pupil,
        field=field,
        receipt=code,
    )
    return code


def waiting(vault: Vault, connection: Connection, correction_id: int | None = None) -> list[Correction]:
    """Wishes nobody has decided yet, the oldest first; or the one with this id."""
    table = tables.corrections
    query = select(table).where(table.c.state == "asked").order_by(table.c.id)
    if correction_id is not None:
        query = query.where(table.c.id == correction_id)
    return [
        Correction(
            row.id,
            row.pupil,
            row.receipt,
            row.made_ms,
            vault.fields.open(row.sealed, _about(row.receipt), Wish),
        )
        for row in connection.execute(query)
    ]


def decide(
    vault: Vault, connection: Connection, actor: str, correction_id: int, *, accept: bool
) -> Correction | None:
    """Carries a wish out, or declines it; None where none with this id waits."""
    found = waiting(vault, connection, correction_id)
    if not found:
        return None
    correction = found[0]
    if accept:
        _carry_out(vault, connection, correction)
    state, now_ms = "done" if accept else "declined", vault.now_ms()
    forgotten = msgspec.structs.replace(correction.wish, value="")
    values = {
        "state": state, "decided_ms": now_ms, "sealed": vault.fields.seal(forgotten, _about(correction.receipt)),
    }  # fmt: skip
    connection.execute(
        update(tables.corrections).where(tables.corrections.c.id == correction_id).values(values)
    )
    detail = receipts.Detail(field=correction.wish.field, state=state, completed_ms=now_ms)
    receipts.amend(connection, correction.receipt, detail)
    record(
        vault, connection, actor=actor, action="correction_decide", pupil=correction.pupil,
        field=correction.wish.field, state=state, receipt=correction.receipt,
    )  # fmt: skip
    return correction


def read_value(vault: Vault, field: Field, text: str) -> str:
    """A value as it will be stored. Raises CorrectionError."""
    value = " ".join(text.split())
    if not value.isprintable():
        value = ""
    if field == "allergens":
        return ",".join(_allergens(value))
    if field == "birth_date":
        return _birth_date(vault, value)
    if field == "phone":
        digits = re.sub(r"[ -]", "", value)
        if not _PHONE.fullmatch(digits):
            raise CorrectionError(Text("请填写手机号，只用数字", "Please give a phone number, digits only"))
        return digits
    if not 1 <= len(value) <= NAME_CHARS_MAX:
        raise CorrectionError(
            Text(f"请填写姓名，最多 {NAME_CHARS_MAX} 个字", f"Please give a name of up to {NAME_CHARS_MAX} characters")
        )  # fmt: skip
    return value


def _birth_date(vault: Vault, value: str) -> str:
    try:
        born = date.fromisoformat(value)
        years = roster.age_on(born.isoformat(), vault.now_ms(), vault.config.zone)
    except ValueError:
        years = -1
    if not AGE_YEARS[0] <= years <= AGE_YEARS[1]:
        raise CorrectionError(
            Text("请按“年-月-日”填写出生日期，例如 2017-03-09", "Please give the date of birth as year-month-day: 2017-03-09")
        )  # fmt: skip
    return born.isoformat()


def _allergens(value: str) -> list[str]:
    """Codes of groups, as the roster keeps them."""
    words = [one for one in _BETWEEN.split(value) if one and one.lower() not in {"无", "没有", "none"}]
    codes = [allergen_code(one) for one in words[: ALLERGENS_MAX + 1]]
    if len(words) > ALLERGENS_MAX or None in codes:
        known = "、".join(words[0] for words in ALLERGENS.values())
        raise CorrectionError(
            Text(f"请用顿号隔开，只写这些：{known}", f"Please use these words only: {', '.join(ALLERGENS)}")
        )
    return list(dict.fromkeys(one for one in codes if one is not None))


def _carry_out(vault: Vault, connection: Connection, correction: Correction) -> None:
    field, value = correction.wish.field, correction.wish.value
    if field == "phone":
        for guardian in roster.guardians_of(vault, connection, [correction.pupil]):
            if guardian.id == correction.wish.guardian:
                details = msgspec.structs.replace(guardian.details, phone=value)
                roster.change_guardian(vault, connection, guardian.id, details)
        return
    pupil = roster.get_pupil(vault, connection, correction.pupil)
    assert pupil is not None, "corrections go with their pupil"
    changed: object = tuple(filter(None, value.split(","))) if field == "allergens" else value
    details_now = msgspec.structs.replace(pupil.details, **{field: changed})
    roster.change_pupil(vault, connection, pupil.id, details=details_now)
    # Age decides on consent and on the limits of the heart rate.
    roster.bump(connection)


def _about(code: str) -> str:
    return f"corrections.sealed/{code}"
