"""The keys and certificates that a gateway is known by, of which always one whole set is in use.

::

    keys/3/              of the third enrolment; gateway.toml names it
    keys/3/current       a link to the set in use
    keys/3/2/            signing.key, tls.key (0600), gateway.pem, authority.pem
    keys/3/unfinished    as long as gateway.toml does not name it yet

A new set is written and synced to disk beside the old one; a rename of the link then puts all of it in use
at once, so that a power cut at any moment leaves the old set or the new one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from edge_agent.enrolment.folder import unwritable
from foundation.commands import UsageError
from foundation.keyfiles import (
    KeyFileError,
    create_signing_key,
    load_signing_key,
    read_secret,
    write_secret,
)
from foundation.wholefile import sync_folder, write_whole

CURRENT: Final = "current"
_NEW_LINK: Final = "current.new"
_UNFINISHED: Final = "unfinished"


class KeySet:
    """The files of one set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signing_key = folder / "signing.key"
        self.tls_key = folder / "tls.key"
        self.certificate = folder / "gateway.pem"
        self.authority = folder / "authority.pem"

    def __repr__(self) -> str:
        return f"KeySet({self.folder})"

    def make_signing_key(self, kept: Path | None) -> Ed25519PrivateKey:
        """A new one, or that of the file `kept`. Raises KeyFileError."""
        if kept is None:
            return create_signing_key(self.signing_key)
        write_secret(self.signing_key, read_secret(kept))
        return load_signing_key(self.signing_key)

    def load_tls_key(self) -> ec.EllipticCurvePrivateKey:
        """Raises KeyFileError."""
        data = read_secret(self.tls_key)
        try:
            key = load_pem_private_key(data, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise KeyFileError(f"{self.tls_key} is no key of ours")
        return key

    def create_tls_key(self) -> ec.EllipticCurvePrivateKey:
        """Raises KeyFileError."""
        key = ec.generate_private_key(ec.SECP256R1())
        write_secret(self.tls_key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return key

    def remove(self) -> None:
        """Keys that will not be used do not lie about."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def write_certificates(self, certificate: str, authority: str) -> None:
        """In PEM. Raises OSError."""
        for file, text in ((self.certificate, certificate), (self.authority, authority)):
            write_whole(file, text.encode("utf-8"))


class KeySets:
    """The sets of one enrolment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.current = KeySet(folder / CURRENT)
        self.first = KeySet(folder / "1")

    @classmethod
    def found_at(cls, signing_key: Path) -> KeySets | None:
        """Those that a configured key file belongs to; None for files that somebody laid down by hand."""
        folder = signing_key.parent
        if folder.name != CURRENT or not folder.is_symlink() or signing_key.name != "signing.key":
            return None
        return cls(folder.parent)

    def stage(self) -> KeySet:
        """A new set, empty, not in use. What a broken run left is removed. Raises UsageError."""
        require_owner(self.folder)
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            used = self._used()
            _remove_numbered(self.folder, keep={used} if used else ())
            staged = KeySet(self.folder / str(int(used or "0") + 1))
            staged.folder.mkdir(mode=0o700)
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        return staged

    def put_in_use(self, staged: KeySet) -> None:
        """From here on `current` is this set; the one before is removed. Raises UsageError."""
        try:
            sync_folder(staged.folder)
            link = self.folder / _NEW_LINK
            link.unlink(missing_ok=True)
            link.symlink_to(staged.folder.name)
            link.replace(self.folder / CURRENT)
            sync_folder(self.folder)
            _remove_numbered(self.folder, keep={staged.folder.name})
        except OSError as error:
            raise _unwritable(self.folder, error) from error

    def finish(self) -> None:
        """They are in a file from now on."""
        (self.folder / _UNFINISHED).unlink(missing_ok=True)

    def remove(self) -> None:
        """All of them: keys that will not be used do not lie about."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _used(self) -> str | None:
        link = self.folder / CURRENT
        return link.readlink().name if link.is_symlink() else None


def unfinished_sets(keys: Path, named: Collection[str]) -> KeySets | None:
    """Of an enrolment that was cut off before it came to be in a file (`named`: which are)."""
    found = _unfinished(keys, named)
    return found[-1] if found else None


def new_sets(keys: Path, named: Collection[str]) -> KeySets:
    """For another enrolment, in a folder of its own under `keys`; what was cut off before goes. Raises
    UsageError.
    """
    require_owner(keys.parent)
    try:
        keys.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in _unfinished(keys, named):
            shutil.rmtree(old.folder)
        numbers = [int(one.name) for one in keys.iterdir() if one.name.isdecimal()]
        sets = KeySets(keys / str(max(numbers, default=0) + 1))
        sets.folder.mkdir(mode=0o700)
        (sets.folder / _UNFINISHED).touch(mode=0o600)
    except OSError as error:
        raise _unwritable(keys, error) from error
    return sets


def _unfinished(keys: Path, named: Collection[str]) -> list[KeySets]:
    found = [one for one in keys.glob("*") if one.name.isdecimal() and one.name not in named]
    cut_off = [one for one in found if (one / _UNFINISHED).exists() or not (one / CURRENT).is_symlink()]
    return [KeySets(one) for one in sorted(cut_off, key=lambda one: int(one.name))]


def require_owner(folder: Path, user: int | None = None) -> None:
    """That root makes no keys which the gateway's own user could not read. Raises UsageError. user: who runs
    this, by number.
    """
    user = os.geteuid() if user is None else user
    owner = folder.stat().st_uid if folder.is_dir() else user
    if user == 0 and owner != 0:
        raise UsageError(
            f"{folder} belongs to user {owner}, who could not read what root makes here; run the same command as "
            f"that user: sudo -u '#{owner}' campus gateway …"
        )


def _remove_numbered(folder: Path, keep: Collection[str]) -> None:
    for one in folder.iterdir():
        if one.name.isdecimal() and one.name not in keep and not one.is_symlink():
            shutil.rmtree(one)


def _unwritable(folder: Path, error: OSError) -> UsageError:
    return UsageError(unwritable(folder, error))
