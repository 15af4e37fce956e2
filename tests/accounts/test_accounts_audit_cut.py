"""Old rows of the audit go, the chain stays whole, and nobody else can make rows go like that."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry
from pydantic import ValidationError

from collector.accounts import keeping, trail
from collector.accounts.keeping import AuditKeeper, cut_before_ms
from collector.accounts.settings import AccountsSection
from collector.accounts.trail import Trail, _note
from collector.records import account_audit
from collector.retention import Sweeper
from tests.accounts.accounts_bench import NOW_MS, Bench
from tests.collector.record_databases import KEY, OTHER_KEY, RecordsDatabase, on_both

DAY_MS = 86_400_000
REMOVE_10 = "DELETE FROM account_audit WHERE id <= 10"
OF_THE_CUT = "WHERE action = 'audit_cut'"
LINK_10 = "(SELECT lower(hex(link)) FROM account_audit WHERE id = 10)"


async def years(bench: Bench, months: int = 40) -> Trail:
    """Two rows every thirty days."""
    found = bench.accounts.trail
    bench.now_ms = NOW_MS - months * 30 * DAY_MS
    while bench.now_ms < NOW_MS:
        for n in range(2):
            await found.note("wang", "did", f"something {n}", "校医")
        bench.now_ms += 30 * DAY_MS
    return found


@on_both
async def test_old_months_go_and_the_rest_is_whole(bench: Bench) -> None:
    found = await years(bench)
    rows = await bench.records.look(lambda connection: list(account_audit.walk(connection, 10)))
    notes = [_note(one) for one in rows[1::2]]
    keeper = AuditKeeper(found, 3 * 366)
    removed = await keeper.sweep(bench.now_ms)
    assert removed == 6
    verified = await found.verify()
    assert (verified.rows, verified.problems, verified.cut_to) == (80 - 6 + 1, [], 6)
    (row,) = await found.find(limit=1)
    assert (row.id, row.actor, row.action, row.subject) == (81, "collector", "audit_cut", "1-6")
    assert [one.id for one in await found.find(limit=100)][-1] == 7
    assert [await found.has_noted(one) for one in notes[:5]] == [None, None, True, True, True]
    assert not await found.has_noted("6-00000000")
    assert await keeper.sweep(bench.now_ms) == 0, "nothing more is due"
    bench.go_on(60 * 24 * 60)
    assert await keeper.sweep(bench.now_ms) == 4
    await found.note("wang", "did")
    verified = await found.verify()
    assert (verified.problems, verified.cut_to) == ([], 10)
    assert await found.has_noted(verified.note)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("DELETE FROM account_audit WHERE id <= 10", ["rows 7 to 10: removed"]),
        ("DELETE FROM account_audit WHERE action = 'audit_cut'", ["rows 1 to 6: removed"]),
        (
            f"UPDATE account_audit SET subject = '1-10' {OF_THE_CUT}; {REMOVE_10}",
            ["row 11: does not fit", "row 81: does not fit"],
        ),
        (
            f"UPDATE account_audit SET subject = '1-10', detail = {LINK_10} {OF_THE_CUT}; {REMOVE_10}",
            ["row 81: does not fit"],
        ),
        ("UPDATE account_audit SET detail = '' WHERE id = 9", ["row 9: does not fit"]),
        (
            "UPDATE account_audit SET detail = 'x' WHERE action = 'audit_cut'",
            ["rows 1 to 6: removed", "row 81"],
        ),
    ],
)
async def test_what_others_remove_is_found(
    bench: Bench, database: RecordsDatabase, statement: str, words: list[str]
) -> None:
    found = await years(bench)
    await AuditKeeper(found, 3 * 366).sweep(bench.now_ms)
    for one in statement.split("; "):
        database.change(one)
    problems = [str(one) for one in (await found.verify()).problems]
    assert len(problems) == len(words), problems
    for problem, expected in zip(problems, words, strict=True):
        assert problem.startswith(expected)


async def test_what_was_changed_before_it_went_is_said(bench: Bench, database: RecordsDatabase) -> None:
    found = await years(bench)
    database.change("UPDATE account_audit SET actor = 'li' WHERE id = 3")
    await AuditKeeper(found, 3 * 366).sweep(bench.now_ms)
    (row,) = await found.find(limit=1)
    assert row.detail.endswith(", 1 did not fit")
    assert (await found.verify()).problems == []


async def test_rows_under_a_key_that_was_replaced_go_too(bench: Bench) -> None:
    await years(bench)
    renewed = Trail(bench.records, OTHER_KEY, lambda: bench.now_ms)
    assert await AuditKeeper(renewed, 3 * 366).sweep(bench.now_ms) == 6
    (row,) = await renewed.find(limit=1)
    assert row.detail.endswith(", 6 did not fit"), "nobody here can tell"
    assert (await renewed.verify([KEY])).problems == []


async def test_the_newest_row_stays_and_a_cut_has_a_size(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await years(bench)
    bench.go_on(10 * 366 * 24 * 60)
    for module in (trail, keeping):
        monkeypatch.setattr(module, "CUT_ROWS_MAX", 30)
    keeper = AuditKeeper(found, 3 * 366)
    assert await found.cut(bench.now_ms) == 30
    monkeypatch.undo()
    assert await found.cut(bench.now_ms + 1) == 50, "the row of the first cut is the newest now"
    assert [(one.id, one.subject) for one in await found.find()] == [(82, "31-80"), (81, "1-30")]
    bench.go_on(10 * 366 * 24 * 60)
    assert await keeper.sweep(bench.now_ms) == 1
    assert [(one.id, one.subject) for one in await found.find()] == [(83, "81-81"), (82, "31-80")]
    assert (await found.verify()).problems == []


async def test_what_is_long_overdue_goes_in_several_cuts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await years(bench)
    for module in (trail, keeping):
        monkeypatch.setattr(module, "CUT_ROWS_MAX", 4)
    assert await AuditKeeper(found, 3 * 366).sweep(bench.now_ms) == 6
    assert [one.subject for one in await found.find(limit=2)] == ["5-6", "1-4"]
    assert (await found.verify()).problems == []


async def test_an_empty_audit_and_one_of_one_row_stay(bench: Bench) -> None:
    found = bench.accounts.trail
    assert await found.cut(NOW_MS) == 0
    await found.note("wang", "did")
    assert await found.cut(NOW_MS + 1) == 0
    assert (await found.verify()).rows == 1


async def test_nothing_goes_while_the_clock_is_in_doubt(bench: Bench) -> None:
    found = await years(bench)
    believed = False
    registry = CollectorRegistry()
    sweeper = Sweeper(
        bench.records, registry, lambda: bench.now_ms, lambda: believed, AuditKeeper(found, 3 * 366).sweep
    )
    task = asyncio.create_task(sweeper.run(), name="sweeper")
    await asyncio.sleep(0.2)
    assert (await found.verify()).rows == 80
    task.cancel()
    await asyncio.wait([task])
    believed = True
    await sweeper.sweep()
    assert (await found.verify()).cut_to == 6
    assert registry.get_sample_value("campus_retention_deleted_total", {"record_type": "audit"}) == 6


def test_whole_months_go() -> None:
    def at(text: str) -> int:
        return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1_000)

    assert cut_before_ms(at("2026-11-26T06:00"), 184) == at("2026-05-01T00:00")
    assert cut_before_ms(at("2026-11-01T00:00"), 0) == at("2026-11-01T00:00")
    assert cut_before_ms(at("2026-10-31T23:59"), 0) == at("2026-10-01T00:00")


def test_the_law_asks_for_six_months() -> None:
    assert AccountsSection().audit_days == 1_098
    with pytest.raises(ValidationError):
        AccountsSection(audit_days=183)
