"""`campus vault gateway …`, as an administrator types it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from typer.testing import CliRunner

from foundation.keyfiles import public_text
from identity_vault import keys as key_module
from identity_vault import roster
from identity_vault.audit import find
from identity_vault.cli import app
from identity_vault.config import load_config
from identity_vault.exchange.registry import find_gateway, note_asked
from identity_vault.rights import consents
from identity_vault.vault import Vault, create_vault, open_vault
from tests.vault.vault_parts import SCHOOL, add_somebody

PASSPHRASE = "four unrelated words here"


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(key_module, "_COST", 2**10)
    file = tmp_path / "vault.toml"
    file.write_text(f'[vault]\nschool = "{SCHOOL}"\nkey_file = "vault.key"\ndata_dir = "data"\n', "utf-8")
    (tmp_path / "pass").write_text(PASSPHRASE, "utf-8")
    (tmp_path / "pass").chmod(0o600)
    create_vault(load_config(file), PASSPHRASE).close()
    return file


def opened(config_file: Path) -> Vault:
    return open_vault(load_config(config_file), PASSPHRASE)


def new_key() -> str:
    return public_text(Ed25519PrivateKey.generate().public_key())


def run(config_file: Path, command: str, *arguments: str) -> tuple[int, str]:
    passphrase = ["--passphrase-file", str(config_file.parent / "pass")]
    result = CliRunner().invoke(app, ["gateway", command, str(config_file), *arguments, *passphrase])
    return result.exit_code, " ".join(result.output.split())


def test_a_gateway_is_added_listed_replaced_and_revoked(config_file: Path) -> None:
    assert run(config_file, "list")[1].endswith("see: campus vault gateway add")
    code, said = run(config_file, "add", "gw-1", new_key(), "--purposes", "access,health")
    assert (code, said) == (0, "✓ gw-1 可领取名册 may have a map: health, access")
    with opened(config_file) as vault:
        pupil = add_somebody(vault, 1)
        with vault.begin() as connection:
            gateway = find_gateway(connection, "gw-1")
            assert gateway is not None
            note_asked(connection, gateway, roster.map_version(connection), vault.now_ms())
    assert "最新 latest" in run(config_file, "list")[1]
    with opened(config_file) as vault, vault.begin() as connection:
        receipt = consents.withdraw(vault, connection, "test", pupil, "health")
    said = run(config_file, "list")[1]
    assert "落后 behind" in said
    assert f"! gw-1 尚未确认撤回 has not confirmed 1 withdrawals: {receipt}" in said
    assert run(config_file, "replace", "gw-1", new_key())[1] == "✓ gw-1 已更换 replaced, generation 2"
    assert "health,access 2 无 none – –" in run(config_file, "list")[1]
    assert run(config_file, "revoke", "gw-1") == (0, "✓ gw-1 已停用 revoked")
    assert "尚未确认" not in run(config_file, "list")[1], "nobody waits for it any more"
    with opened(config_file) as vault, vault.read() as connection:
        actions = [row.action for row in find(connection) if row.action.startswith("gateway_")]
    assert actions == ["gateway_add", "gateway_replace", "gateway_revoke"]


def test_mistakes_are_told_in_words(config_file: Path) -> None:
    key = new_key()
    assert run(config_file, "add", "gw-1", key)[0] == 0
    for arguments, said in (
        (("add", "gw-1", new_key()), "there is a gateway gw-1 already"),
        (("add", "gw-2", key), "this key is that of gateway gw-1 already"),
        (("add", "GW 2", new_key()), "use 1 to 63 lower-case letters"),
        (("add", "gw-2", "abc"), "PUBLIC_KEY: a public key is 44 characters"),
        (("add", "gw-2", new_key(), "--purposes", "helth"), "--purposes: 'helth' is no purpose"),
        (("add", "gw-2", new_key(), "--purposes", ","), "--purposes: name at least one of"),
        (("replace", "gw-2", new_key()), "there is no gateway gw-2"),
        (("revoke", "gw-2"), "gw-2 is no active gateway"),
    ):
        code, output = run(config_file, *arguments)
        assert code == 2
        assert said in output


def test_check_tells_of_cards_that_are_alike_and_quotes_none(config_file: Path) -> None:
    with opened(config_file) as vault:
        for number, value in enumerate(("11BC614E", "BC614E")):
            pupil = add_somebody(vault, number)
            with vault.begin() as connection:
                roster.add_credential(vault, connection, pupil, "card", value, 0)
    code, said = run(config_file, "check")
    assert code == 1
    assert "2 人 people" in said
    assert "2 × 3 字节卡号" in said
    assert "! 1 名学生的卡均与他人混淆" in said
    assert "BC614E" not in said
