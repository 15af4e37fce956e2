"""Columns that say how somebody is: encrypted under a key that grows from the collector's key file.

A sealed value: generation of the key (2 bytes, big-endian), nonce (12), AES-256-GCM with its tag (16). The
name of table and column is bound to it, so that a value does not open in another column; in another
row it does. A number is 8 bytes before sealing, a text is filled up to whole `TEXT_BYTES`, so that the
size on disk tells neither. NULL stays NULL.

Each generation has 16 random bytes in the database, its salt. Its key is HKDF-SHA-256 (RFC 5869) of the
collector's private key and that salt: the database without the key file opens nothing, and neither does
the key file with another database's salt. Random nonces are good for 2³² values of one key (NIST SP
800-38D); `campus collector database rekey` begins the next.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from typing import Any, Final, Literal, NamedTuple
from weakref import WeakKeyDictionary

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import Dialect, Engine, LargeBinary, TypeDecorator

from collector.records.errors import SealingError

SALT_BYTES: Final = 16
TEXT_BYTES: Final = 128
"""All symptoms there are, with commas between, fill one of these."""
_HEAD: Final = struct.Struct(">H")
_NUMBER: Final = struct.Struct("<d")
_NONCE_BYTES: Final = 12
_INFO: Final = b"campus-pulse/collector/records/1"

Form = Literal["number", "text", "bytes"]


class _Codec(NamedTuple):
    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]


def _pack_number(value: float) -> bytes:
    packed = _NUMBER.pack(value)
    if value - value != 0:  # neither NaN nor infinite; SQLite alone would notice
        raise ValueError("a sealed number is not finite")
    return packed


def _unpack_number(data: bytes) -> float:
    value: float = _NUMBER.unpack(data)[0]
    return value


def _pack_text(value: str) -> bytes:
    data = value.encode()
    return data.ljust(-(-max(len(data), 1) // TEXT_BYTES) * TEXT_BYTES, b"\0")


FORMS: Final[dict[Form, _Codec]] = {
    "number": _Codec(_pack_number, _unpack_number),
    "text": _Codec(_pack_text, lambda data: data.rstrip(b"\0").decode()),
    "bytes": _Codec(bytes, bytes),
}


class Keyring:
    """The keys of one database by generation, made from a collector's private key (32 bytes), the seed;
    older seeds help to open only.

    Without a seed nothing can be sealed or opened; everything else of the database works.
    """

    def __init__(self, *seeds: bytes) -> None:
        self._seeds = seeds
        self._ciphers: dict[int, AESGCM] = {}
        self.current = 0
        """The generation that new values are sealed under; 0: there is none yet."""
        self.is_current_own = False
        """Whether it is of the first seed."""
        self.salt = b""
        """Of the current generation."""

    def __repr__(self) -> str:
        return f"Keyring(current={self.current}, …)"

    @property
    def has_seed(self) -> bool:
        return bool(self._seeds)

    def single(self, generation: int, salt: bytes) -> list[Keyring]:
        """For each seed, the newest first, a keyring of this one generation."""
        made = []
        for seed in self._seeds:
            one = Keyring()
            one.current = generation
            one._ciphers[generation] = AESGCM(HKDF(SHA256(), 32, salt=salt, info=_INFO).derive(seed))
            made.append(one)
        return made

    def take(self, some: dict[int, Keyring], current: int, *, own: bool, salt: bytes) -> None:
        """Keeps these generations and no others."""
        self._ciphers = {number: one._ciphers[number] for number, one in some.items()}  # noqa: SLF001  # of this class
        self.current, self.is_current_own, self.salt = current, own, salt

    def seal(self, plain: bytes, about: str) -> bytes:
        """about: table and column, such as ``"morning_checks.temperature_c"``. Raises SealingError."""
        cipher = self._ciphers.get(self.current)
        if cipher is None:
            raise SealingError(self._why(about, self.current))
        nonce = os.urandom(_NONCE_BYTES)
        return _HEAD.pack(self.current) + nonce + cipher.encrypt(nonce, plain, about.encode())

    def open(self, sealed: bytes, about: str) -> bytes:
        """Raises SealingError."""
        generation = generation_of(sealed)
        cipher = self._ciphers.get(generation)
        if cipher is None:
            raise SealingError(self._why(about, generation))
        start = _HEAD.size + _NONCE_BYTES
        try:
            return cipher.decrypt(sealed[_HEAD.size : start], sealed[start:], about.encode())
        except (InvalidTag, ValueError):
            raise SealingError(f"a value of {about} is damaged; restore the database from a backup") from None

    def _why(self, about: str, generation: int) -> str:
        if not self._seeds:
            return f"{about} is sealed and the collector's key file was not given"
        return (
            f"{about}: key {generation} is not at hand; if the key file was replaced, run: "
            "campus collector database rekey --old-key-file"
        )


def generation_of(sealed: bytes) -> int:
    """Under which key a value was sealed; 0 for what is no sealed value."""
    generation: int = _HEAD.unpack_from(sealed)[0] if len(sealed) >= _HEAD.size else 0
    return generation


class Sealed(TypeDecorator[Any]):
    """A column whose values are sealed on the way in and opened on the way out.

    It takes the keyring of the engine that it is used with, see `attach`. `column`: its full name.
    """

    impl = LargeBinary
    cache_ok = True

    def __init__(self, column: str, form: Form) -> None:
        super().__init__()
        self.column, self.form = column, form
        self._codec = FORMS[form]

    def process_bind_param(self, value: Any, dialect: Dialect) -> bytes | None:
        return None if value is None else _KEYRINGS[dialect].seal(self._codec.pack(value), self.column)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        return (
            None if value is None else self._codec.unpack(_KEYRINGS[dialect].open(bytes(value), self.column))
        )


_KEYRINGS: WeakKeyDictionary[Dialect, Keyring] = WeakKeyDictionary()


def attach(engine: Engine, keyring: Keyring) -> None:
    """From now on the sealed columns read and written over this engine use this keyring."""
    _KEYRINGS[engine.dialect] = keyring
