"""3. An unkeyed hash of an identifier appears nowhere."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = (
    "campus", "collector", "device_profiles", "edge_agent", "firmware_bridges", "foundation", "identity_vault",
    "simulators", "telemetry",
)  # fmt: skip
HASHES = {"hashlib", "zlib", "crypt", "mmh3", "xxhash"}
"""Modules with functions that make an identifier shorter and no safer."""
NAMES = {"Hash", "blake2b", "crc32", "crc_hqx", "md5", "sha1", "sha256"}
"""Functions that do."""
ALLOWED = {
    "collector/accounts/secret_values.py": "what is stored of sessions' and tokens' random secrets",
    "collector/series/server_index.py": "numbers of series: of rooms and machines, never of anybody",
    "device_profiles/payloads/sensecap.py": "the checksum in a payload",
    "edge_agent/buffer/layout.py": "checksums of the buffer's rows",
    "edge_agent/configuring/kept.py": "the digest of a configuration",
    "edge_agent/gate/policy.py": "the version of a policy",
    "firmware_bridges/frames/osdp.py": "the checksum of a frame",
    "edge_agent/drivers/http_push/digest.py": "the digest scheme of RFC 7616: of a password and a nonce",
    "simulators/http_push/poster.py": "the same, the other end",
    "simulators/signals.py": "random numbers of a seed",
    "telemetry/configuration.py": "digests of configurations, which name nobody",
    "telemetry/envelope.py": "key ids: of public keys",
}


def hashing(source: str) -> set[str]:
    """What of `HASHES` a file imports, and the checksums and hashes of `cryptography` it uses unkeyed."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names} & HASHES
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module.split(".")[0]} & HASHES
            found |= {alias.name for alias in node.names if alias.name in NAMES}
        elif isinstance(node, ast.Attribute) and node.attr in NAMES:
            found.add(node.attr)
    return found


def test_03_no_room_hashes_without_a_key() -> None:
    found = {
        str(file.relative_to(ROOT)): names
        for room in ROOMS
        for file in sorted((ROOT / room).rglob("*.py"))
        # Boards compute the checksums of their frames and know no identifiers but in them.
        if "firmware_bridges/boards" not in str(file) and (names := hashing(file.read_text("utf-8")))
    }
    assert found.keys() - ALLOWED.keys() == set(), found
    assert ALLOWED.keys() - found.keys() == set(), "an exception that nobody needs any more"


@pytest.mark.parametrize(
    "leak",
    [
        "import hashlib\nhashlib.sha256(card)",
        "from hashlib import blake2b",
        "import zlib\nzlib.crc32(card)",
        "from cryptography.hazmat.primitives.hashes import Hash",
        "from cryptography.hazmat.primitives import hashes\nhashes.Hash(hashes.SHA256())",
    ],
)
def test_03_such_a_hash_would_be_found(leak: str) -> None:
    assert hashing(leak)


def test_03_the_linter_forbids_it_too(tmp_path: Path) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert "hashlib" in settings["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"]
    file = tmp_path / "leak.py"
    file.write_text("import hashlib\n\nprint(hashlib.sha256(b'04A2B31C').hexdigest())\n", "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--config", ROOT / "pyproject.toml", "--no-cache", file],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "TID251" in done.stdout
