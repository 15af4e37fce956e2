"""Keys of OSDP readers: random ones, one a reader, in files that only their owner can read."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from foundation.keyfiles import KeyFileError, read_secret, write_secret

KEY_BYTES: Final = 16
DEFAULT_KEY: Final = bytes(range(0x30, 0x40))
"""SCBK-D of the standard, with which readers leave the factory."""
ADDRESS_MAX: Final = 126
"""The highest address of a reader; 127 is everybody's."""


def check_key(key: bytes) -> bytes:
    """The key, if it may be used. Raises ValueError; the message does not tell the key."""
    if len(key) != KEY_BYTES:
        raise ValueError(f"a reader's key has {KEY_BYTES} bytes")
    if key == DEFAULT_KEY or len(set(key)) == 1:
        raise ValueError("this key is known to everybody; make one with: campus edge osdp-key FILE")
    return key


def create_key(path: Path) -> bytes:
    """A new random key in a new file. Raises KeyFileError."""
    key = secrets.token_bytes(KEY_BYTES)
    write_secret(path, key.hex().encode() + b"\n")
    return key


def load_key(path: Path) -> bytes:
    """The key in a file. Raises KeyFileError."""
    try:
        return check_key(bytes.fromhex(read_secret(path).decode("ascii").strip()))
    except KeyFileError:
        raise
    except ValueError as error:
        told = str(error) if "key" in str(error) else f"it does not hold {2 * KEY_BYTES} hexadecimal digits"
        raise KeyFileError(f"{path}: {told}") from None
