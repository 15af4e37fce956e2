"""A roster in the vault: all or nothing, the same again changes nothing, consent is never invented."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from identity_vault.audit import find
from identity_vault.database import tables
from identity_vault.imports.headers import load_headers
from identity_vault.imports.problems import ImportProblems
from identity_vault.imports.roster_apply import import_roster, plan_in, read_roster
from identity_vault.imports.roster_plan import Plan
from identity_vault.roster import (
    all_pupils,
    class_names,
    consents_of,
    credentials_of,
    effective,
    find_pupil,
    guardians_of,
    map_version,
    put_class,
    withdraw_consent,
)
from identity_vault.vault import Vault
from telemetry.purposes import Purpose
from tests.vault.vault_parts import NOW_MS

TITLES = "学号,姓名,班级,出生日期,卡号,手环地址,监护人姓名,监护人电话,同意:health,同意:sport,凭证\n"
ONE = "1,示例甲,三1,2017-01-01,04:A1:B2:C3,A4C138000001,家长甲,15400000001,2026-09-01,,一号柜\n"
TWO = "2,示例乙,三1,2017-01-02,04:A1:B2:C4,,家长乙,15400000002,,,\n"
DAY_MS = 86_400_000


def take(vault: Vault, *texts: str, mark_left: bool = False) -> Plan:
    files = [(f"{at}.csv", (TITLES + text).encode()) for at, text in enumerate(texts)]
    found = read_roster(vault, files, load_headers()["roster"])
    return import_roster(vault, found, missing="mark-left" if mark_left else "leave")


def refused(vault: Vault, *texts: str) -> list[str]:
    with pytest.raises(ImportProblems) as caught:
        take(vault, *texts)
    return [str(problem) for problem in caught.value.problems]


def content(vault: Vault) -> list[object]:
    """Everything in the vault but the audit."""
    with vault.read() as connection:
        return [
            connection.execute(select(table)).all()
            for table in tables.metadata.sorted_tables
            if table is not tables.audit
        ]


def cards(vault: Vault, number: str) -> list[str]:
    """What leads to a pupil now."""
    with vault.read() as connection:
        pupil = find_pupil(vault, connection, number)
        assert pupil is not None
        held = credentials_of(vault, connection, [pupil.id])
    return sorted(one.value for one in held if one.until_ms is None)


def purposes(vault: Vault, number: str) -> set[Purpose]:
    with vault.read() as connection:
        pupil = find_pupil(vault, connection, number)
        assert pupil is not None
        found = effective([pupil], consents_of(connection), vault.now_ms(), vault.config.zone)
    return set(found[pupil.id]) - {"safety"}


def test_pupils_come_with_everything_and_with_their_rows_of_the_audit(any_vault: Vault) -> None:
    plan = take(any_vault, ONE, TWO)
    assert (len(plan.added), [one.id for one in plan.classes]) == (2, ["3-1"])
    with any_vault.read() as connection:
        one, two = all_pupils(any_vault, connection)
        (guardian,) = guardians_of(any_vault, connection, [one.id])
        (consent,) = consents_of(connection)
        audit = find(connection, limit=10)
        assert map_version(connection) == 2
        assert class_names(connection) == {"3-1": ("三（1）班", "Class 3-1")}
    assert (one.details.name, two.class_id, guardian.details.phone) == ("示例甲", "3-1", "15400000001")
    assert (consent.pupil, consent.purpose, consent.given_by) == (one.id, "health", "guardian")
    assert consent.given_ms == 1_788_192_000_000  # 2026-09-01 00:00 in Shanghai
    assert cards(any_vault, "1") == ["04A1B2C3", "band:A4C138000001"]
    assert (purposes(any_vault, "1"), purposes(any_vault, "2")) == ({"health"}, set())
    assert [(row.action, row.pupil) for row in audit if row.action.startswith("import")] == [
        ("import_roster", None),
        ("import_added", one.id),
        ("import_added", two.id),
    ]


def test_the_same_file_again_and_a_dry_run_change_nothing(vault: Vault) -> None:
    take(vault, ONE + TWO)
    before = content(vault)
    again = take(vault, ONE + TWO)
    assert (again.unchanged, again.changes) == (2, False)
    found = read_roster(
        vault, [("a.csv", (TITLES + ONE.replace("示例甲", "示例丙")).encode())], load_headers()["roster"]
    )
    with vault.read() as connection:
        plan = plan_in(vault, connection, found)
    assert [change.parts for change in plan.changed] == [["details"]]
    assert content(vault) == before


def test_one_bad_row_in_any_file_and_nothing_is_imported(vault: Vault) -> None:
    before = content(vault)
    said = refused(vault, ONE, TWO.replace("2017-01-02", "2099-01-01"))
    assert said == ["1.csv:2 出生日期: makes an age outside 5 to 20 years; correct the date of birth"]
    assert content(vault) == before
    with vault.read() as connection:
        assert not [row for row in find(connection, limit=10) if row.action == "import_roster"]


def test_a_fault_in_the_middle_of_the_writing_leaves_nothing(vault: Vault) -> None:
    before = content(vault)
    found = read_roster(vault, [("a.csv", (TITLES + ONE + TWO).encode())], load_headers()["roster"])

    def fail_at_the_second(done: int, _total: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_roster(vault, found, report=fail_at_the_second)
    assert content(vault) == before


def test_numbers_and_cards_of_two_are_refused_across_files(vault: Vault) -> None:
    assert refused(vault, ONE, ONE.replace("04:A1:B2:C3", "").replace("A4C138000001", "")) == [
        "1.csv:2 学号: is the student number of 0.csv:2 too; take one row out"
    ]
    assert refused(vault, ONE, TWO.replace("04:A1:B2:C4", "0077705923")) == [  # 04A1B2C3 in decimal
        "1.csv:2 卡号: is in 0.csv:2 too; give it to one pupil"
    ]
    take(vault, ONE)
    assert refused(vault, TWO.replace("04:A1:B2:C4", "04A1B2C3")) == [
        "0.csv:2 卡号: is another pupil's in the vault; write 无 or the new one in that pupil's row, or correct this one"
    ]


def test_a_card_goes_from_one_to_another_in_one_import(vault: Vault) -> None:
    take(vault, ONE + TWO)
    take(vault, TWO.replace("04:A1:B2:C4", "04:A1:B2:C3") + ONE.replace("04:A1:B2:C3", "04:A1:B2:C4"))
    assert cards(vault, "1") == ["04A1B2C4", "band:A4C138000001"]
    assert cards(vault, "2") == ["04A1B2C3"]


def test_an_empty_cell_says_nothing_and_wu_says_none(vault: Vault) -> None:
    take(vault, ONE)
    assert not take(vault, ONE.replace("04:A1:B2:C3", "").replace("家长甲,15400000001", ",")).changes
    take(vault, ONE.replace("04:A1:B2:C3", "无"))
    assert cards(vault, "1") == ["band:A4C138000001"]
    take(vault, ONE)
    assert cards(vault, "1") == ["04A1B2C3", "band:A4C138000001"]


def test_one_kind_of_station_says_nothing_of_another(vault: Vault) -> None:
    titles = "学号,姓名,班级,出生日期,站点编号:hikvision,站点编号:wecom\n"
    for row in ("1,示例甲,三1,2017-01-01,77,wo-1\n", "1,示例甲,三1,2017-01-01,78,\n"):
        found = read_roster(vault, [("a.csv", (titles + row).encode())], load_headers()["roster"])
        import_roster(vault, found)
    assert cards(vault, "1") == ["hikvision:78", "wecom:wo-1"]


def test_guardians_are_known_by_phone_or_name(vault: Vault) -> None:
    take(vault, ONE)
    take(vault, ONE.replace("家长甲", "家长丙"))
    take(vault, ONE.replace("家长甲", "家长丙").replace("15400000001", "15400000003"))
    take(vault, ONE.replace("家长甲,15400000001", "家长丁,15400000004"))
    with vault.read() as connection:
        said = {(one.details.name, one.details.phone) for one in guardians_of(vault, connection)}
    assert said == {("家长丙", "15400000003"), ("家长丁", "15400000004")}


def test_a_withdrawal_is_not_undone_by_an_old_list_but_by_a_newer_consent(vault: Vault) -> None:
    take(vault, ONE)
    with vault.begin() as connection:
        pupil = find_pupil(vault, connection, "1")
        assert pupil is not None
        withdraw_consent(connection, pupil.id, "health", NOW_MS - 2 * DAY_MS)
    assert purposes(vault, "1") == set()
    plan = take(vault, ONE)
    assert (plan.older_consents, plan.changes, purposes(vault, "1")) == (1, False, set())
    take(vault, ONE.replace("2026-09-01", "2026-09-09"))
    assert purposes(vault, "1") == {"health"}


def test_a_silent_list_neither_gives_nor_takes_consent(vault: Vault) -> None:
    take(vault, ONE)
    assert not take(vault, ONE.replace("2026-09-01", "")).changes
    assert purposes(vault, "1") == {"health"}


def test_consent_needs_somebody_entitled(vault: Vault) -> None:
    nobody = ONE.replace("家长甲,15400000001", ",")
    assert "is a guardian's consent, and there is no guardian" in refused(vault, nobody)[0]
    titles = TITLES.replace("监护人电话", "同意人").encode()
    for born, is_allowed in (("2017-01-01", False), ("2012-01-01", True)):
        row = ONE.replace("家长甲,15400000001", "家长甲,本人").replace("2017-01-01", born)
        found = read_roster(vault, [("a.csv", titles + row.encode())], load_headers()["roster"])
        if is_allowed:
            import_roster(vault, found)
        else:
            with pytest.raises(ImportProblems, match="1 problems"):
                import_roster(vault, found)
    assert purposes(vault, "1") == {"health"}


def test_who_is_missing_is_told_or_marked_and_may_come_back(vault: Vault) -> None:
    take(vault, ONE + TWO)
    other = ONE.replace("1,示例甲,三1", "3,示例丙,四1").replace("04:A1:B2:C3", "").replace("A4C138000001", "")
    take(vault, other)
    plan = take(vault, TWO)
    assert (len(plan.missing), plan.elsewhere, plan.changes) == (1, 1, False)
    plan = take(vault, TWO, mark_left=True)
    states = {}
    with vault.read() as connection:
        states = {one.details.student_number: one.state for one in all_pupils(vault, connection)}
    assert states == {"1": "left", "2": "active", "3": "active"}
    assert cards(vault, "1") == []
    # A card of who left may be given to another.
    take(vault, TWO.replace("04:A1:B2:C4", "04:A1:B2:C3"))
    assert cards(vault, "2") == ["04A1B2C3"]
    take(vault, ONE.replace("04:A1:B2:C3", ""))
    with vault.read() as connection:
        back = find_pupil(vault, connection, "1")
    assert back is not None
    assert back.state == "active"
    assert cards(vault, "1") == ["band:A4C138000001"]


def test_a_class_keeps_the_name_the_school_gave_it(vault: Vault) -> None:
    with vault.begin() as connection:
        put_class(connection, "3-1", "向日葵班", "Sunflower class")
    take(vault, ONE)
    with vault.read() as connection:
        assert class_names(connection)["3-1"] == ("向日葵班", "Sunflower class")


def test_a_new_pupil_needs_a_date_of_birth_and_a_known_one_keeps_it(vault: Vault) -> None:
    without = ONE.replace("2017-01-01", "")
    assert refused(vault, without) == [
        "0.csv:2 出生日期: is missing for a new pupil; write the date of birth"
    ]
    take(vault, ONE)
    assert not take(vault, without).changes


@pytest.mark.parametrize("what", ["示例甲", "15400000001", "04A1B2C3", "A4C138000001", "家长甲"])
def test_problems_quote_nobody(vault: Vault, what: str) -> None:
    wrongs: list[Callable[[str], str]] = [
        lambda row: row.replace("三1", "?"),
        lambda row: row.replace(what, what * 100),
        lambda row: row.replace("2017-01-01", what),
        lambda row: row.replace("2026-09-01", what),
        lambda row: row.replace("一号柜", ""),
        lambda row: row + row,
    ]
    for wrong in wrongs:
        assert what not in "".join(refused(vault, wrong(ONE.replace("04:A1:B2:C3", "04A1B2C3"))))


def test_a_folder_of_files_is_bounded(vault: Vault, tmp_path: Path) -> None:
    with pytest.raises(ImportProblems, match="1 problems"):
        read_roster(vault, [(f"{at}.csv", b"") for at in range(201)], load_headers()["roster"])
