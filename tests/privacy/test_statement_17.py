"""17. Administrators use two factors; gateways mutual TLS; secrets and rosters encrypted at rest.

Here: what is encrypted at rest, and the second factor. Mutual TLS: tests/enrolment.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from collector.accounts.errors import SessionEndedError
from collector.accounts.permissions import SECOND_FACTOR_ROLES
from edge_agent.identity.map_file import MapFile, MapFileError
from identity_vault import keys as key_module
from identity_vault.keys import create_keys
from identity_vault.roster import GuardianDetails, add_credential, add_guardian
from telemetry.credential_map import FORMAT, CredentialMap, MapUpdate, Permit, Person, blind
from tests.accounts.accounts_bench import GOOD, HERE, Bench
from tests.collector.record_databases import RecordsDatabase
from tests.vault.vault_parts import NOW_MS, SCHOOL, add_somebody, make_vault

ROOT = Path(__file__).parents[2]
BLINDING_KEY = b"k" * 32
PSEUDONYM = "7K3M9PXA7K3M9PXA7K3M9PXA7K"


def a_map() -> CredentialMap:
    return CredentialMap.whole(
        MapUpdate(
            format=FORMAT, school=SCHOOL, gateway="gw-1", version=1, base=0, issued_ms=NOW_MS, epoch="2026-27",
            blinding_key=BLINDING_KEY, people=[Person(1, "3-2", {"health": Permit(PSEUDONYM)})],
            people_gone=[], credentials={blind(BLINDING_KEY, "04A2B31C"): 1}, credentials_gone=[], lessons={},
            school_days=[], erased=[],
        )
    )  # fmt: skip


def test_17_the_roster_at_rest_names_nobody(tmp_path: Path) -> None:
    with make_vault(tmp_path) as vault:
        pupil = add_somebody(vault, 7)
        with vault.begin() as connection:
            add_credential(vault, connection, pupil, "card", "04A2B31C5D6E80", NOW_MS)
            add_guardian(
                vault,
                connection,
                pupil,
                GuardianDetails(name="示例家长七", phone="15400000007", relation="母亲"),
            )
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    data = b"".join(file.read_bytes() for file in files)
    assert b"CREATE TABLE pupils" in data
    secrets = ("示例生7", "示例家长七", "TEST000007", "15400000007", "2018-02-03", "04A2B31C5D6E80", "母亲")
    assert [one for one in secrets if one.encode() in data] == []
    assert bytes.fromhex("04A2B31C5D6E80") not in data


def test_17_the_vaults_key_file_opens_with_a_passphrase_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_module, "_COST", 2**10)
    keys = create_keys(tmp_path / "vault.key", SCHOOL, "four unrelated words here")
    data = (tmp_path / "vault.key").read_bytes()
    assert keys._seed not in data
    assert keys.signing_key.private_bytes_raw() not in data
    assert (tmp_path / "vault.key").stat().st_mode & 0o077 == 0


def test_17_a_gateways_map_at_rest_opens_for_that_gateway_only(tmp_path: Path) -> None:
    key, other = (Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)) for number in (1, 2))
    MapFile(tmp_path, key, SCHOOL, "gw-1").write(a_map())
    [file] = list(tmp_path.iterdir())
    data = file.read_bytes()
    assert file.stat().st_mode & 0o077 == 0
    assert PSEUDONYM.encode() not in data
    assert BLINDING_KEY not in data
    assert blind(BLINDING_KEY, "04A2B31C") not in data
    assert MapFile(tmp_path, key, SCHOOL, "gw-1").read() is not None
    for stranger in (MapFile(tmp_path, other, SCHOOL, "gw-1"), MapFile(tmp_path, key, SCHOOL, "gw-2")):
        with pytest.raises(MapFileError, match="another gateway or under another key"):
            stranger.read()


def test_17_what_is_held_is_said() -> None:
    page = (ROOT / "docs" / "privacy.md").read_text("utf-8")
    [row] = [line for line in page.splitlines() if line.startswith("| 17 |")]
    assert "**open**" not in row, "nothing is"
    assert "two factors" in row
    assert "mutual TLS" in row


async def test_17_an_administrator_may_nothing_without_the_second_factor(tmp_path: Path) -> None:
    database = RecordsDatabase(tmp_path / "records.db")
    records = database.open()
    bench = Bench(records)
    assert "admin" in SECOND_FACTOR_ROLES
    _, app = await bench.add_with_totp("wang", "admin")
    begun = await bench.accounts.sign_in("wang", GOOD, HERE)
    session = await bench.accounts.session(begun.secret)
    assert session is not None
    assert session.principal.permissions == frozenset()
    with pytest.raises(SessionEndedError):
        await bench.accounts.change_password(begun.secret, GOOD, "another long sentence", HERE)
    ((sealed,),) = database.rows("SELECT totp_secret FROM accounts")
    assert app.byte_secret() not in bytes(sealed), "encrypted at rest"
    await records.close()
