"""A driver: reads thermometers that show their value in a file, each through its profile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any, Final, Self

from pydantic import Field

from device_profiles.binding import bind
from device_profiles.decoder import DeviceDecoder
from device_profiles.encodings import parse_payload
from device_profiles.parsing import DecodeError
from edge_agent.drivers.contract import DeviceReport, Sink
from edge_agent.drivers.plugin import DriverParts, DriverPlugin
from edge_agent.drivers.settings import DeviceId, Place
from foundation.tomlfile import StrictModel
from telemetry.readings import Chunk

FILE_BYTES_MAX: Final = 4_096


class FileDevice(StrictModel):
    """One thermometer. file: a path, relative to the configuration's folder. What is in it: a whole number of
    thousandths of a degree, or the JSON of the profile.
    """

    id: DeviceId
    place: Place
    file: Path
    profile: str = "example-school/thermometer-file"
    interval_s: Annotated[float, Field(ge=0.1, le=3_600)] = 30.0


class FileSource(StrictModel):
    """One table ``[[plugin.cold_room]]``."""

    name: DeviceId
    devices: Annotated[tuple[FileDevice, ...], Field(min_length=1, max_length=100)]

    def relative_to(self, base: Path) -> Self:
        devices = tuple(one.model_copy(update={"file": base / one.file}) for one in self.devices)
        return self.model_copy(update={"devices": devices})


class FileDriver:
    """Reads each file at its interval. A file that is not there is a state of the device, not an error."""

    def __init__(self, source: FileSource, parts: DriverParts) -> None:
        self.name = source.name
        self._source = source
        self._parts = parts
        self._decoders: dict[str, DeviceDecoder] = {
            device.id: bind(
                parts.catalogue.get(device.profile),
                device=device.id,
                place=device.place,
                address=device.id,
                table=parts.table,
                zone=parts.zone,
            )
            for device in source.devices
        }

    async def run(self, sink: Sink) -> None:
        async with asyncio.TaskGroup() as group:
            for device in self._source.devices:
                group.create_task(self._poll(device, sink), name=f"{self.name}-{device.id}")

    async def _poll(self, device: FileDevice, sink: Sink) -> None:
        while True:
            chunk, refused, size_bytes = await self._read(device)
            if chunk:
                sink.readings(chunk)
            for reason in refused:
                sink.refused(device.id, reason, size_bytes)
            await asyncio.sleep(device.interval_s)

    async def _read(self, device: FileDevice) -> tuple[Chunk, tuple[str, ...], int]:
        """Readings, or why there are none, and the size of what was read."""
        chunk = Chunk()
        try:
            data = await asyncio.to_thread(_read_file, device.file)
        except OSError:
            return chunk, (), 0  # the gateway notices by itself that the device is silent
        text = data.strip()
        if text.isdigit() or text[1:].isdigit():
            text = b'{"millidegrees":%b}' % text
        try:
            payload = parse_payload("json", text)
        except DecodeError as error:
            return chunk, (error.reason,), len(data)
        clock = self._parts.clock
        outcome = self._decoders[device.id].decode(
            payload, clock.now_ms(), False, chunk, trust_device_time=clock.known
        )
        return chunk, outcome.refused, len(data)

    async def check(self, timeout_s: float) -> AsyncIterator[DeviceReport]:
        for device in self._source.devices:
            try:
                async with asyncio.timeout(timeout_s):
                    chunk, refused, _ = await self._read(device)
            except TimeoutError:
                chunk, refused = Chunk(), (f"no answer within {timeout_s:g} s",)
            found = [f"{one.series.quantity} {one.value:g}" for one in chunk.readings(self._parts.table)]
            why = ", ".join(refused) or f"{device.file} cannot be read; is the path right?"
            yield DeviceReport(device.id, ok=bool(found), text=", ".join(found) or why)


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(FILE_BYTES_MAX)


def _make(source: Any, parts: DriverParts) -> FileDriver:
    return FileDriver(source, parts)


PLUGIN = DriverPlugin(api=1, source=FileSource, make=_make)
