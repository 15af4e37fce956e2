"""Configuration of the Bluetooth driver; `ble.sample.toml` beside this module shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from device_profiles.registry import Catalogue, ProfileNotFoundError
from edge_agent.drivers.settings import DeviceId, Place
from foundation.keyfiles import KeyFileError, read_secret
from foundation.tomlfile import FileProblems, StrictModel
from foundation.tomllines import Location
from telemetry.quantities import Lane
from telemetry.readings import SeriesTable

if TYPE_CHECKING:
    from device_profiles.ble import BleDecoder

KEY_BYTES = (12, 16)
"""Bind keys: 16 bytes, of older Xiaomi devices 12."""
ScanMode = Literal["passive", "active"]


def _address(text: str) -> str:
    digits = text.upper().replace("-", ":")
    parts = digits.split(":")
    if len(parts) != 6 or any(len(part) != 2 or not set(part) <= set("0123456789ABCDEF") for part in parts):
        # Without the text: it may be the address of somebody's band.
        raise ValueError("must be a Bluetooth address such as C4:7C:8D:00:00:01")
    return digits


Address = Annotated[str, AfterValidator(_address)]


class BleDevice(StrictModel):
    """One device: which model it is, where it stands, its address.

    bind_key_file: where its data is encrypted; the file holds the key in hexadecimal digits. only: the
    quantities this device is fitted with, where its profile knows more. turn_s: how long it keeps its
    connection while others wait for one. rssi: its signal strength becomes a series too; not of what people
    wear.
    """

    id: DeviceId
    profile: str
    place: Place
    address: Address = Field(repr=False)
    bind_key_file: Path | None = None
    only: tuple[str, ...] | None = Field(default=None, min_length=1)
    turn_s: float = Field(default=30.0, ge=0.2, le=3_600)
    rssi: bool = False


class BleBands(StrictModel):
    """Bands that are not listed: those of one model that are heard, and worn by somebody whom the vault
    knows with the band's address. place: where they are heard. turn_s: as of a device.
    """

    profile: str
    place: Place
    turn_s: float = Field(default=30.0, ge=0.2, le=3_600)


class BleSource(StrictModel):
    """One adapter. mode: "passive" only listens; "active" also asks for names, which costs the devices'
    batteries. links_max: connections it holds at a time; real adapters hold 5 to 7. stale_s: after so
    long without a word from anybody the adapter is reset.
    """

    name: DeviceId
    adapter: str = Field(default="hci0", pattern=r"^hci\d{1,2}$")
    mode: ScanMode = "passive"
    links_max: int = Field(default=5, ge=1, le=32)
    stale_s: float = Field(default=60.0, ge=1, le=3_600)
    bands: tuple[BleBands, ...] = Field(default=(), max_length=8)
    devices: tuple[BleDevice, ...] = Field(default=(), validate_default=True)

    @field_validator("devices")
    @classmethod
    def _somebody(cls, devices: tuple[BleDevice, ...], info: ValidationInfo) -> tuple[BleDevice, ...]:
        if not devices and not info.data.get("bands"):
            raise ValueError("needs at least 1 of its kind, or bands")
        return devices

    def relative_to(self, base: Path) -> Self:
        """The same, with paths that start at `base`."""
        devices = tuple(
            device.model_copy(update={"bind_key_file": base / device.bind_key_file})
            if device.bind_key_file is not None
            else device
            for device in self.devices
        )
        return self.model_copy(update={"devices": devices})


def read_bind_key(path: Path) -> bytes:
    """The key in a file of hexadecimal digits. Raises KeyFileError."""
    try:
        key = bytes.fromhex(read_secret(path).decode("ascii").strip())
    except ValueError:  # UnicodeDecodeError is one
        key = b""
    if len(key) not in KEY_BYTES:
        raise KeyFileError(f"{path} holds no bind key: expected 32 (or 24) hexadecimal digits")
    return key


def bind_device(
    device: BleDevice, catalogue: Catalogue, table: SeriesTable, key: bytes | None = None
) -> BleDecoder:
    """The decoder of a configured device. Raises ProfileNotFoundError, FileProblems for a profile
    that cannot be used, and ValueError for a profile of another transport or a quantity it lacks.
    """
    from device_profiles.ble import bind_ble  # noqa: PLC0415  # only where there is one

    return bind_ble(
        catalogue.get(device.profile),
        device=device.id,
        place=device.place,
        address=device.address,
        table=table,
        key=key,
        only=device.only,
    )


def find_problems(sources: Sequence[BleSource], catalogue: Catalogue) -> Iterator[tuple[Location, str]]:
    """What cannot work although each setting by itself is good: where, and why."""
    adapters: dict[str, str] = {}
    taken: dict[tuple[str, str], str] = {}
    for at, source in enumerate(sources):
        here = ("ble", at)
        if source.adapter in adapters:
            text = f"{source.name}: {adapters[source.adapter]} uses {source.adapter} already; one table an adapter"
            yield (*here, "adapter"), text
        adapters.setdefault(source.adapter, source.name)
        yield from _band_problems(source, here, catalogue)
        for number, device in enumerate(source.devices):
            place = (*here, "devices", number)
            same = taken.setdefault((device.address, device.profile), device.id)
            if same != device.id:
                yield (*place, "address"), f"device {device.id}: has the address and profile of {same}"
            try:
                decoder = bind_device(device, catalogue, SeriesTable())
            except (ProfileNotFoundError, ValueError, FileProblems) as error:
                yield (*place, "profile"), f"device {device.id}: {error}"
                continue
            if decoder.spec.encrypted and device.bind_key_file is None:
                text = f"device {device.id}: {device.profile} is encrypted; give bind_key_file"
                yield (*place, "profile"), text
            if device.rssi and any(row.spec.lane is Lane.PERSONAL for row in decoder.spec.fields):
                text = f"device {device.id}: where a band is heard says where somebody is; no rssi of it"
                yield (*place, "rssi"), text


def _band_problems(
    source: BleSource, here: tuple[str, int], catalogue: Catalogue
) -> Iterator[tuple[Location, str]]:
    linked = ""
    for number, rule in enumerate(source.bands):
        place = (*here, "bands", number, "profile")
        probe = BleDevice(id="band", profile=rule.profile, place=rule.place, address="00:00:00:00:00:00")
        try:
            decoder = bind_device(probe, catalogue, SeriesTable())
        except (ProfileNotFoundError, ValueError, FileProblems) as error:
            yield place, f"bands: {error}"
            continue
        if decoder.spec.encrypted or not any(row.spec.lane is Lane.PERSONAL for row in decoder.spec.fields):
            yield place, f"bands: {rule.profile} is no model of a band that can be read without being listed"
        if decoder.characteristics and linked:
            text = (
                f"bands: {linked} and {rule.profile} must both be connected to; only one such model a table"
            )
            yield place, text
        linked = linked or (rule.profile if decoder.characteristics else "")
