"""What is kept of the collector's configuration: the version in use, what was before it, what was refused.

`Kept` is a value; its methods give the next one. `KeptFile` holds it on the disk, in JSON that a person can
read, behind the CRC-32 of it in 8 hexadecimal digits on a line of its own.
"""

from __future__ import annotations

import contextlib
import zlib
from pathlib import Path
from typing import Final, Self

import msgspec
import structlog

from foundation.wholefile import write_whole
from telemetry.configuration import BYTES_MAX, digest
from telemetry.decoding import DECODING_ERRORS, describe

NAME: Final = "configuration"
FORMAT: Final = 1
FILE_BYTES_MAX: Final = 8 * BYTES_MAX
"""Two versions, and what JSON adds to them."""
STARTS_MAX: Final = 3
"""A version on probation may see the gateway begin so often."""


log = structlog.get_logger()


class KeptFileError(Exception):
    """The file cannot be used, or not be written; the message says why."""


class Version(msgspec.Struct, frozen=True):
    """Sections under their number. 0, without sections: gateway.toml alone."""

    version: int = 0
    sections: dict[str, str] = {}

    @property
    def digest(self) -> str:
        return digest(self.sections)


class Kept(msgspec.Struct, frozen=True):
    """newest: the highest version that ever was in use here; what is not above it is a repetition.

    proven: on probation, the version to go back to; None: `used` has proven itself. starts: how often the
    gateway has begun with a version on probation. refused, reason: what has been given up although it was
    good when it came. collector: in the file only, whose configuration this is, by its public key.
    """

    format: int = FORMAT
    newest: int = 0
    used: Version = Version()
    proven: Version | None = None
    starts: int = 0
    refused: int | None = None
    reason: str = ""
    collector: str = ""

    @property
    def on_probation(self) -> bool:
        return self.proven is not None

    def take(self, version: Version) -> Self:
        """A newer version is in use, on probation. What is not proven yet is nothing to go back to."""
        back = self.used if self.proven is None else self.proven
        return type(self)(newest=version.version, used=version, proven=back, starts=1)

    def prove(self) -> Self:
        return msgspec.structs.replace(self, proven=None, starts=0)

    def begin_again(self) -> Self:
        """The gateway starts."""
        return msgspec.structs.replace(self, starts=self.starts + 1) if self.on_probation else self

    def forgive(self) -> Self:
        """So far it has not ended by itself."""
        return msgspec.structs.replace(self, starts=0)

    @property
    def has_begun_too_often(self) -> bool:
        return self.on_probation and self.starts > STARTS_MAX

    def go_back(self, reason: str) -> Self:
        """To the version before the one on probation."""
        assert self.proven is not None, "only from a version on probation"
        return type(self)(newest=self.newest, used=self.proven, refused=self.used.version, reason=reason)

    def reset(self, reason: str) -> Self:
        """To gateway.toml alone; no version so far comes back by itself."""
        return type(self)(newest=self.newest, refused=self.newest or None, reason=reason)


class KeptFile:
    """The file in the gateway's data folder. collector: the public key of who is believed, as gateway.toml has
    it. Calls wait for the disk.
    """

    def __init__(self, data_dir: Path, collector: str) -> None:
        self.path = data_dir / NAME
        self._collector = collector

    def read(self) -> Kept:
        """What was written last; nothing where there is no file, or where another collector was believed when
        it was written: neither its devices nor its numbers bind the one of now. Raises KeptFileError.
        """
        try:
            with self.path.open("rb") as file:
                data = file.read(FILE_BYTES_MAX + 1)
        except FileNotFoundError:
            return Kept()
        except OSError as error:
            raise KeptFileError(f"{self.path} cannot be read: {error.strerror}") from error
        sum_, _, body = data.partition(b"\n")
        if len(data) > FILE_BYTES_MAX or sum_ != _sum(body):
            raise KeptFileError(f"{self.path} is damaged, or somebody has changed it by hand")
        try:
            found = msgspec.json.decode(body, type=Kept)
        except DECODING_ERRORS as error:
            raise KeptFileError(f"{self.path}: {describe(error)}") from None
        if found.format != FORMAT:
            raise KeptFileError(f"{self.path}: format {found.format} is not known, {FORMAT} is")
        if found.collector not in {"", self._collector}:
            log.warning("what another collector has configured is left", version=found.used.version)
            return Kept()
        return msgspec.structs.replace(found, collector="")

    def write(self, kept: Kept) -> None:
        """All of it or nothing, durable when it returns. Raises KeptFileError."""
        named = msgspec.structs.replace(kept, collector=self._collector)
        body = msgspec.json.format(msgspec.json.encode(named), indent=1) + b"\n"
        try:
            write_whole(self.path, _sum(body) + b"\n" + body)
        except OSError as error:
            raise KeptFileError(f"{self.path} cannot be written: {error.strerror}") from error

    def put_aside(self) -> Path:
        """Out of the way, for who wants to know what happened to it; one is kept. Gives its new place."""
        aside = self.path.with_name(f"{NAME}.damaged")
        with contextlib.suppress(OSError):
            self.path.replace(aside)
        return aside


def _sum(body: bytes) -> bytes:
    return f"{zlib.crc32(body):08x}".encode()
