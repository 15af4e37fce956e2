"""The audit's chain: whatever is done to its rows without the key is found, and located."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select, text

from identity_vault.audit import (
    AuditDamagedError,
    Entry,
    Problem,
    find,
    has_noted,
    note_of,
    prune,
    record,
    record_many,
)
from identity_vault.audit.chain import Link, audit_key
from identity_vault.audit.checking import PROBLEMS_MAX
from identity_vault.audit.head import move_head
from identity_vault.database.engine import VaultUnavailableError
from identity_vault.database.tables import audit
from identity_vault.vault import Vault
from tests.vault.audit_parts import head_file, problems_of, tamper, tried, write_rows
from tests.vault.vault_parts import NOW_MS, make_vault

ROWS = 12
_DAY_MS = 86_400_000


def test_a_chain_that_nobody_touched_is_whole(any_vault: Vault) -> None:
    assert problems_of(any_vault) == []  # nothing was ever written
    write_rows(any_vault, 3)
    with any_vault.begin() as connection:
        record_many(any_vault, connection, [Entry("collector", "join", detail={"陈": ["甲", "乙"]})] * 50)
    assert problems_of(any_vault) == []
    with any_vault.read() as connection:
        rows = find(connection, action="join", limit=2)
    assert [row.seq for row in rows] == [52, 53]
    assert rows[0].detail == '{"陈":["甲","乙"]}'


def test_a_transaction_that_fails_leaves_no_row(any_vault: Vault) -> None:
    write_rows(any_vault, 2)
    with pytest.raises(VaultUnavailableError):
        _write_and_fail(any_vault)
    write_rows(any_vault, 1)
    assert problems_of(any_vault) == []
    with any_vault.read() as connection:
        assert [row.seq for row in find(connection)] == [1, 2, 3]


def _write_and_fail(vault: Vault) -> None:
    with vault.begin() as connection:
        record(vault, connection, actor="a", action="b")
        connection.execute(text("SELECT nothing FROM nowhere"))


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = 'x'", "DELETE FROM audit"])
def test_the_database_refuses_to_change_a_row(any_vault: Vault, statement: str) -> None:
    write_rows(any_vault, 1)
    with pytest.raises(VaultUnavailableError, match="only added to"), any_vault.begin() as connection:
        connection.execute(text(statement))


TAMPERINGS = [
    ("UPDATE audit SET actor = 'nobody' WHERE seq = 5", [Problem("changed", 5, 5)]),
    ("UPDATE audit SET at_ms = at_ms + 1 WHERE seq = 1", [Problem("changed", 1, 1)]),
    ("UPDATE audit SET pupil = NULL WHERE seq = 12", [Problem("changed", 12, 12)]),
    (
        "UPDATE audit SET mac = (SELECT mac FROM audit WHERE seq = 4) WHERE seq = 5",
        [Problem("changed", 5, 5), Problem("changed", 6, 6)],
    ),
    ("DELETE FROM audit WHERE seq = 5", [Problem("missing", 5, 5), Problem("unanchored", 6, 6)]),
    ("DELETE FROM audit WHERE seq < 4", [Problem("missing", 1, 3), Problem("unanchored", 4, 4)]),
    ("DELETE FROM audit WHERE seq > 9", [Problem("cut", 10, 12)]),
    ("DELETE FROM audit", [Problem("cut", 1, 12)]),
    (
        "INSERT INTO audit SELECT 13, at_ms, actor, action, purpose, pupil, detail, mac FROM audit WHERE seq = 3",
        [Problem("changed", 13, 13)],
    ),
    (
        "INSERT INTO audit SELECT -1, at_ms, actor, action, purpose, pupil, detail, mac FROM audit WHERE seq = 3",
        [Problem("changed", -1, -1)],
    ),
]


def test_tampering_is_found_and_located(any_vault: Vault) -> None:
    write_rows(any_vault, ROWS)
    for statement, problems in TAMPERINGS:
        assert tried(any_vault, statement) == problems, statement
    assert problems_of(any_vault) == []


def test_two_rows_that_changed_places_are_found(vault: Vault) -> None:
    write_rows(vault, ROWS)
    problems = tried(
        vault,
        "UPDATE audit SET seq = 99 WHERE seq = 5",
        "UPDATE audit SET seq = 5 WHERE seq = 6",
        "UPDATE audit SET seq = 6 WHERE seq = 99",
    )
    assert problems == [Problem("changed", seq, seq) for seq in (5, 6, 7)]


_EDITS = st.one_of(
    st.tuples(st.just("delete"), st.integers(1, ROWS), st.just("")),
    st.tuples(st.just("copy"), st.integers(1, ROWS), st.integers(1, ROWS).map(str)),
    st.tuples(
        st.sampled_from(["at_ms", "actor", "action", "purpose", "pupil", "detail"]),
        st.integers(1, ROWS),
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=3),
    ),
)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Vault:
    vault = make_vault(tmp_path_factory.mktemp("chain"))
    write_rows(vault, ROWS)
    return vault


@pytest.mark.parametrize("value", ["CAST(x'ff' AS TEXT)", "NULL", "x'00'", "9e999", "''", "-1"])
@pytest.mark.parametrize("column", ["at_ms", "actor", "action", "purpose", "pupil", "detail", "mac"])
def test_what_sqlite_lets_stand_anywhere_is_found_too(chain: Vault, column: str, value: str) -> None:
    if value == "NULL" and column not in {"purpose", "pupil"}:
        value = "zeroblob(3)"  # NULL the table refuses
    problems = tried(chain, f"UPDATE audit SET {column} = {value} WHERE seq = 2")
    assert problems[0] == Problem("changed", 2, 2)


@settings(max_examples=60, deadline=None)
@given(st.lists(_EDITS, min_size=1, max_size=4))
def test_whatever_changes_a_row_is_found_and_nothing_else(
    chain: Vault, edits: list[tuple[str, int, str]]
) -> None:
    before: dict[int, tuple[object, ...]] = {}
    after: dict[int, tuple[object, ...]] = {}

    def work(connection: Connection) -> None:
        before.update(_rows(connection))
        for what, seq, value in edits:
            _edit(connection, what, seq, value)
        after.update(_rows(connection))

    problems = tried(chain, work)
    touched = {seq for seq in before if before[seq] != after.get(seq)}
    assert bool(problems) == bool(touched)
    reported = {seq for one in problems for seq in range(one.first, one.last + 1)}
    assert touched <= reported | {seq for seq in touched if seq - 1 in touched}
    assert reported <= touched | {seq + 1 for seq in touched}


def _rows(connection: Connection) -> dict[int, tuple[object, ...]]:
    return {row[0]: tuple(row[1:]) for row in connection.execute(select(audit))}


def _edit(connection: Connection, what: str, seq: int, value: str) -> None:
    if what == "delete":
        connection.execute(audit.delete().where(audit.c.seq == seq))
    elif what == "copy":
        row = connection.execute(select(audit).where(audit.c.seq == int(value))).mappings().first()
        if row is not None:
            content = {name: row[name] for name in row if name != "seq"}
            connection.execute(audit.update().where(audit.c.seq == seq).values(**content))
    else:
        wanted = len(value) if what == "at_ms" else value
        connection.execute(audit.update().where(audit.c.seq == seq).values(**{what: wanted}))


def test_a_head_that_is_behind_is_a_crash_and_no_tampering(vault: Vault) -> None:
    write_rows(vault, 3)
    old = head_file(vault).read_bytes()
    write_rows(vault, 2)
    head_file(vault).write_bytes(old)
    assert problems_of(vault) == []
    write_rows(vault, 1)
    assert problems_of(vault) == []
    tamper(vault, "DELETE FROM audit WHERE seq > 5")
    assert problems_of(vault) == [Problem("cut", 6, 6)]


def test_what_was_cut_off_stays_found_when_the_vault_goes_on(vault: Vault) -> None:
    write_rows(vault, ROWS)
    tamper(vault, "DELETE FROM audit WHERE seq > 9")
    write_rows(vault, 2)
    assert problems_of(vault) == [Problem("missing", 10, 12), Problem("unanchored", 13, 13)]


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff", b'{"seq":2,"mac":"00","seal":"00"}'])
def test_a_lost_head_is_found_and_stays_so(vault: Vault, content: bytes | None) -> None:
    write_rows(vault, 3)
    if content is None:
        head_file(vault).unlink()
    else:
        head_file(vault).write_bytes(content)
    assert problems_of(vault) == [Problem("head", 0, 0)]
    write_rows(vault, 1)
    assert problems_of(vault) == [Problem("head", 4, 4)]


def test_an_audit_that_was_taken_away_whole_does_not_begin_anew(any_vault: Vault) -> None:
    write_rows(any_vault, 3)
    tamper(any_vault, "DELETE FROM audit")
    head_file(any_vault).unlink()
    write_rows(any_vault, 2)
    assert problems_of(any_vault) == [Problem("head", 1, 1)]


def test_a_head_of_the_past_does_not_hide_a_cut(vault: Vault) -> None:
    write_rows(vault, 3)
    forged = head_file(vault).read_text().replace('"seq":3', '"seq":2')
    tamper(vault, "DELETE FROM audit WHERE seq = 3")
    head_file(vault).write_text(forged)
    assert problems_of(vault) == [Problem("head", 0, 0)]


def test_the_head_never_goes_back(vault: Vault) -> None:
    write_rows(vault, 3)
    before = head_file(vault).read_bytes()
    move_head(vault.config.vault.data_dir, audit_key(vault.keys), Link(2, bytes(32)))
    assert head_file(vault).read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_what_root_writes_stays_the_owners(vault: Vault) -> None:
    os.chown(head_file(vault).parent, 12345, 12345)
    write_rows(vault, 1)
    for file in head_file(vault).parent.glob("audit.head*"):
        assert (file.stat().st_uid, file.stat().st_mode & 0o777) == (12345, 0o600)


def test_a_head_that_cannot_be_written_stops_nobody(vault: Vault) -> None:
    write_rows(vault, 1)
    lock = head_file(vault).with_name("audit.head.lock")
    lock.unlink()
    lock.mkdir()
    write_rows(vault, 1)
    lock.rmdir()
    assert problems_of(vault) == []


def test_another_vaults_key_does_not_fit(tmp_path: Path, vault: Vault) -> None:
    write_rows(vault, 2)
    with make_vault(tmp_path, seed=bytes(32)) as other:
        assert [one.kind for one in problems_of(other)] == ["head", "changed", "changed"]


def _write_each(vault: Vault) -> None:
    for _ in range(25):
        write_rows(vault, 1)


def test_writers_beside_each_other_make_one_chain(tmp_path: Path) -> None:
    with make_vault(tmp_path) as first, make_vault(tmp_path) as second:
        threads = [threading.Thread(target=_write_each, args=(one,)) for one in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems_of(first) == []
        with first.read() as connection:
            assert len(find(connection)) == 50
        assert '"seq":50' in head_file(first).read_text()


_WRITE = """
import sys
from pathlib import Path
from tests.vault.audit_parts import write_rows
from tests.vault.vault_parts import make_vault
vault = make_vault(Path(sys.argv[1]))
while True:
    write_rows(vault, 1)
    print(flush=True)
"""


def test_a_process_that_is_killed_leaves_a_whole_chain(tmp_path: Path) -> None:
    make_vault(tmp_path).close()
    for rows in (1, 30):
        process = subprocess.Popen(
            [sys.executable, "-c", _WRITE, tmp_path],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": "."},
        )
        assert process.stdout is not None
        for _ in range(rows):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with make_vault(tmp_path) as vault:
            assert problems_of(vault) == []


def test_too_many_problems_are_not_all_told(vault: Vault) -> None:
    with vault.begin() as connection:
        record_many(vault, connection, [Entry("a", "b")] * (PROBLEMS_MAX + 50))
    tamper(vault, "UPDATE audit SET actor = 'x'")
    assert len(problems_of(vault)) == PROBLEMS_MAX


@pytest.mark.parametrize("action", ["", "x" * 33])
def test_an_action_is_one_short_word(vault: Vault, action: str) -> None:
    with pytest.raises(ValueError, match="action"), vault.begin() as connection:
        record(vault, connection, actor="a", action=action)


def test_an_actor_out_of_a_token_cannot_break_a_line(any_vault: Vault) -> None:
    with any_vault.begin() as connection:
        record(any_vault, connection, actor="session:\0\n\x1b" + "x" * 100, action="resolve")
    with any_vault.read() as connection:
        (row,) = find(connection)
    assert row.actor == ("session:???" + "x" * 100)[:80]
    assert problems_of(any_vault) == []


class _Aged:
    """A vault whose clock is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.now_ms = NOW_MS
        self.vault = make_vault(folder, now_ms=lambda: self.now_ms)

    def prune(self, keep_days: int = 180, *, damaged: bool = False) -> int:
        with self.vault.begin() as connection:
            return prune(self.vault, connection, actor="command:x", keep_days=keep_days, damaged=damaged)


@pytest.fixture
def aged(tmp_path: Path) -> _Aged:
    """Ten rows of NOW_MS, ten of 200 days later."""
    made = _Aged(tmp_path)
    write_rows(made.vault, 10)
    made.now_ms += 200 * _DAY_MS
    write_rows(made.vault, 10)
    return made


def test_pruning_leaves_a_chain_that_verifies(aged: _Aged) -> None:
    assert aged.prune() == 10
    assert problems_of(aged.vault) == []
    write_rows(aged.vault, 1)
    with aged.vault.read() as connection:
        rows = find(connection)
        assert has_noted(connection, note_of(connection))
        assert has_noted(connection, "5-00000000")  # pruned
        assert not has_noted(connection, "12-00000000")
        assert not has_noted(connection, f"{10**17}-00000000")
    assert rows[0].seq == 11
    assert [row.action for row in rows[-2:]] == ["audit_prune", "resolve"]
    assert aged.prune() == 0
    aged.now_ms += 400 * _DAY_MS
    assert aged.prune() == 11  # the last row stays
    write_rows(aged.vault, 1)
    assert problems_of(aged.vault) == []


def test_pruning_puts_the_fence_up_again(aged: _Aged) -> None:
    aged.prune()
    with pytest.raises(VaultUnavailableError), aged.vault.begin() as connection:
        connection.execute(text("DELETE FROM audit"))


def test_what_is_younger_than_180_days_stays(aged: _Aged) -> None:
    with pytest.raises(ValueError, match="180"):
        aged.prune(179)
    assert aged.prune(201) == 0
    aged.now_ms += 179 * _DAY_MS
    assert aged.prune() == 10


def test_nobody_else_can_prune(aged: _Aged) -> None:
    aged.prune()
    tamper(aged.vault, "DELETE FROM audit WHERE seq < 15")
    assert problems_of(aged.vault) == [Problem("missing", 11, 14), Problem("unanchored", 15, 15)]


def test_rows_from_before_the_anchor_do_not_come_back(aged: _Aged) -> None:
    aged.prune()
    tamper(
        aged.vault,
        "INSERT INTO audit SELECT 5, at_ms, actor, action, purpose, pupil, detail, mac FROM audit WHERE seq = 15",
    )
    assert problems_of(aged.vault) == [
        Problem("missing", 1, 4), Problem("unanchored", 5, 5),
        Problem("missing", 6, 10), Problem("unanchored", 11, 11),
    ]  # fmt: skip


def test_an_anchor_that_was_moved_is_found(aged: _Aged) -> None:
    aged.prune()
    tamper(
        aged.vault,
        "UPDATE audit SET detail = replace(detail, '\"through\":10', '\"through\":12') WHERE action = 'audit_prune'",
        "DELETE FROM audit WHERE seq < 13",
    )
    assert [one.kind for one in problems_of(aged.vault)] == ["changed", "changed"]


def test_evidence_is_not_pruned_by_mistake(aged: _Aged) -> None:
    tamper(aged.vault, "UPDATE audit SET actor = 'x' WHERE seq = 3")
    with pytest.raises(AuditDamagedError, match="row 3"):
        aged.prune()
    assert problems_of(aged.vault) == [Problem("changed", 3, 3)]
    assert aged.prune(damaged=True) == 10
    assert problems_of(aged.vault) == []


def test_pruning_on_postgresql(any_vault: Vault) -> None:
    write_rows(any_vault, 3)
    any_vault.now_ms = lambda: NOW_MS + 181 * _DAY_MS
    write_rows(any_vault, 1)
    with any_vault.begin() as connection:
        assert prune(any_vault, connection, actor="x", keep_days=180) == 3
    assert problems_of(any_vault) == []
    with pytest.raises(VaultUnavailableError), any_vault.begin() as connection:
        connection.execute(text("DELETE FROM audit"))
