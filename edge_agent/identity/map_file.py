"""The credential map on the gateway's disk, encrypted under a key that only this gateway can make.

Layout: 4 bytes magic "CPMF", 1 byte format, 12 bytes nonce, AES-256-GCM ciphertext with its tag. Within:
the map as `CredentialMap.kept` gives it; in format 1, which is still read, as the vault sends it. The key
is HKDF-SHA-256 of the gateway's private key; school and gateway are bound in as associated data. Whoever has
the disk but not the key file learns the size of the school, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from foundation.wholefile import write_whole
from telemetry.credential_map import CredentialMap, CredentialMapError, decode_update

NAME: Final = "credentials.map"
MAGIC: Final = b"CPMF"
FORMAT: Final = 2
NONCE_BYTES: Final = 12
FILE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Fifty thousand people with ten credentials each take less."""
_HEAD: Final = len(MAGIC) + 1
_DOMAIN: Final = b"campus-pulse/credentials.map\0"

_FORMATS: Final[dict[int, Callable[[bytes], CredentialMap]]] = {
    1: lambda data: CredentialMap.whole(decode_update(data)),
    FORMAT: CredentialMap.from_kept,
}


class MapFileError(Exception):
    """The file holds no map that can be used: damaged, cut off, another gateway's, or not readable."""


class MapFile:
    """The file, and the key to it. Calls wait for the disk."""

    def __init__(self, folder: Path, private_key: Ed25519PrivateKey, school: str, gateway: str) -> None:
        self.path = folder / NAME
        self._school = school
        self._gateway = gateway
        self._about = f"{school}/{gateway}".encode()
        derived = HKDF(SHA256(), 32, salt=None, info=_DOMAIN + self._about)
        self._cipher = AESGCM(derived.derive(private_key.private_bytes_raw()))

    def __repr__(self) -> str:
        return f"MapFile({self.path})"

    def read(self) -> CredentialMap | None:
        """The map that was written last, or None where there is no file. Raises MapFileError."""
        try:
            with self.path.open("rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise MapFileError(f"{self.path} cannot be read: {error.strerror}") from error
        if len(data) > FILE_BYTES_MAX or data[: len(MAGIC)] != MAGIC or len(data) < _HEAD + NONCE_BYTES:
            raise MapFileError(f"{self.path} is not a credential map of this program")
        read = _FORMATS.get(data[len(MAGIC)])
        if read is None:
            raise MapFileError(f"{self.path}: format {data[len(MAGIC)]} is not known, {FORMAT} is")
        nonce, sealed = data[_HEAD : _HEAD + NONCE_BYTES], data[_HEAD + NONCE_BYTES :]
        try:
            found = read(self._cipher.decrypt(nonce, sealed, data[:_HEAD] + self._about))
        except InvalidTag:
            raise MapFileError(
                f"{self.path} is damaged, or was written by another gateway or under another key"
            ) from None
        except CredentialMapError as error:
            raise MapFileError(f"{self.path}: {error}") from None
        if (found.school, found.gateway) != (self._school, self._gateway):
            raise MapFileError(f"{self.path} is the map of {found.school}/{found.gateway}")
        return found

    def write(self, found: CredentialMap) -> None:
        """Puts the map in the place of the one before: all of it or nothing. Raises MapFileError."""
        head, nonce = MAGIC + bytes((FORMAT,)), os.urandom(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, found.kept(), head + self._about)
        try:
            write_whole(self.path, head + nonce + sealed)
        except OSError as error:
            raise MapFileError(f"{self.path} cannot be written: {error.strerror}") from error

    def put_aside(self) -> None:
        """Out of the way, for who wants to know what happened to it; one is kept."""
        with contextlib.suppress(OSError):
            self.path.replace(self._beside(".damaged"))

    def forget_damaged(self) -> None:
        """Somebody has to be forgotten: what was put aside may hold them."""
        with contextlib.suppress(OSError):
            self._beside(".damaged").unlink(missing_ok=True)

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(NAME + suffix)
