"""15. The audit log is append-only and hash-chained; an edit is detected; kept at least 180 days; reads
of sensitive data are logged.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from collector.accounts.permissions import ROLE_PERMISSIONS
from collector.accounts.principal import Principal
from collector.retention import Sweeper
from identity_vault import keys
from identity_vault.audit import find, prune, record
from identity_vault.cli import app
from identity_vault.config import load_config
from identity_vault.database.engine import VaultUnavailableError
from identity_vault.names import NamesDesk
from identity_vault.vault import Vault, create_vault
from tests.accounts.accounts_bench import Bench
from tests.collector.record_databases import RecordsDatabase
from tests.vault.audit_parts import head_file, problems_of, write_rows
from tests.vault.names_parts import COLLECTOR, Browser, Clock, pseudonym, rows_of
from tests.vault.vault_parts import NOW_MS, add_somebody, make_vault

PASSPHRASE = "four unrelated invented words"
_DAY_MS = 86_400_000


class Installed:
    """A vault as a school has it: files, a passphrase, and commands."""

    def __init__(self, folder: Path) -> None:
        self.file, self.passphrase_file = folder / "vault.toml", folder / "passphrase"
        self.file.write_text(
            '[vault]\nschool = "example-primary"\nkey_file = "vault.key"\ndata_dir = "data"\n'
        )
        self.passphrase_file.write_text(PASSPHRASE)
        self.passphrase_file.chmod(0o600)
        with create_vault(load_config(self.file), PASSPHRASE) as vault:
            write_rows(vault, 9)

    def command(self, *words: str) -> tuple[int, str]:
        result = CliRunner().invoke(
            app,
            ["audit", words[0], str(self.file), "--passphrase-file", str(self.passphrase_file), *words[1:]],
        )
        return result.exit_code, result.output

    def tamper(self, *statements: str) -> None:
        """As somebody who may write the file, with nothing of ours."""
        database = sqlite3.connect(self.file.parent / "data" / "vault.db", isolation_level=None)
        database.execute("DROP TRIGGER audit_no_update")
        database.execute("DROP TRIGGER audit_no_delete")
        for statement in statements:
            database.execute(statement)
        database.close()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installed:
    monkeypatch.setattr(keys, "_COST", 2**10)  # what scrypt costs is of no matter here
    return Installed(tmp_path)


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return make_vault(tmp_path / "plain")


def test_15_what_nobody_touched_verifies(installed: Installed) -> None:
    status, said = installed.command("verify")
    assert (status, "9 rows" in said) == (0, True)


@pytest.mark.parametrize(
    ("statement", "place"),
    [
        ("UPDATE audit SET actor = 'nobody' WHERE seq = 5", "row 5:"),
        ("UPDATE audit SET pupil = NULL WHERE seq = 5", "row 5:"),
        ("DELETE FROM audit WHERE seq = 5", "row 5: removed"),
        ("DELETE FROM audit WHERE seq > 7", "rows 8 to 9: cut off"),
    ],
)
def test_15_an_edit_is_detected_and_its_row_named(installed: Installed, statement: str, place: str) -> None:
    installed.tamper(statement)
    status, said = installed.command("verify")
    assert status == 1
    assert place in said


def test_15_rows_that_changed_places_are_detected(installed: Installed) -> None:
    installed.tamper(
        "UPDATE audit SET seq = 99 WHERE seq = 4",
        "UPDATE audit SET seq = 4 WHERE seq = 5",
        "UPDATE audit SET seq = 5 WHERE seq = 99",
    )
    status, said = installed.command("verify")
    assert status == 1
    assert "row 4:" in said
    assert "row 5:" in said


def test_15_the_log_is_append_only(vault: Vault) -> None:
    write_rows(vault, 1)
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit"):
        with pytest.raises(VaultUnavailableError), vault.begin() as connection:
            connection.exec_driver_sql(statement)


def test_15_it_is_kept_for_180_days(tmp_path: Path, installed: Installed) -> None:
    status, said = installed.command("prune", "--keep-days", "179")
    assert (status, "180 days" in said) == (2, True)
    assert installed.command("prune", "--keep-days", "180") == (0, "✓ 已删除 removed: 0 rows\n")
    clock = Clock(NOW_MS)
    with make_vault(tmp_path / "aged", now_ms=clock.wall_ms) as vault:
        write_rows(vault, 3)
        clock.now_ms += 179 * _DAY_MS
        write_rows(vault, 1)
        for removed in (0, 3):
            with vault.begin() as connection:
                assert prune(vault, connection, actor="command:x", keep_days=180) == removed
            assert problems_of(vault) == []
            clock.now_ms += 2 * _DAY_MS


async def test_15_every_name_that_is_read_is_a_row(vault: Vault) -> None:
    clock = Clock(NOW_MS)
    desk = NamesDesk(vault, COLLECTOR.public_key(), now_s=clock.monotonic_s)
    ids = [add_somebody(vault, number) for number in range(20)]
    asked = [pseudonym(vault, "health", one) for one in ids]
    assert len(await Browser(desk, clock, "nurse", "health").ask(*asked)) == 20
    assert [row.pupil for row in rows_of(vault, "resolve")] == ids
    assert problems_of(vault) == []


def test_15_looking_at_the_log_is_a_row_too(installed: Installed) -> None:
    status, said = installed.command("list", "--limit", "2")
    assert (status, said.count("resolve")) == (0, 2)
    status, said = installed.command("list", "--action", "audit_list")
    assert (status, said.count("audit_list")) == (0, 1)


def test_15_a_row_stands_only_for_what_was_done(vault: Vault) -> None:
    write_rows(vault, 1)
    with pytest.raises(VaultUnavailableError):
        _fail(vault)
    with vault.read() as connection:
        assert len(find(connection)) == 1
    assert '"seq":1,' in head_file(vault).read_text()


def _fail(vault: Vault) -> None:
    with vault.begin() as connection:
        record(vault, connection, actor="a", action="b")
        connection.exec_driver_sql("SELECT nothing FROM nowhere")


async def test_15_who_reads_health_at_the_collector_stands_in_its_audit(tmp_path: Path) -> None:
    database = RecordsDatabase(tmp_path / "records.db")
    records = database.open()
    bench = Bench(records)
    nurse = Principal("li", "nurse", ROLE_PERMISSIONS["nurse"], session="s" * 22)
    for _ in range(3):
        await bench.accounts.trail.note_read(nurse, "alerts.health")
        bench.go_on(10)
    assert [(one.actor, one.subject) for one in await bench.accounts.trail.find()] == [
        ("li", "alerts.health")
    ] * 3
    assert (await bench.accounts.trail.verify()).problems == []
    database.change("UPDATE account_audit SET actor = 'zhao' WHERE id = 2")
    assert [one.first for one in (await bench.accounts.trail.verify()).problems] == [2]
    database.change("DELETE FROM account_audit WHERE id = 1")
    assert (await bench.accounts.trail.verify()).problems[0].what == "removed"
    await records.close()


async def test_15_nothing_of_the_collector_deletes_a_row_of_its_audit(tmp_path: Path) -> None:
    """Not after 180 days either: who wants them gone has to say so to the database."""
    records = RecordsDatabase(tmp_path / "records.db").open()
    bench = Bench(records)
    await bench.accounts.trail.note("li", "read", "alerts.health")
    bench.now_ms += 400 * _DAY_MS
    await Sweeper(records, CollectorRegistry(), lambda: bench.now_ms).sweep()
    assert len(await bench.accounts.trail.find()) == 1
    await records.close()
