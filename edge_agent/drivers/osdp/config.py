"""Configuration of the OSDP driver; `osdp.sample.toml` beside this module shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

from pydantic import Field

from edge_agent.drivers.settings import Baud, DeviceId, Place
from firmware_bridges.osdp_keys import ADDRESS_MAX, load_key
from foundation.keyfiles import KeyFileError
from foundation.tomlfile import StrictModel
from foundation.tomllines import Location


class OsdpReader(StrictModel):
    """One reader: where it hangs, its address on the line, and the file with its key, which
    `campus edge osdp-key` makes. `door`: a number that goes with its taps.
    """

    id: DeviceId
    place: Place
    address: int = Field(ge=0, le=ADDRESS_MAX)
    key_file: Path
    door: int | None = Field(default=None, ge=0, le=1_000_000)


class OsdpSource(StrictModel):
    """One line (RS-485) of readers."""

    name: DeviceId
    port: str = Field(pattern=r"^/")
    """Its path; a link of /dev/serial/by-id names the same adapter in any socket."""
    baud: Baud = 9_600
    readers: tuple[OsdpReader, ...] = Field(min_length=1, max_length=32)

    @property
    def devices(self) -> tuple[OsdpReader, ...]:
        return self.readers

    def relative_to(self, folder: Path) -> OsdpSource:
        """The same with its key files looked for in `folder`."""
        readers = tuple(
            reader.model_copy(update={"key_file": folder / reader.key_file}) for reader in self.readers
        )
        return self.model_copy(update={"readers": readers})


def find_problems(sources: Sequence[OsdpSource]) -> Iterator[tuple[Location, str]]:
    """What cannot work although each setting by itself is good: where, and why."""
    if sources and find_spec("osdp_sys") is None:
        yield ("osdp",), "[[osdp]] needs a library: pip install 'campus-pulse[osdp]'"
    ports: dict[str, str] = {}
    keys: dict[bytes, str] = {}
    for at, source in enumerate(sources):
        here = ("osdp", at)
        if source.port in ports:
            yield (*here, "port"), f"{source.name}: {ports[source.port]} uses {source.port} already"
        ports.setdefault(source.port, source.name)
        addresses: dict[int, str] = {}
        for number, reader in enumerate(source.readers):
            place = (*here, "readers", number)
            if reader.address in addresses:
                text = f"reader {reader.id}: {addresses[reader.address]} has this address already"
                yield (*place, "address"), text
            addresses.setdefault(reader.address, reader.id)
            try:
                key = load_key(reader.key_file)
            except KeyFileError as error:
                yield (*place, "key_file"), f"reader {reader.id}: {error}"
                continue
            if key in keys:
                text = f"reader {reader.id}: {keys[key]} has the same key; each reader needs its own"
                yield (*place, "key_file"), text
            keys.setdefault(key, reader.id)
