"""Key files: Ed25519 private keys as PKCS#8 PEM, symmetric keys as hex; readable by the owner only."""

from __future__ import annotations

import base64
import os
import secrets
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

SECRET_BYTES = 32


class KeyFileError(Exception):
    """A key file is missing, readable by others, or no key. The message names file and remedy."""


def write_secret(path: Path, data: bytes) -> None:
    """Creates a file only its owner can read. Raises KeyFileError when it exists already."""
    if path.exists():
        raise KeyFileError(f"{path} exists already; move it away if you really want a new key")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror}") from error


def read_secret(path: Path) -> bytes:
    """The file's bytes. Raises KeyFileError, also when group or others may read it."""
    try:
        mode = path.stat().st_mode
        data = path.read_bytes()
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise KeyFileError(f"{path} can be read by others than its owner; run: chmod 600 {path}")
    return data


def create_signing_key(path: Path) -> Ed25519PrivateKey:
    """A new Ed25519 key in a new file. Raises KeyFileError."""
    key = Ed25519PrivateKey.generate()
    write_secret(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def load_signing_key(path: Path) -> Ed25519PrivateKey:
    """The Ed25519 key in a file. Raises KeyFileError."""
    data = read_secret(path)
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyFileError(f"{path} is not an Ed25519 private key in PEM form")
    return key


def create_secret(path: Path) -> bytes:
    """A new random 256-bit key in a new file. Raises KeyFileError."""
    secret = secrets.token_bytes(SECRET_BYTES)
    write_secret(path, secret.hex().encode() + b"\n")
    return secret


def load_secret(path: Path) -> bytes:
    """The 256-bit key in a file. Raises KeyFileError."""
    try:
        secret = bytes.fromhex(read_secret(path).decode("ascii").strip())
    except ValueError:
        secret = b""
    if len(secret) != SECRET_BYTES:
        raise KeyFileError(f"{path} does not hold {2 * SECRET_BYTES} hexadecimal digits")
    return secret


def public_text(key: Ed25519PublicKey) -> str:
    """A public key as people copy it: 44 characters of Base64."""
    return base64.b64encode(key.public_bytes_raw()).decode()


def parse_public(text: str) -> Ed25519PublicKey:
    """The inverse of `public_text`. Raises ValueError that says what was expected."""
    try:
        return Ed25519PublicKey.from_public_bytes(base64.b64decode(text, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("a public key is 44 characters of Base64, as `keygen` prints it") from None
