"""The table `sealing_keys`: which generations of keys there are, and whether a key file is theirs."""

from __future__ import annotations

import os
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select

from collector.records.errors import SealingError
from collector.records.sealing import SALT_BYTES, Keyring
from collector.records.tables import sealing_keys

_PROOF: Final = "sealing_keys.proof"
_PROVEN: Final = b"campus-pulse"


class WrongKeyFileError(Exception):
    """The key file is not the one that the database was sealed under."""


def load(connection: Connection, keyring: Keyring) -> None:
    """Fills the keyring. A generation of another key file is left out, unless it is the current one:
    raises WrongKeyFileError.
    """
    rows = connection.execute(select(sealing_keys).order_by(sealing_keys.c.generation)).all()
    found, current, own, salt = {}, 0, False, b""
    for row in rows:
        singles = keyring.single(row.generation, row.salt)
        fitting = [one for one in singles if _proves(one, row.proof)]
        current, own, salt = row.generation, fitting[:1] == singles[:1] != [], row.salt
        if fitting:
            found[row.generation] = fitting[0]
    if keyring.has_seed and current and current not in found:
        raise WrongKeyFileError
    keyring.take(found, current, own=own, salt=salt)


def _proves(keyring: Keyring, proof: bytes) -> bool:
    try:
        return keyring.open(proof, _PROOF) == _PROVEN
    except SealingError:
        return False


def begin(connection: Connection, keyring: Keyring, now_ms: int) -> int:
    """Makes the next generation the current one, in the caller's transaction; its number."""
    last = connection.scalar(select(func.max(sealing_keys.c.generation))) or 0
    generation, salt = last + 1, os.urandom(SALT_BYTES)
    proof = keyring.single(generation, salt)[0].seal(_PROVEN, _PROOF)
    row = {"generation": generation, "salt": salt, "proof": proof, "made_ms": now_ms}
    connection.execute(insert(sealing_keys), [row])
    load(connection, keyring)
    return generation


def end_others(connection: Connection, keyring: Keyring) -> None:
    """Forgets the salts of all generations but the current one: nothing is sealed under them any more."""
    connection.execute(delete(sealing_keys).where(sealing_keys.c.generation != keyring.current))
    load(connection, keyring)


def count(connection: Connection) -> int:
    return connection.scalar(select(func.count()).select_from(sealing_keys)) or 0
