"""Configuration of the serial driver; `serial.sample.toml` beside this module shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from device_profiles.registry import Catalogue, ProfileNotFoundError
from edge_agent.drivers.settings import Baud, DeviceId, Place
from foundation.tomlfile import FileProblems, StrictModel
from foundation.tomllines import Location
from telemetry.readings import SeriesTable

if TYPE_CHECKING:
    from device_profiles.serial import SerialDecoder


class SerialDevice(StrictModel):
    """One board: which model it is and where it stands.

    `address`: its own, on a line with several. `interval_s`: how often it is asked, as its profile
    says when left out. `only`: the quantities this board is fitted with, where its profile knows more.
    """

    id: DeviceId
    profile: str
    place: Place
    address: str = Field(default="", max_length=32)
    interval_s: float | None = Field(default=None, ge=0.1, le=86_400)
    only: tuple[str, ...] | None = Field(default=None, min_length=1)


class SerialSource(StrictModel):
    """One port and what is behind it. What is left out, the profiles of its devices say; several speeds
    in a profile are tried until one gives good frames.
    """

    name: DeviceId
    port: str = Field(pattern=r"^/")
    """Its path; a link of /dev/serial/by-id names the same adapter in any socket."""
    baud: Baud | None = None
    parity: Literal["none", "even", "odd"] | None = None
    stop_bits: Literal[1, 2] | None = None
    devices: tuple[SerialDevice, ...] = Field(min_length=1, max_length=64)


def bind_device(device: SerialDevice, catalogue: Catalogue, table: SeriesTable) -> SerialDecoder:
    """The decoder of a configured board. Raises ProfileNotFoundError, FileProblems for a profile that
    cannot be used, and ValueError for a profile of another transport, a quantity it lacks or an
    address that is none.
    """
    from device_profiles.serial import bind_serial  # noqa: PLC0415  # only where there is one

    return bind_serial(
        catalogue.get(device.profile),
        device=device.id,
        place=device.place,
        table=table,
        address=device.address,
        only=device.only,
    )


def find_problems(sources: Sequence[SerialSource], catalogue: Catalogue) -> Iterator[tuple[Location, str]]:
    """What cannot work although each setting by itself is good: where, and why."""
    ports: dict[str, str] = {}
    for at, source in enumerate(sources):
        here = ("serial", at)
        if source.port in ports:
            yield (*here, "port"), f"{source.name}: {ports[source.port]} uses {source.port} already"
        ports.setdefault(source.port, source.name)
        decoders: list[SerialDecoder] = []
        for number, device in enumerate(source.devices):
            place = (*here, "devices", number)
            try:
                decoders.append(bind_device(device, catalogue, SeriesTable()))
            except (ProfileNotFoundError, ValueError, FileProblems) as error:
                yield (*place, "profile"), f"device {device.id}: {error}"
                continue
            if device.interval_s is not None and not decoders[-1].spec.polls:
                text = f"device {device.id}: speaks unasked; there is no interval to set"
                yield (*place, "interval_s"), text
        if len(decoders) == len(source.devices):
            yield from _line_problems(here, source, decoders)


def _line_problems(
    here: Location, source: SerialSource, decoders: Sequence[SerialDecoder]
) -> Iterator[tuple[Location, str]]:
    frames = sorted({decoder.spec.frame for decoder in decoders})
    if len(frames) > 1:
        yield (*here, "devices"), f"{source.name}: one line cannot carry frames of {' and '.join(frames)}"
        return
    if len(decoders) > 1:
        if not decoders[0].spec.is_addressed:
            text = f"{source.name}: frames of {frames[0]} name no sender; a port has one such device"
            yield (*here, "devices"), text
            return
        yield from _address_problems(here, source)
    for setting, told in _unsettled(source, decoders):
        yield here, f"{source.name}: set {setting}; its devices' profiles say {told}"


def _address_problems(here: Location, source: SerialSource) -> Iterator[tuple[Location, str]]:
    taken: dict[str, str] = {}
    for number, device in enumerate(source.devices):
        place = (*here, "devices", number)
        if not device.address:
            yield place, f"device {device.id}: needs its address, for there are others on the line"
        elif device.address in taken:
            text = f"device {device.id}: {taken[device.address]} has this address already"
            yield (*place, "address"), text
        taken.setdefault(device.address, device.id)


def _unsettled(source: SerialSource, decoders: Sequence[SerialDecoder]) -> Iterator[tuple[str, str]]:
    for setting in ("baud", "parity", "stop_bits"):
        if getattr(source, setting) is None:
            told = sorted({_shown(getattr(decoder.spec.line, setting)) for decoder in decoders})
            if len(told) > 1:
                yield setting, " and ".join(told)


def _shown(value: object) -> str:
    return " or ".join(map(str, value)) if isinstance(value, tuple) else str(value)
