"""The audit: whoever changes a row, moves, adds or removes one is found."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.accounts.permissions import ROLE_PERMISSIONS
from collector.accounts.principal import Principal
from collector.accounts.trail import GENESIS, Trail, _link
from collector.records.account_audit import StoredAuditRow
from tests.accounts.accounts_bench import NOW_MS, Bench
from tests.collector.record_databases import KEY, OTHER_KEY, RecordsDatabase, on_both

COLUMNS = "at_ms, actor, action, subject, detail, link"
NURSE = Principal("li", "nurse", ROLE_PERMISSIONS["nurse"], session="s" * 22)


async def filled(bench: Bench, rows: int = 6) -> Trail:
    for n in range(rows):
        await bench.accounts.trail.note("wang", "did", f"something {n}", "校医")
    return bench.accounts.trail


@on_both
async def test_a_whole_audit_is_whole_and_read_from_its_end(bench: Bench) -> None:
    trail = await filled(bench)
    found = await trail.verify()
    assert (found.rows, found.problems) == (6, [])
    assert await trail.has_noted(found.note)
    assert not await trail.has_noted("6-00000000")
    assert not await trail.has_noted("7-00000000")
    with pytest.raises(ValueError, match="a note is"):
        await trail.has_noted("no note")
    rows = await trail.find(limit=4)
    assert [one.subject for one in rows] == [f"something {n}" for n in (5, 4, 3, 2)]
    assert [one.id for one in await trail.find(rows[-1].id)] == [2, 1]
    assert rows[0].detail == "校医"
    assert rows[0].at_ms == NOW_MS


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE account_audit SET actor = 'li' WHERE id = 3", ["row 3: does not fit"]),
        ("UPDATE account_audit SET at_ms = at_ms + 1 WHERE id = 1", ["row 1: does not fit"]),
        ("UPDATE account_audit SET detail = '' WHERE id = 6", ["row 6: does not fit"]),
        ("DELETE FROM account_audit WHERE id IN (3, 4)", ["rows 3 to 4: removed"]),
        ("DELETE FROM account_audit WHERE id = 1", ["row 1: removed"]),
        ("UPDATE account_audit SET id = 7 WHERE id = 2", ["row 2: removed", "row 7: does not fit"]),
        (
            "UPDATE account_audit SET link = (SELECT link FROM account_audit WHERE id = 2) WHERE id = 4",
            ["row 4: does not fit", "row 5: does not fit"],
        ),
        (
            f"INSERT INTO account_audit SELECT 7, {COLUMNS} FROM account_audit WHERE id = 6",
            ["row 7: does not fit"],
        ),
    ],
)
async def test_what_was_tampered_with_is_located(
    bench: Bench, database: RecordsDatabase, statement: str, words: list[str]
) -> None:
    trail = await filled(bench)
    database.change(statement)
    problems = [str(one) for one in (await trail.verify()).problems]
    assert len(problems) == len(words)
    for problem, expected in zip(problems, words, strict=True):
        assert problem.startswith(expected)


async def test_rows_cut_off_the_end_are_missed_by_the_note(bench: Bench, database: RecordsDatabase) -> None:
    trail = await filled(bench)
    note = (await trail.verify()).note
    database.change("DELETE FROM account_audit WHERE id > 4")
    assert (await trail.verify()).problems == []
    assert not await trail.has_noted(note)
    for _ in range(2):
        await trail.note("wang", "did", "something else")
    assert not await trail.has_noted(note), "other rows in their place are not those"


async def test_rows_from_before_the_key_was_replaced_need_the_old_key(bench: Bench) -> None:
    await filled(bench, 3)
    renewed = Trail(bench.records, OTHER_KEY, lambda: NOW_MS)
    await renewed.note("wang", "did")
    assert len((await renewed.verify()).problems) == 3
    assert (await renewed.verify([KEY])).problems == []
    # Who has only the old key cannot add to what was written under the new one.
    await bench.accounts.trail.note("thief", "did")
    assert [one.first for one in (await renewed.verify([KEY])).problems] == [5]


texts = st.text(max_size=5)
rows = st.builds(
    StoredAuditRow, st.integers(0, 9), st.integers(0, 9), texts, texts, texts, texts, st.just(b"")
)


@given(rows, rows)
def test_no_two_rows_read_alike(one: StoredAuditRow, other: StoredAuditRow) -> None:
    assert (_link(b"k", GENESIS, one) == _link(b"k", GENESIS, other)) == (one == other)


@on_both
async def test_letters_that_a_database_or_a_terminal_cannot_take(bench: Bench) -> None:
    await bench.accounts.trail.note("a\0b", "x" * 40, "\x1b[31m", "d" * 600)
    (row,) = await bench.accounts.trail.find()
    assert (row.actor, row.action, row.subject, row.detail) == ("a?b", "x" * 32, "?[31m", "d" * 500)
    assert (await bench.accounts.trail.verify()).problems == []


async def test_reading_is_noted_once_in_ten_minutes_a_session_and_purpose(bench: Bench) -> None:
    trail = bench.accounts.trail
    for _ in range(5):
        await trail.note_read(NURSE, "alerts.health")
    await trail.note_read(NURSE, "records.health")
    await trail.note_read(Principal("li", "nurse", NURSE.permissions, session="t" * 22), "alerts.health")
    assert len(await trail.find()) == 3
    bench.go_on(10)
    await trail.note_read(NURSE, "alerts.health")
    rows = await trail.find()
    assert len(rows) == 4
    assert (rows[0].actor, rows[0].action, rows[0].subject) == ("li", "read", "alerts.health")


@on_both
async def test_two_collectors_of_one_database_write_one_chain(
    bench: Bench, database: RecordsDatabase
) -> None:
    records = database.open()
    other = Bench(records)
    secret = (await bench.add()).secret
    before = len(await bench.actions())
    notes = [one.accounts.trail.note("wang", "did", str(n)) for n in range(15) for one in (bench, other)]
    await asyncio.gather(*notes)
    found = await other.accounts.trail.verify()
    assert (found.rows, found.problems) == (before + 30, [])
    assert await other.accounts.session(secret)
    await bench.accounts.sign_out(secret)
    assert await other.accounts.session(secret) is None, "signed out here is signed out there"
    await records.close()
