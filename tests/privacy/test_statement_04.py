"""Statement 4: the uplink and the collector cannot read the HMAC keys or the mapping store.

Here the collector's half: a collector at work beside a vault, its memory, files, imports and settings
searched. That no room of it may import the vault's is held by import-linter.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from collector.config import CollectorConfig
from foundation.keyfiles import create_signing_key
from telemetry.exchange import ClassList
from tests.collector.kept_records import RECORDS, keep
from tests.collector.record_databases import open_records
from tests.collector.vault_double import VaultDouble, empty_directory
from tests.conftest import free_port
from tests.line.running_site import eventually

NAMES = ("示例学生甲", "Example Guardian")
CARD = "04A1B2C3D4E5F6"
PSEUDONYM = "4Z8Q2M7V1K5T9R3XW6B0C8D2F4"
NOW_MS = 1_788_220_862_500


class Collector:
    """A collector as a process of its own, beside a vault."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes], url: str, vault: VaultDouble) -> None:
        self.folder, self.process, self.url, self.vault = folder, process, url, vault

    def memory(self) -> bytes:
        """Everything the process can read of itself, files that it has mapped left out."""
        found = []
        maps = Path(f"/proc/{self.process.pid}/maps").read_text("ascii", "replace")
        with Path(f"/proc/{self.process.pid}/mem").open("rb", buffering=0) as memory:
            for line in maps.splitlines():
                match = re.match(r"([0-9a-f]+)-([0-9a-f]+) (rw)..", line)
                if match is None:
                    continue
                start, end = int(match[1], 16), int(match[2], 16)
                try:
                    memory.seek(start)
                    found.append(memory.read(end - start))
                except (OSError, ValueError):
                    continue
        return b"\0".join(found)

    def files(self) -> bytes:
        return b"".join(file.read_bytes() for file in self.folder.rglob("*") if file.is_file())


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    key = create_signing_key(tmp_path / "collector.key")
    vault = VaultDouble(key.public_key())
    vault.directory = empty_directory(
        3, classes=[ClassList("3-2", "三（2）班", "Class 3-2", 42, [PSEUDONYM])]
    )
    vault.people = {PSEUDONYM: {"name": NAMES[0], "class_id": "3-2"}}
    port = free_port()
    (tmp_path / "collector.toml").write_text(
        '[collector]\nkey_file = "collector.key"\ndata_dir = "data"\n[mqtt]\nhost = "127.0.0.1"\nport = 1\n'
        f'[web]\nport = {port}\n[accounts]\nrequired = false\n[vault]\nschool = "example-primary"\nurl = "{vault.url}"\n'
        f'public_key = "{vault.public_key}"\nrefresh_s = 1\n',
        "utf-8",
    )
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "campus", "collector", "run", str(tmp_path / "collector.toml")],
            stdout=log,
            stderr=log,
        )
    yield Collector(tmp_path, process, f"http://127.0.0.1:{port}", vault)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    vault.close()


def test_04_a_working_collector_holds_pseudonyms_and_neither_key_nor_map(collector: Collector) -> None:
    eventually(lambda: len(collector.vault.haves) > 1, "two questions to the vault")
    token = httpx.post(f"{collector.url}/api/v1/resolve-token", json={"purpose": "health"}).json()["token"]
    answer = httpx.post(
        f"{collector.vault.url}/v1/resolve",
        headers={"Authorization": f"Bearer {token}"},
        json={"pseudonyms": [PSEUDONYM]},
    )
    assert answer.json()["people"][PSEUDONYM]["name"] == NAMES[0], "the browser's way works meanwhile"
    memory, files = collector.memory(), collector.files()
    # The search is able to find: what the collector may have, it has.
    assert PSEUDONYM.encode() in memory
    assert PSEUDONYM.encode() in files
    vault_key = collector.vault.signer._private_key.private_bytes_raw()
    for secret in (*(name.encode() for name in NAMES), CARD.encode(), vault_key, vault_key.hex().encode()):
        assert secret not in memory
        assert secret not in files


def test_04_the_collector_loads_nothing_of_the_vault() -> None:
    program = (
        "import sys, pkgutil, importlib, collector\n"
        "for one in pkgutil.walk_packages(collector.__path__, 'collector.'): importlib.import_module(one.name)\n"
        "print(*sorted(sys.modules))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    assert "collector.vault.link" in loaded
    assert not [name for name in loaded if name.split(".")[0] in {"identity_vault", "edge_agent"}]


def test_04_no_setting_of_the_collector_names_a_secret_of_the_vault() -> None:
    """What a collector may be given: its own key and who it is at the broker."""
    schema = CollectorConfig.model_json_schema()
    fields = {name for one in (schema, *schema["$defs"].values()) for name in one.get("properties", {})}
    assert {name for name in fields if re.search("key|secret|pass|salt|pepper|map|roster", name)} == {
        "key_file", "public_key", "password_file", "client_secret_file",
    }  # fmt: skip


async def test_04_no_table_of_the_collector_leads_from_a_person_to_a_pseudonym(tmp_path: Path) -> None:
    """Whoever has the whole file has pseudonyms, and nothing that one of them could be made from. Members of
    staff have accounts, which are theirs; a pupil or guardian has none.
    """
    records = open_records(tmp_path / "records.db")
    await keep(records, RECORDS, NOW_MS)
    columns = await records.run(
        lambda connection: {
            (row[0], row[1])
            for row in connection.exec_driver_sql(
                "SELECT m.name, p.name FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table'"
            )
        }
    )
    assert ("alerts", "pseudonym") in columns
    words = "name|phone|card|uid|mac|address|birth|number|blind|secret"
    assert {one for one in columns if re.search(words, one[1])} == {
        ("accounts", "username"), ("accounts", "display_name"), ("accounts", "totp_secret"),
        ("sessions", "name"), ("api_tokens", "name"), ("enrolment_failures", "address"),
    }  # fmt: skip
    of_staff = {"accounts", "sessions", "api_tokens", "recovery_codes", "account_audit"}
    assert not [one for one in columns if one[0] in of_staff and one[1] in {"pseudonym", "class_id"}]
    await records.close()
