"""`campus vault consent|export|receipt|erase|corrections|guardian`, as an administrator types them."""

from __future__ import annotations

import json
import re
import stat
import zipfile
from pathlib import Path

import pytest
from sqlalchemy import update
from typer.testing import CliRunner, Result

from identity_vault import audit, keys, roster
from identity_vault.cli import app
from identity_vault.config import load_config
from identity_vault.database import tables
from identity_vault.rights import corrections, orders
from identity_vault.vault import Vault, create_vault, open_vault
from telemetry.exchange import OrderReport
from telemetry.purposes import PURPOSE_NAMES
from tests.vault.guardian_parts import Family, add_family

PASSPHRASE = "four unrelated words here"
CODE = re.compile(r"R-[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}")
CONFIG = """
[vault]
school = "example-primary"
key_file = "vault.key"
data_dir = "data"

[web]
public_url = "https://vault.example.edu.cn"
"""


class Desk:
    """A folder with a vault, one family in it, and what an administrator needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "vault.toml"
        self.config.write_text(CONFIG)
        self._passphrase = folder / "passphrase"
        self._passphrase.write_text(PASSPHRASE)
        self._passphrase.chmod(0o600)
        with create_vault(load_config(self.config), PASSPHRASE) as vault:
            self.family: Family = add_family(vault, 1)
        self.number = folder / "number"
        self.number.write_text(f"{self.family.number}\n", "utf-8")

    def vault(self) -> Vault:
        return open_vault(load_config(self.config), PASSPHRASE)

    def run(self, *words: str, typed: str | None = None) -> Result:
        """`words` with the vault's file after the command's own."""
        return CliRunner().invoke(app, [*words, "--passphrase-file", str(self._passphrase)], input=typed)

    def about(self, *words: str, typed: str | None = None) -> Result:
        """The same for a command about the pupil."""
        return self.run(*words, "--number-file", str(self.number), typed=typed)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(keys, "_COST", 2**10)
    return Desk(tmp_path)


def code_in(result: Result) -> str:
    found = CODE.search(result.output)
    assert found is not None, result.output
    return found[0]


def test_consent_is_given_listed_withdrawn_and_told(desk: Desk) -> None:
    config = str(desk.config)
    given = desk.about("consent", "give", config, "--purpose", "sport", "--evidence", "folder 3, sheet 2")
    assert given.exit_code == 0, given.output
    listed = desk.run("consent", "list", config, "--number-file", "-", typed=f"{desk.family.number}\n")
    assert re.search(r"sport +\S+ +已同意", listed.output)
    assert re.search(r"access +\S+ +未同意", listed.output)
    assert "everything is confirmed" in desk.run("consent", "status", config).output

    withdrawn = desk.about("consent", "withdraw", config, "--purpose", "sport")
    code = code_in(withdrawn)
    status = desk.run("consent", "status", config)
    assert code in status.output
    assert "collector: has not deleted" in status.output
    assert "撤回同意" in desk.run("receipt", config, code.lower()).output
    assert desk.about("consent", "withdraw", config, "--purpose", "sport").exit_code == 2


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--purpose", "sport", "--evidence", "x", "--by", "pupil"), "under 14"),
        (("--purpose", "safety", "--evidence", "x"), "needs no consent"),
        (("--purpose", "fun", "--evidence", "x"), "one of health"),
        (("--purpose", "sport", "--evidence", "x", "--date", "soon"), "--date"),
        (("--purpose", "sport", "--evidence", "x", "--until", "2020-01-01"), "ended already"),
        (("--purpose", "sport", "--evidence", "x", "--by", "uncle"), "guardian or pupil"),
        (("--purpose", "sport", "--evidence", "x", "--relation", "叔叔"), "no such guardian"),
    ],
)
def test_a_consent_that_cannot_be_given_says_why(desk: Desk, words: tuple[str, ...], reason: str) -> None:
    result = desk.about("consent", "give", str(desk.config), *words)
    assert result.exit_code == 2
    assert reason in result.output
    assert desk.family.number not in result.output


@pytest.mark.parametrize("number", ["", "\n", "TEST999999", "x" * 5_000, "a\x00b"])
def test_a_number_of_nobody_is_refused_and_not_repeated(desk: Desk, number: str) -> None:
    desk.number.write_text(number, "utf-8")
    result = desk.about("consent", "list", str(desk.config))
    assert result.exit_code == 2
    assert not number.strip() or number not in result.output
    desk.number.write_bytes(b"\xff\xfe")
    assert "it is not UTF-8" in desk.about("consent", "list", str(desk.config)).output
    desk.number.unlink()
    assert "cannot be read" in desk.about("consent", "list", str(desk.config)).output


def test_a_copy_is_written_for_the_guardian_and_says_what_is_missing(desk: Desk, tmp_path: Path) -> None:
    out, config = tmp_path / "copy", str(desk.config)
    first = desk.about("export", config, str(out), "--wait-s", "0")
    assert first.exit_code == 0, first.output
    assert "has not answered" in first.output
    data = json.loads((out / "data.json").read_bytes())
    assert (data["pupil"]["name"], data["records"]) == (desk.family.name, None)
    assert data["guardians"][0]["phone"] == "***0001"
    assert "还没有回答" in (out / "index.html").read_text("utf-8")
    assert [stat.S_IMODE(one.stat().st_mode) for one in (out, *out.iterdir())] == [0o700, 0o600, 0o600]
    assert "exists already" in desk.about("export", config, str(out)).output

    with desk.vault() as vault, vault.begin() as connection:
        (order,) = orders.open_orders(vault, connection)
        orders.finish(vault, connection, OrderReport(order.id, {}, b"\x80"))
    packed = desk.about("export", config, str(tmp_path / "copy.zip"), "--lang", "en")
    assert "has not answered" not in packed.output
    assert code_in(packed) == code_in(first)  # asked within the hour: the same export
    with zipfile.ZipFile(tmp_path / "copy.zip") as archive:
        assert json.loads(archive.read("data.json"))["records"] == {}
        assert "no records about your child" in archive.read("index.html").decode()


def test_an_erasure_asks_for_class_and_number(desk: Desk) -> None:
    config = str(desk.config)
    for typed in ("", "3-2\n0000\n", f"9-9\n{desk.family.number[-4:]}\n", "\n\n"):
        result = desk.about("erase", config, typed=typed)
        assert result.exit_code != 0
        assert desk.family.name not in result.output
    with desk.vault() as vault, vault.read() as connection:
        assert roster.count_pupils(connection) == 1

    done = desk.about("erase", config, typed=f"3-2\n{desk.family.number[-4:]}\n")
    assert done.exit_code == 0, done.output
    told = desk.run("receipt", config, code_in(done))
    assert "已全部删除" in told.output
    assert desk.about("erase", config, "--yes").exit_code == 2
    with desk.vault() as vault, vault.read() as connection:
        assert roster.count_pupils(connection) == 0
        assert audit.verify(vault, connection) == []
        assert audit.find(connection, action="erase")[0].actor


def test_a_pupil_whose_row_is_damaged_can_be_deleted(desk: Desk) -> None:
    config = str(desk.config)
    with desk.vault() as vault, vault.begin() as connection:
        connection.execute(update(tables.pupils).values(sealed=b"damaged"))
    assert "nothing was deleted" in desk.about("erase", config, typed="n\n").output
    done = desk.about("erase", config, typed="y\n")
    assert done.exit_code == 0, done.output
    assert "does not open" in done.output
    with desk.vault() as vault, vault.read() as connection:
        assert roster.count_pupils(connection) == 0
        assert len(orders.open_orders(vault, connection)[0].pseudonyms) == len(PURPOSE_NAMES)


def test_corrections_are_listed_and_decided(desk: Desk) -> None:
    config = str(desk.config)
    with desk.vault() as vault, vault.begin() as connection:
        corrections.ask(vault, connection, "guardian:x", desk.family.guardian, "name", "示例小麦")
        corrections.ask(vault, connection, "guardian:x", desk.family.guardian, "allergens", "虾")
    listed = desk.run("corrections", "list", config).output
    assert "姓名 → 示例小麦" in listed
    assert "过敏原 → 甲壳纲类动物" in listed
    assert desk.run("corrections", "decide", config, "1", "--accept").exit_code == 0
    assert desk.run("corrections", "decide", config, "2", "--decline").exit_code == 0
    assert desk.run("corrections", "decide", config, "2", "--accept").exit_code == 2
    assert "nothing waits" in desk.run("corrections", "list", config).output
    with desk.vault() as vault, vault.read() as connection:
        pupil = roster.get_pupil(vault, connection, desk.family.pupil)
    assert pupil is not None
    assert (pupil.details.name, pupil.details.allergens) == ("示例小麦", ("peanuts",))


def test_a_link_is_made_for_one_guardian(desk: Desk) -> None:
    made = desk.about("guardian", "link", str(desk.config))
    assert re.search(r"^https://vault\.example\.edu\.cn/g/open/[0-9A-Z]{32}$", made.output, re.MULTILINE)
    with desk.vault() as vault, vault.begin() as connection:
        father = roster.GuardianDetails(name="示例家长乙", relation="父亲")
        roster.add_guardian(vault, connection, desk.family.pupil, father)
    several = desk.about("guardian", "link", str(desk.config))
    assert several.exit_code == 2
    assert "--relation" in several.output
    assert desk.about("guardian", "link", str(desk.config), "--relation", "父亲").exit_code == 0


def test_a_receipt_that_is_none_is_told_so(desk: Desk) -> None:
    assert "read it once more" in desk.run("receipt", str(desk.config), "R-7K3M-9PXA-4C21").output
    assert "no receipt has the number" in desk.run("receipt", str(desk.config), "R-7K3M-9PXA-4C20").output
    assert "letters and digits" in desk.run("receipt", str(desk.config), "hello").output
