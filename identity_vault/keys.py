"""The vault's key file: everything secret grows from the one seed in it.

The seed is encrypted with AES-256-GCM under a key that scrypt (RFC 7914) makes of a passphrase. Every
other key is derived from the seed by HKDF-SHA-256 (RFC 5869) under a name of its own, so that none
leads to another. Whoever has the file without the passphrase has nothing; whoever has both, everything.

File: one line of text ``campus-vault-key 1``, then msgpack of `_KeyFile`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from foundation.keyfiles import KeyFileError, read_secret, write_secret
from telemetry.decoding import DECODING_ERRORS

_HEAD: Final = b"campus-vault-key 1\n"
_SEED_BYTES: Final = 32
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
PASSPHRASE_CHARS_MIN: Final = 12
_COST: Final = 2**16
"""scrypt's N with r = 8: 64 MiB and about a quarter of a second, once a start."""
_COST_MAX: Final = 2**20


class _KeyFile(msgspec.Struct, frozen=True, array_like=True):
    school: str
    salt: bytes
    cost: int
    nonce: bytes
    sealed: bytes


class VaultKeys:
    """Keys of one vault. `derive` gives 32 bytes for a name; the named ones are those of this room."""

    def __init__(self, seed: bytes, school: str) -> None:
        self._seed = seed
        self.school = school
        self.signing_key = Ed25519PrivateKey.from_private_bytes(self.derive("signing"))

    def __repr__(self) -> str:
        return f"VaultKeys(school={self.school!r}, …)"

    def derive(self, *name: str) -> bytes:
        """The key of a name such as ``("pseudonym", "health", "2026-27")``: HKDF of the seed, the
        school and the name.
        """
        info = b"campus-pulse/vault/1" + b"".join(
            len(part.encode()).to_bytes(2, "big") + part.encode() for part in (self.school, *name)
        )
        return HKDF(SHA256(), 32, salt=None, info=info).derive(self._seed)


def check_passphrase(passphrase: str) -> None:
    """Raises KeyFileError for one that would be guessed."""
    if len(passphrase) < PASSPHRASE_CHARS_MIN:
        raise KeyFileError(
            f"a passphrase needs {PASSPHRASE_CHARS_MIN} characters at least; four unrelated words do well"
        )


def create_keys(path: Path, school: str, passphrase: str) -> VaultKeys:
    """A new seed in a new file. Raises KeyFileError, also for a passphrase that is too short."""
    check_passphrase(passphrase)
    seed = os.urandom(_SEED_BYTES)
    write_secret(path, _pack(seed, school, passphrase))
    return VaultKeys(seed, school)


def open_keys(path: Path, passphrase: str) -> VaultKeys:
    """The keys in a file. Raises KeyFileError: missing, damaged, readable by others, or wrong passphrase."""
    data = read_secret(path)
    if not data.startswith(_HEAD):
        raise KeyFileError(f"{path} is not the key file of a vault; restore it from its backup")
    try:
        found = msgspec.msgpack.decode(data[len(_HEAD) :], type=_KeyFile)
    except DECODING_ERRORS:
        raise KeyFileError(f"{path} is damaged; restore it from its backup") from None
    if not 2**10 <= found.cost <= _COST_MAX or found.cost & (found.cost - 1):
        raise KeyFileError(f"{path} is damaged; restore it from its backup")
    try:
        seed = _cipher(passphrase, found.salt, found.cost).decrypt(
            found.nonce, found.sealed, _HEAD + found.school.encode()
        )
    except (InvalidTag, ValueError):
        raise KeyFileError(f"{path}: the passphrase is wrong, or the file is damaged") from None
    return VaultKeys(seed, found.school)


def change_passphrase(path: Path, old: str, new: str) -> None:
    """Seals the same seed anew. Raises KeyFileError; the old file stays until the new one is complete."""
    keys = open_keys(path, old)
    check_passphrase(new)
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    write_secret(fresh, _pack(keys._seed, keys.school, new))  # noqa: SLF001  # nobody else may have it
    fresh.replace(path)


def _pack(seed: bytes, school: str, passphrase: str) -> bytes:
    salt, nonce = os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    sealed = _cipher(passphrase, salt, _COST).encrypt(nonce, seed, _HEAD + school.encode())
    return _HEAD + msgspec.msgpack.encode(_KeyFile(school, salt, _COST, nonce, sealed))


def _cipher(passphrase: str, salt: bytes, cost: int) -> AESGCM:
    return AESGCM(Scrypt(salt=salt, length=32, n=cost, r=8, p=1).derive(passphrase.encode()))
