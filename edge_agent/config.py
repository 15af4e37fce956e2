"""The gateway's configuration: ``gateway.toml``, parsed without network into frozen objects.

Paths in the file are relative to the folder the file lies in. `gateway.sample.toml` beside this
module shows every setting.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, Protocol
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from device_profiles.registry import Catalogue, ProfileNotFoundError
from edge_agent.drivers.ble.config import BleSource
from edge_agent.drivers.ble.config import find_problems as find_ble_problems
from edge_agent.drivers.http_push.config import HttpSource
from edge_agent.drivers.http_push.config import find_problems as find_http_problems
from edge_agent.drivers.modbus.config import ModbusSource, find_problems
from edge_agent.drivers.mqtt_config import MqttSource, bind_device
from edge_agent.drivers.osdp.config import OsdpSource
from edge_agent.drivers.osdp.config import find_problems as find_osdp_problems
from edge_agent.drivers.serial.config import SerialSource
from edge_agent.drivers.serial.config import find_problems as find_serial_problems
from edge_agent.reporting.rules import ReportRule, SilenceSection
from foundation.broker import BrokerSettings
from foundation.keyfiles import parse_public
from foundation.logs import LogFormat, LogLevel
from foundation.tomlfile import FileProblems, Problem, StrictModel, load
from foundation.tomllines import Location, find_line
from telemetry.readings import SeriesTable
from telemetry.topics import IDENTIFIER


def _identifier(text: str) -> str:
    if not IDENTIFIER.fullmatch(text):
        raise ValueError("must be 1 to 63 lower-case letters, digits, - or _, such as gw-301")
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ValueError, OSError):
        raise ValueError("is not a time zone; use a name such as Asia/Shanghai") from None
    return text


def _topic(text: str) -> str:
    if not text or any(sign in text for sign in "+#\0"):
        raise ValueError("must be a topic to publish to: not empty, and without +, # and NUL")
    return text


def _public_key(text: str) -> str:
    parse_public(text)
    return text


Identifier = Annotated[str, AfterValidator(_identifier)]


class GatewaySection(StrictModel):
    """Who this gateway is."""

    id: Identifier
    school: Identifier
    key_file: Path
    data_dir: Path
    timezone: Annotated[str, AfterValidator(_zone)] = "Asia/Shanghai"
    clock: Literal["auto", "system"] = "auto"
    """auto: the kernel says whether the time is known; system: always believe the system clock."""


class CollectorSection(StrictModel):
    """Whose acknowledgements are believed, and the way there."""

    public_key: Annotated[str, AfterValidator(_public_key)]
    mqtt: BrokerSettings


class BatchSection(StrictModel):
    """When a batch of bulk readings closes; urgent events never wait."""

    interval_s: float = Field(default=2.0, ge=0.1, le=300)
    readings_max: int = Field(default=5_000, ge=1, le=20_000)


class BufferSection(StrictModel):
    """How much the gateway keeps while the collector is away."""

    bytes_max: int = Field(default=512 * 1024 * 1024, ge=1024 * 1024)
    disk_free_bytes_min: int = Field(default=64 * 1024 * 1024, ge=0)


class UplinkSection(StrictModel):
    """How batches are handed over."""

    window_batches: int = Field(default=32, ge=1, le=500)
    resend_s: float = Field(default=30.0, ge=1, le=3_600)
    status_interval_s: float = Field(default=10.0, ge=1, le=3_600)
    late_after_s: float = Field(default=60.0, ge=1)


class PersonalSection(StrictModel):
    """The credential map and the key it is blinded with. Without it every card is unknown."""

    credential_map: Path
    blinding_key_file: Path
    age_days_max: float = Field(default=7.0, gt=0, le=30)


class AlarmSection(StrictModel):
    """The local alarm: raised when no collector has received an urgent event in time."""

    after_s: float = Field(default=5.0, ge=1, le=60)
    mqtt: BrokerSettings | None = None
    """Broker of the alarm topic; the broker of the first [[mqtt]] source when left out."""
    topic: Annotated[str, AfterValidator(_topic)] | None = None
    """Left out: campus/local/{gateway}/alarm."""


class MetricsSection(StrictModel):
    """Prometheus metrics; on loopback unless told otherwise. Port 0 switches them off."""

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)


class LogSection(StrictModel):
    """What is logged, and how."""

    level: LogLevel = "info"
    format: LogFormat = "auto"


class Device(Protocol):
    """What the configurations of all devices have in common."""

    @property
    def id(self) -> str: ...
    @property
    def place(self) -> str: ...


class Source(Protocol):
    """What the configurations of all sources of devices have in common."""

    @property
    def name(self) -> str: ...
    @property
    def devices(self) -> Sequence[Device]: ...


class GatewayConfig(StrictModel):
    """The whole file."""

    gateway: GatewaySection
    collector: CollectorSection
    batch: BatchSection = BatchSection()
    buffer: BufferSection = BufferSection()
    uplink: UplinkSection = UplinkSection()
    personal: PersonalSection | None = None
    alarm: AlarmSection = AlarmSection()
    metrics: MetricsSection = MetricsSection()
    log: LogSection = LogSection()
    report: tuple[ReportRule, ...] = ()
    """Which readings are handed on: all of them where no rule fits."""
    silence: SilenceSection = SilenceSection()
    profile_dirs: tuple[Path, ...] = ()
    """Folders with profiles of the school's own, beside the bundled catalogue."""
    mqtt: tuple[MqttSource, ...] = ()
    modbus: tuple[ModbusSource, ...] = ()
    http: tuple[HttpSource, ...] = ()
    serial: tuple[SerialSource, ...] = ()
    osdp: tuple[OsdpSource, ...] = ()
    ble: tuple[BleSource, ...] = ()

    @model_validator(mode="after")
    def _devices_are_unique(self) -> GatewayConfig:
        seen: set[str] = set()
        names: set[str] = set()
        for source in self.sources:
            if source.name in names:
                raise ValueError(f"two sources of devices are called {source.name!r}")
            names.add(source.name)
            for device in source.devices:
                if device.id in seen:
                    raise ValueError(f"two devices have the id {device.id!r}")
                seen.add(device.id)
        return self

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every broker, bus, adapter, port and listener, each with its devices."""
        return (*self.mqtt, *self.modbus, *self.http, *self.serial, *self.osdp, *self.ble)

    @property
    def devices(self) -> tuple[Device, ...]:
        return tuple(device for source in self.sources for device in source.devices)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.gateway.timezone)


def load_config(path: Path) -> GatewayConfig:
    """The configuration in a file, its paths made absolute and its devices' profiles found.

    Raises FileProblems.
    """
    config = load(path, GatewayConfig)
    base = path.resolve().parent

    def absolute(relative: Path) -> Path:
        return base / relative

    gateway = config.gateway.model_copy(
        update={
            "key_file": absolute(config.gateway.key_file),
            "data_dir": absolute(config.gateway.data_dir),
        }
    )
    personal = config.personal and config.personal.model_copy(
        update={
            "credential_map": absolute(config.personal.credential_map),
            "blinding_key_file": absolute(config.personal.blinding_key_file),
        }
    )
    config = config.model_copy(
        update={
            "gateway": gateway,
            "personal": personal,
            "collector": config.collector.model_copy(
                update={"mqtt": config.collector.mqtt.relative_to(base)}
            ),
            "alarm": config.alarm.model_copy(
                update={"mqtt": config.alarm.mqtt and config.alarm.mqtt.relative_to(base)}
            ),
            "profile_dirs": tuple(map(absolute, config.profile_dirs)),
            "mqtt": tuple(
                source.model_copy(update={"broker": source.broker.relative_to(base)})
                for source in config.mqtt
            ),
            "http": tuple(source.relative_to(base) for source in config.http),
            "osdp": tuple(source.relative_to(base) for source in config.osdp),
            "ble": tuple(source.relative_to(base) for source in config.ble),
        }
    )
    _check_devices(path, config)
    return config


def _check_devices(path: Path, config: GatewayConfig) -> None:
    """Every device must have a profile, an address and topics that fit it, and be there only once."""
    catalogue = Catalogue(config.profile_dirs)
    text = path.read_text("utf-8-sig")
    problems: list[Problem] = []
    for at, source in enumerate(config.mqtt):
        seen: dict[tuple[str, str, tuple[str, ...]], str] = {}
        for number, device in enumerate(source.devices):
            line = find_line(text, ("mqtt", at, "devices", number, "profile"))
            try:
                bind_device(device, catalogue, SeriesTable(), config.zone)
            except (ProfileNotFoundError, ValueError) as error:
                problems.append(Problem(f"{path}:{line}", f"device {device.id}: {error}"))
            same = seen.setdefault((device.profile, device.address or device.id, device.topics), device.id)
            if same != device.id:
                message = f"device {device.id}: has the same profile, address and topics as {same}"
                problems.append(Problem(f"{path}:{line}", message))
    found = [*find_problems(config.modbus, catalogue)]
    found += find_http_problems(config.http, catalogue, config.zone)
    found += find_serial_problems(config.serial, catalogue)
    found += find_osdp_problems(config.osdp)
    found += _shared_ports(config)
    found += find_ble_problems(config.ble, catalogue)
    for location, message in found:
        problems.append(Problem(f"{path}:{find_line(text, location)}", message))
    if problems:
        raise FileProblems(problems)


def _shared_ports(config: GatewayConfig) -> Iterator[tuple[Location, str]]:
    """A serial port has one reader: tables of different kinds cannot share it."""
    taken = {source.serial.port: source.name for source in config.modbus if source.serial is not None}
    kinds: tuple[tuple[str, Sequence[SerialSource | OsdpSource]], ...] = (
        ("serial", config.serial),
        ("osdp", config.osdp),
    )
    for kind, sources in kinds:
        for at, source in enumerate(sources):
            if source.port in taken:
                yield (kind, at, "port"), f"{source.name}: {taken[source.port]} uses {source.port} already"
        taken |= {source.port: source.name for source in sources}
