"""The ground of the vault: key file, sealed fields, database, roster, consents, epochs."""

from __future__ import annotations

import sqlite3
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select, text, update

from foundation.keyfiles import KeyFileError
from identity_vault import keys as key_module
from identity_vault.database import tables
from identity_vault.database.engine import (
    DatabaseError,
    VaultUnavailableError,
    create_database,
    open_database,
)
from identity_vault.fields import FieldError, Fields
from identity_vault.keys import VaultKeys, change_passphrase, create_keys, open_keys
from identity_vault.pseudonyms import SHAPE, Pseudonyms, to_base32
from identity_vault.roster import (
    Consent,
    EpochError,
    GuardianDetails,
    Pupil,
    PupilDetails,
    TakenError,
    add_credential,
    add_guardian,
    add_pupil,
    all_pupils,
    begin_epoch,
    bump,
    change_pupil,
    close_epoch,
    consents_of,
    count_pupils,
    credentials_of,
    current_epoch,
    effective,
    end_credentials,
    find_pupil,
    get_pupil,
    guardians_of,
    map_version,
    open_epochs,
    put_class,
    remove_pupil,
    withdraw_consent,
)
from identity_vault.roster.cases import keep_case, owners
from identity_vault.vault import Vault, WrongKeyFileError, create_vault, open_vault, school_year
from telemetry.purposes import PURPOSE_NAMES, Purpose
from tests.postgresql import PostgreSql
from tests.vault.vault_parts import NOW_MS, SCHOOL, SEED, add_somebody, make_config, make_vault

PASSPHRASE = "four unrelated words here"
DAY_MS = 86_400_000


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_module, "_COST", 2**10)


@pytest.mark.usefixtures("cheap")
def test_a_key_file_opens_with_its_passphrase_only(tmp_path: Path) -> None:
    file = tmp_path / "vault.key"
    made = create_keys(file, SCHOOL, PASSPHRASE)
    assert open_keys(file, PASSPHRASE).derive("x") == made.derive("x")
    assert file.stat().st_mode & 0o077 == 0
    with pytest.raises(KeyFileError, match="passphrase is wrong"):
        open_keys(file, PASSPHRASE + " ")
    with pytest.raises(KeyFileError, match="12 characters"):
        create_keys(tmp_path / "other.key", SCHOOL, "short")
    with pytest.raises(KeyFileError, match="exists already"):
        create_keys(file, SCHOOL, PASSPHRASE)
    change_passphrase(file, PASSPHRASE, "quite another passphrase")
    assert open_keys(file, "quite another passphrase").derive("x") == made.derive("x")
    with pytest.raises(KeyFileError, match="passphrase is wrong"):
        open_keys(file, PASSPHRASE)


@pytest.mark.usefixtures("cheap")
def test_a_damaged_key_file_is_told_not_a_crash(tmp_path: Path) -> None:
    file = tmp_path / "vault.key"
    create_keys(file, SCHOOL, PASSPHRASE)
    sound = file.read_bytes()
    for damaged in (
        b"",
        sound[:40],
        sound[:-1],
        sound[:-3] + b"\0\0\0",
        b"nonsense" + sound,
        sound[:20] + b"\xff" * 90,
    ):
        file.write_bytes(damaged)
        with pytest.raises(KeyFileError, match=r"damaged|not the key file|wrong"):
            open_keys(file, PASSPHRASE)


def test_keys_of_two_names_and_two_schools_differ() -> None:
    one, other = VaultKeys(SEED, "school-a"), VaultKeys(SEED, "school-b")
    found = [one.derive("a", "b"), one.derive("ab"), one.derive("a", "b", ""), other.derive("a", "b")]
    assert len(set(found)) == len(found)


@given(st.integers(0, 2**130 - 1))
def test_base32_reads_back(number: int) -> None:
    written = to_base32(number, 26)
    assert SHAPE.fullmatch(written)
    assert (
        int("".join(f"{'0123456789ABCDEFGHJKMNPQRSTVWXYZ'.index(sign):05b}" for sign in written), 2) == number
    )


def test_a_sealed_field_opens_in_its_own_place_only() -> None:
    fields = Fields(VaultKeys(SEED, SCHOOL))
    sealed = fields.seal(("示例生", 1), "pupils.sealed/a")
    assert fields.open(sealed, "pupils.sealed/a", tuple[str, int]) == ("示例生", 1)
    assert fields.seal(("示例生", 1), "pupils.sealed/a") != sealed, "the same twice does not look the same"
    for about, data in (
        ("pupils.sealed/b", sealed),
        ("pupils.sealed/a", sealed[:-1]),
        ("pupils.sealed/a", b""),
        ("pupils.sealed/a", bytes([sealed[0] ^ 1]) + sealed[1:]),
    ):
        with pytest.raises(FieldError, match="does not open"):
            fields.open(data, about, tuple[str, int])
    with pytest.raises(FieldError):
        Fields(VaultKeys(SEED, "another-school")).open(sealed, "pupils.sealed/a", tuple[str, int])
    assert fields.index("phone", "１３９ 0000") == fields.index("phone", "139 0000")
    assert fields.index("phone", "1") != fields.index("number", "1")


def test_the_roster_on_either_database(any_vault: Vault) -> None:
    vault = any_vault
    first = add_somebody(vault, 1)
    second = add_somebody(vault, 2, class_id="3-1", purposes=("health",))
    with vault.begin() as connection:
        with pytest.raises(TakenError, match="student number"):
            add_pupil(
                vault,
                connection,
                "3-2",
                PupilDetails(name="x", student_number="TEST000001", birth_date="2018-01-01"),
            )
        add_credential(vault, connection, first, "card", "04A2B31C5D6E80", NOW_MS)
        add_credential(vault, connection, first, "band", "band:C10000302001", NOW_MS)
        add_credential(vault, connection, first, "card", "04A2B31C5D6E80", NOW_MS)
        with pytest.raises(TakenError, match="card"):
            add_credential(vault, connection, second, "card", "04A2B31C5D6E80", NOW_MS)
        guardian = add_guardian(
            vault, connection, first, GuardianDetails(name="示例家长", phone="000-1", relation="母亲")
        )
        before = map_version(connection)
        assert bump(connection) == before + 1
    with vault.read() as connection:
        found = find_pupil(vault, connection, "TEST000001")
        assert found is not None
        assert (found.id, found.details.name, found.state) == (first, "示例生1", "active")
        assert find_pupil(vault, connection, "TEST999999") is None
        assert [(one.kind, one.value) for one in credentials_of(vault, connection, [first])] == [
            ("card", "04A2B31C5D6E80"),
            ("band", "band:C10000302001"),
        ]
        assert [one.id for one in guardians_of(vault, connection, [first])] == [guardian]
        assert [one.class_id for one in all_pupils(vault, connection)] == ["3-2", "3-1"]
    with vault.begin() as connection:
        end_credentials(connection, [one.id for one in credentials_of(vault, connection, [first])], NOW_MS)
        change_pupil(vault, connection, second, class_id="3-2", state="left")
        remove_pupil(connection, first)
        assert count_pupils(connection) == 1
        assert not credentials_of(vault, connection)
        assert not guardians_of(vault, connection)
        assert {one.pupil for one in consents_of(connection)} == {second}
    third = add_somebody(vault, 3)
    with vault.read() as connection:
        one = get_pupil(vault, connection, third)
        assert one is not None
        assert one.slot == 3, "a deleted pupil's slot is nobody else's"


def fail_half_way(vault: Vault) -> None:
    with vault.begin() as connection:
        put_class(connection, "1-1", "一（1）班", "Class 1-1")
        add_pupil(
            vault, connection, "1-1", PupilDetails(name="x", student_number="1", birth_date="2019-01-01")
        )
        raise RuntimeError("stop")


def test_a_failed_transaction_leaves_nothing(any_vault: Vault) -> None:
    with pytest.raises(RuntimeError, match="stop"):
        fail_half_way(any_vault)
    with any_vault.read() as connection:
        assert count_pupils(connection) == 0


def test_moved_fields_are_found_out(vault: Vault) -> None:
    first, second = add_somebody(vault, 1), add_somebody(vault, 2)
    with vault.begin() as connection:
        sealed = connection.scalar(select(tables.pupils.c.sealed).where(tables.pupils.c.id == first))
        connection.execute(update(tables.pupils).where(tables.pupils.c.id == second).values(sealed=sealed))
    with vault.read() as connection, pytest.raises(FieldError, match=f"pupils.sealed/{second}"):
        all_pupils(vault, connection)


def test_a_statement_that_fails_quotes_no_value(any_vault: Vault) -> None:
    """Neither in words nor in a traceback, which goes on to what the database's driver raised."""
    row = {"key": "school", "value": "示例值"}
    with pytest.raises(VaultUnavailableError) as caught, any_vault.begin() as connection:
        connection.execute(insert(tables.meta), [row])
    assert "示例值" not in "".join(traceback.format_exception(caught.value))


def test_databases_that_cannot_be_used(tmp_path: Path, postgresql: PostgreSql) -> None:
    url = f"sqlite:///{tmp_path / 'vault.db'}"
    with pytest.raises(DatabaseError, match="campus vault init"):
        open_database(url, SCHOOL)
    create_database(url, SCHOOL, "2026-27", NOW_MS).close()
    with pytest.raises(DatabaseError, match="has tables already"):
        create_database(url, SCHOOL, "2026-27", NOW_MS)
    with pytest.raises(DatabaseError, match="not of another-school"):
        open_database(url, "another-school")
    database = open_database(url, SCHOOL)
    with database.begin() as connection:
        connection.execute(text("UPDATE meta SET value = '99' WHERE key = 'schema_version'"))
    database.close()
    with pytest.raises(DatabaseError, match="schema version 99"):
        open_database(url, SCHOOL)
    (tmp_path / "rubbish.db").write_bytes(b"rubbish" * 1_000)
    with pytest.raises(DatabaseError, match="not a database"):
        open_database(f"sqlite:///{tmp_path / 'rubbish.db'}", SCHOOL)
    with pytest.raises(DatabaseError, match="not a vault's"):
        open_database(postgresql.new_database(), SCHOOL)
    with pytest.raises(DatabaseError) as caught:
        open_database("postgresql+psycopg://vault:secret@127.0.0.1:1/vault", SCHOOL)
    assert "secret" not in str(caught.value)


@pytest.mark.usefixtures("cheap")
def test_a_vault_is_made_once_and_opens_with_its_own_key_file(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    create_vault(config, PASSPHRASE).close()
    open_vault(config, PASSPHRASE).close()
    with pytest.raises(KeyFileError, match="exists already"):
        create_vault(config, PASSPHRASE)
    other = make_config(tmp_path, vault={"school": "another-school"})
    with pytest.raises(WrongKeyFileError, match="of example-primary, not of another-school"):
        open_vault(other, PASSPHRASE)
    (tmp_path / "vault.key").unlink()
    with pytest.raises(DatabaseError, match="has tables already"):
        create_vault(config, PASSPHRASE)
    assert not (tmp_path / "vault.key").exists(), "no key file without its database"


def test_the_school_year_begins_in_august(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    july, august = 1_785_513_599_000, 1_785_513_600_000  # 2026-07-31 23:59:59 and a second later, Shanghai
    assert (school_year(july, config), school_year(august, config)) == ("2025-26", "2026-27")


def consent(
    purpose: Purpose = "health",
    *,
    given_by: str = "guardian",
    given_ms: int = NOW_MS - 1,
    until_ms: int | None = None,
    withdrawn_ms: int | None = None,
) -> Consent:
    assert given_by in {"guardian", "pupil"}
    by = "guardian" if given_by == "guardian" else "pupil"
    return Consent(1, "p", purpose, by, None, given_ms, until_ms, withdrawn_ms, NOW_MS)  # type: ignore[arg-type]  # one of the two


def pupil(born: str, *, left: bool = False) -> Pupil:
    details = PupilDetails(name="x", student_number="1", birth_date=born)
    return Pupil("p", 1, "3-2", "left" if left else "active", details)


# The pupil of the last row is 14 on this very day in Shanghai.
@pytest.mark.parametrize(
    ("born", "given_by", "counts"),
    [
        ("2018-02-03", "guardian", True),
        ("2018-02-03", "pupil", False),
        ("2012-09-11", "pupil", False),
        ("2012-09-10", "pupil", True),
    ],
)
def test_whose_consent_counts(vault: Vault, born: str, given_by: str, counts: bool) -> None:  # noqa: FBT001
    found = effective([pupil(born)], [consent(given_by=given_by)], NOW_MS, vault.config.zone)
    assert ("health" in found["p"]) is counts
    assert "safety" in found["p"], "an emergency needs no consent"
    assert "sport" not in found["p"]


@pytest.mark.parametrize(
    "over",
    [
        consent(given_ms=NOW_MS + 1),
        consent(until_ms=NOW_MS),
        consent(withdrawn_ms=NOW_MS),
    ],
)
def test_a_consent_holds_from_when_it_is_given_until_it_ends(vault: Vault, over: Consent) -> None:
    zone = vault.config.zone
    assert "health" not in effective([pupil("2018-02-03")], [over], NOW_MS, zone)["p"]
    both = [over, consent(until_ms=NOW_MS + DAY_MS), consent(until_ms=NOW_MS + 1)]
    assert effective([pupil("2018-02-03")], both, NOW_MS, zone)["p"]["health"] == NOW_MS + DAY_MS
    endless = [*both, consent()]
    assert effective([pupil("2018-02-03")], endless, NOW_MS, zone)["p"]["health"] is None


def test_of_those_who_left_nothing_is_collected(vault: Vault) -> None:
    assert effective([pupil("2018-02-03", left=True)], [consent()], NOW_MS, vault.config.zone) == {}


def test_a_withdrawal_ends_every_consent_to_a_purpose(any_vault: Vault) -> None:
    somebody = add_somebody(any_vault, 1)
    with any_vault.begin() as connection:
        assert withdraw_consent(connection, somebody, "health", NOW_MS) == 1
        assert withdraw_consent(connection, somebody, "health", NOW_MS) == 0
        pupils, consents = all_pupils(any_vault, connection), consents_of(connection)
    found = effective(pupils, consents, NOW_MS, any_vault.config.zone)[somebody]
    assert set(found) == set(PURPOSE_NAMES) - {"health"}


def test_epochs_and_kept_cases(any_vault: Vault) -> None:
    vault = any_vault
    somebody, other = add_somebody(vault, 1), add_somebody(vault, 2)
    with vault.begin() as connection:
        old = vault.pseudonyms.make("health", current_epoch(connection), somebody)
        assert keep_case(vault, connection, old, "health") == somebody
        assert keep_case(vault, connection, old, "health") == somebody
        assert keep_case(vault, connection, old, "sport") is None, "of another purpose it is unknown"
        with pytest.raises(EpochError, match="has been there"):
            begin_epoch(connection, "2026-27", NOW_MS)
        begin_epoch(connection, "2027-28", NOW_MS + 1)
        assert open_epochs(connection) == ["2027-28", "2026-27"]
        with pytest.raises(EpochError, match="current one"):
            close_epoch(connection, "2027-28")
        with pytest.raises(EpochError, match="no epoch"):
            close_epoch(connection, "1999-00")
        both = owners(vault, connection, "health")
        assert sorted(both.values()) == sorted([somebody, other] * 2)
        close_epoch(connection, "2026-27")
        left = owners(vault, connection, "health")
    assert left[old] == somebody
    assert vault.pseudonyms.make("health", "2026-27", other) not in left
    assert len(left) == 3


def test_the_file_of_the_database_names_nobody(tmp_path: Path) -> None:
    with make_vault(tmp_path) as vault:
        add_somebody(vault, 7)
    data = b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir())
    assert b"pupils" in data
    for secret in ("示例生7", "TEST000007", "2018-02-03", "paper form"):
        assert secret.encode() not in data


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    with make_vault(tmp_path) as vault:
        add_somebody(vault, 7)
        modes = {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "data").iterdir()}
    assert set(modes) >= {"vault.db", "vault.db-wal"}
    assert set(modes.values()) == {0o600}, modes


def test_what_is_deleted_is_not_left_in_free_pages(tmp_path: Path) -> None:
    with make_vault(tmp_path) as vault:
        somebody = add_somebody(vault, 1)
        with vault.read() as connection:
            sealed = connection.scalar(select(tables.pupils.c.sealed).where(tables.pupils.c.id == somebody))
        file = vault.database.file
        assert file is not None
        assert isinstance(sealed, bytes)
        vault.database.forget_deleted()
        assert sealed in file.read_bytes()
        with vault.begin() as connection:
            remove_pupil(connection, somebody)
        vault.database.forget_deleted()
        left = b"".join(one.read_bytes() for one in file.parent.iterdir())
        assert sealed not in left
        assert somebody.encode() not in left


def test_writers_of_two_processes_take_turns(any_vault: Vault, tmp_path: Path) -> None:
    with (
        make_vault(tmp_path, config=any_vault.config)
        if any_vault.database.is_sqlite
        else _again(any_vault) as second
    ):
        add_somebody(any_vault, 1)
        add_somebody(second, 2)
        add_somebody(any_vault, 3)
        with any_vault.read() as connection:
            assert [one.slot for one in all_pupils(any_vault, connection)] == [1, 2, 3]


def _again(vault: Vault) -> Vault:
    database = open_database(vault.config.database_url, vault.school)
    return Vault(vault.config, VaultKeys(SEED, SCHOOL), database, vault.now_ms)


def test_a_raw_copy_of_the_file_is_sqlite_and_says_nothing(tmp_path: Path) -> None:
    with make_vault(tmp_path) as vault:
        add_somebody(vault, 7)
    rows = sqlite3.connect(tmp_path / "data" / "vault.db").execute("SELECT * FROM pupils").fetchall()
    assert "示例生7" not in repr(rows)


def test_pseudonyms_have_128_bits_of_their_own() -> None:
    make = Pseudonyms(VaultKeys(SEED, SCHOOL)).make
    found = {
        make(purpose, epoch, str(number))
        for purpose in PURPOSE_NAMES
        for epoch in ("a", "b")
        for number in range(50)
    }
    assert len(found) == 500
    assert all(SHAPE.fullmatch(one) for one in found)
    assert make("health", "a", "1") == make("health", "a", "1")
