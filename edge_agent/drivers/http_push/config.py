"""Configuration of the HTTP push driver; `http.sample.toml` beside this module shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from device_profiles.adapters import CardNotation
from device_profiles.registry import Catalogue, ProfileNotFoundError
from edge_agent.drivers.settings import DeviceId, Place
from foundation.tomlfile import FileProblems, StrictModel
from foundation.tomllines import Location
from telemetry.readings import SeriesTable

if TYPE_CHECKING:
    from device_profiles.http_push import HttpDecoder

_PATH = re.compile(r"(/[A-Za-z0-9._~-]{1,64}){1,8}")


def _path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise ValueError("must be a path of letters, digits and . _ ~ -, such as /gate-1 or /hik/gate-1")
    return text


class TlsFiles(StrictModel):
    """What the listener shows itself with: a certificate (PEM, its chain after it) and its key."""

    certificate_file: Path
    key_file: Path


class HttpDevice(StrictModel):
    """One device: which model it is, where it stands, to which path it posts, and how it shows who it
    is. Without a credential a device cannot be configured.

    `path` left out: / and its id. `password_file` goes with `username` (Digest or Basic);
    `token_file` is for a bearer token, or for one in the address: as last part of the path or in the
    query. `card_notation`: how it writes card numbers, where that is not as its profile says.
    """

    id: DeviceId
    profile: str
    place: Place
    path: Annotated[str, AfterValidator(_path)] | None = None
    username: str | None = Field(default=None, min_length=1, max_length=64, pattern=r"^[^:\s]+$")
    password_file: Path | None = None
    token_file: Path | None = None
    card_notation: CardNotation | None = None

    @model_validator(mode="after")
    def _one_credential(self) -> HttpDevice:
        if (self.password_file is None) == (self.token_file is None):
            raise ValueError("needs either username and password_file, or token_file")
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file go together")
        return self

    @property
    def address(self) -> str:
        """The path it posts to."""
        return self.path or f"/{self.id}"


class HttpSource(StrictModel):
    """One listener. `host` is an address of this machine; 0.0.0.0 is all of them.

    body_bytes_max: of a whole post, pictures included, which are passed over; what is read is at most
    64 KiB. request_s_max: for a request to come in; idle_s_max: between two on a connection.
    """

    name: DeviceId
    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(ge=1, le=65_535)
    tls: TlsFiles | None = None
    body_bytes_max: int = Field(default=4 * 1024 * 1024, ge=1_024, le=64 * 1024 * 1024)
    connections_max: int = Field(default=64, ge=1, le=1_000)
    connections_per_peer_max: int = Field(default=8, ge=1, le=1_000)
    request_s_max: float = Field(default=20.0, ge=0.1, le=300)
    idle_s_max: float = Field(default=75.0, ge=0.1, le=3_600)
    devices: tuple[HttpDevice, ...] = Field(min_length=1)

    @property
    def where(self) -> str:
        """The listener's address for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls else ''}://{host}:{self.port}"

    def relative_to(self, folder: Path) -> HttpSource:
        """The same with the files it names looked for in `folder`."""
        devices = []
        for device in self.devices:
            files = {name: getattr(device, name) for name in ("password_file", "token_file")}
            found = {name: folder / file for name, file in files.items() if file}
            devices.append(device.model_copy(update=found))
        tls = self.tls and TlsFiles(
            certificate_file=folder / self.tls.certificate_file, key_file=folder / self.tls.key_file
        )
        return self.model_copy(update={"devices": tuple(devices), "tls": tls})


def bind_device(device: HttpDevice, catalogue: Catalogue, table: SeriesTable, zone: ZoneInfo) -> HttpDecoder:
    """The decoder of a configured device. Raises ProfileNotFoundError, FileProblems for a profile
    that cannot be used, and ValueError for a profile of another transport.
    """
    from device_profiles.http_push import bind_http  # noqa: PLC0415  # only where there is one

    return bind_http(
        catalogue.get(device.profile),
        device=device.id,
        place=device.place,
        table=table,
        zone=zone,
        card_notation=device.card_notation,
    )


def find_problems(
    sources: Sequence[HttpSource], catalogue: Catalogue, zone: ZoneInfo
) -> Iterator[tuple[Location, str]]:
    """What cannot work although each setting by itself is good: where, and why."""
    listeners: dict[tuple[str, int], str] = {}
    for at, source in enumerate(sources):
        here = ("http", at)
        taken = listeners.setdefault((source.host, source.port), source.name)
        if taken != source.name:
            yield (*here, "port"), f"{source.name}: {taken} listens at {source.host}:{source.port} already"
        paths: dict[str, str] = {}
        for number, device in enumerate(source.devices):
            place = (*here, "devices", number)
            same = paths.setdefault(device.address, device.id)
            if same != device.id:
                yield (
                    (*place, "path" if device.path else "id"),
                    f"device {device.id}: {same} posts to {device.address} already",
                )
            try:
                bind_device(device, catalogue, SeriesTable(), zone)
            except (ProfileNotFoundError, ValueError, FileProblems) as error:
                yield (*place, "profile"), f"device {device.id}: {error}"
