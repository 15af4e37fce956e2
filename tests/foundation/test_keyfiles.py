"""Key files: for their owner's eyes only, and clear about what is wrong with them."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from foundation.keyfiles import (
    KeyFileError,
    create_secret,
    create_signing_key,
    load_secret,
    load_signing_key,
    parse_public,
    public_text,
    write_secret,
)


def test_a_signing_key_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "gateway.key"
    made = create_signing_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    found = load_signing_key(path)
    assert found.private_bytes_raw() == made.private_bytes_raw()
    text = public_text(found.public_key())
    assert len(text) == 44
    assert parse_public(text).public_bytes_raw() == made.public_key().public_bytes_raw()


def test_a_secret_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    made = create_secret(path)
    assert len(made) == 32
    assert load_secret(path) == made
    assert create_secret(tmp_path / "other") != made


@pytest.mark.parametrize("create", [create_signing_key, create_secret])
def test_a_key_is_never_overwritten(tmp_path: Path, create: Callable[[Path], object]) -> None:
    path = tmp_path / "key"
    create(path)
    before = path.read_bytes()
    with pytest.raises(KeyFileError, match="exists already"):
        create(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o777])
@pytest.mark.parametrize("load", [load_signing_key, load_secret])
def test_a_key_that_others_may_read_is_refused(
    tmp_path: Path, load: Callable[[Path], object], mode: int
) -> None:
    path = tmp_path / "key"
    (create_signing_key if load is load_signing_key else create_secret)(path)
    path.chmod(mode)
    with pytest.raises(KeyFileError, match=f"chmod 600 {path}"):
        load(path)


@pytest.mark.parametrize("load", [load_signing_key, load_secret])
def test_a_missing_file_names_itself(tmp_path: Path, load: Callable[[Path], object]) -> None:
    for path in (tmp_path / "missing", tmp_path):
        with pytest.raises(KeyFileError, match=f"{path} cannot be read"):
            load(path)


@pytest.mark.parametrize("content", [b"", b"\xff", b"abc", b"0" * 63, b"zz" * 32, b"0" * 66])
@pytest.mark.parametrize("load", [load_signing_key, load_secret])
def test_a_file_that_holds_no_key(tmp_path: Path, load: Callable[[Path], object], content: bytes) -> None:
    path = tmp_path / "key"
    write_secret(path, content)
    with pytest.raises(KeyFileError, match=str(path)):
        load(path)


def test_keys_of_another_kind_or_under_a_password(tmp_path: Path) -> None:
    other = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    made = create_signing_key(tmp_path / "made")
    locked = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x"))
    for number, content in enumerate((other, locked)):
        path = tmp_path / f"key-{number}"
        write_secret(path, content)
        with pytest.raises(KeyFileError, match="not an Ed25519 private key"):
            load_signing_key(path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KeyFileError, match="cannot be written"):
        create_secret(tmp_path / "file" / "key")


@given(st.text(max_size=60))
def test_what_is_no_public_key(text: str) -> None:
    with pytest.raises(ValueError, match="44 characters of Base64"):
        parse_public(text)
