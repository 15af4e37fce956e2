"""The gateway's configuration: ``gateway.toml``, parsed without network into frozen objects.

Paths in the file are relative to the folder the file lies in. `gateway.sample.toml` beside this
module shows every setting.
"""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from edge_agent.config_checks import find_problems
from edge_agent.drivers.ble.config import BleSource
from edge_agent.drivers.http_push.config import HttpSource
from edge_agent.drivers.modbus.config import ModbusSource
from edge_agent.drivers.mqtt_config import MqttSource
from edge_agent.drivers.osdp.config import OsdpSource
from edge_agent.drivers.serial.config import SerialSource
from edge_agent.drivers.settings import Device, DeviceId, PluginTables, Source
from edge_agent.gate.policy import load_policy
from edge_agent.reporting.rules import ReportRule, SilenceSection
from edge_agent.uplink.settings import CollectorSection
from foundation.broker import BrokerSettings
from foundation.logs import LogFormat, LogLevel
from foundation.plugins import PluginsSection
from foundation.settings import Identifier, PublicKeyText, ServiceUrl, Zone
from foundation.tomlfile import FileProblems, Problem, StrictModel, load
from foundation.tomllines import find_line

if TYPE_CHECKING:
    from edge_agent.drivers.plugin import PluginSource


def _topic(text: str) -> str:
    if not text or any(sign in text for sign in "+#\0"):
        raise ValueError("must be a topic to publish to: not empty, and without +, # and NUL")
    return text


class GatewaySection(StrictModel):
    """Who this gateway is."""

    id: Identifier
    school: Identifier
    key_file: Path
    data_dir: Path
    timezone: Zone = "Asia/Shanghai"
    clock: Literal["auto", "system"] = "auto"
    """auto: the kernel says whether the time is known; system: always believe the system clock."""


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
    """The vault, which knows whose card it is. Without it nothing about people passes but, without a
    name, what is an emergency.

    vault_public_key: only its answers are believed. ca_file: who must have signed the vault's
    certificate; left out, who the system trusts. refresh_s: how often the vault is asked for changes; a
    withdrawal must be here within five minutes. age_days_max: an older map is not believed. policy: what
    may pass; left out, the one that comes with the program. meals: readers at which a card is a meal.
    """

    vault: ServiceUrl
    vault_public_key: PublicKeyText
    ca_file: Path | None = None
    refresh_s: float = Field(default=60.0, ge=1, le=240)
    age_days_max: float = Field(default=7.0, gt=0, le=30)
    policy: Path | None = None
    meals: tuple[DeviceId, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _not_of_before(cls, given: object) -> object:
        if isinstance(given, dict) and (old := {"credential_map", "blinding_key_file"} & given.keys()):
            raise ValueError(
                f"{' and '.join(sorted(old))} are gone: the gateway asks the vault for its map. Write instead: "
                'vault = "https://…" and vault_public_key = "…", as `campus vault keys` prints it'
            )
        return given

    def relative_to(self, base: Path) -> Self:
        """The same, with paths that start at `base`."""
        return self.model_copy(
            update={
                "ca_file": self.ca_file and base / self.ca_file,
                "policy": self.policy and base / self.policy,
            }
        )


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
    plugins: PluginsSection = PluginsSection()
    plugin: dict[str, PluginTables] = Field(default_factory=dict)
    """Tables of drivers of plug-ins, by plug-in: each, once loaded, a `PluginSource`."""
    _folder: Path = PrivateAttr(Path())

    @property
    def folder(self) -> Path:
        """Where the file lies that this was loaded from."""
        return self._folder

    def found_in(self, folder: Path) -> Self:
        self._folder = folder
        return self

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every broker, bus, adapter, port and listener, each with its devices."""
        return (*self.mqtt, *self.modbus, *self.http, *self.serial, *self.osdp, *self.ble, *self.plugged)

    @property
    def plugged(self) -> tuple[PluginSource, ...]:
        """The sources of all plug-ins."""
        return tuple(chain.from_iterable(self.plugin.values()))

    @property
    def devices(self) -> tuple[Device, ...]:
        return tuple(device for source in self.sources for device in source.devices)

    @property
    def alarm_broker(self) -> BrokerSettings | None:
        """Where the local alarm is told."""
        return self.alarm.mqtt or (self.mqtt[0].broker if self.mqtt else None)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.gateway.timezone)


def load_config(path: Path) -> GatewayConfig:
    """The configuration in a file, its paths made absolute and its devices' profiles found.

    Raises FileProblems.
    """
    base = path.resolve().parent
    config = load(path, GatewayConfig).found_in(base)

    def absolute(relative: Path) -> Path:
        return base / relative

    gateway = config.gateway.model_copy(
        update={
            "key_file": absolute(config.gateway.key_file),
            "data_dir": absolute(config.gateway.data_dir),
        }
    )
    config = config.model_copy(
        update={
            "gateway": gateway,
            "personal": config.personal and config.personal.relative_to(base),
            "collector": config.collector.relative_to(base),
            "alarm": config.alarm.model_copy(
                update={"mqtt": config.alarm.mqtt and config.alarm.mqtt.relative_to(base)}
            ),
            "profile_dirs": tuple(map(absolute, config.profile_dirs)),
            "mqtt": tuple(source.relative_to(base) for source in config.mqtt),
            "http": tuple(source.relative_to(base) for source in config.http),
            "osdp": tuple(source.relative_to(base) for source in config.osdp),
            "ble": tuple(source.relative_to(base) for source in config.ble),
        }
    )
    if config.plugins.enabled or config.plugin:
        from edge_agent.plugins import load_plugins  # noqa: PLC0415  # memory: only where there is one

        found = load_plugins(config.plugins, config.plugin, path)
        folders = (*config.profile_dirs, *found.profile_dirs)
        config = config.model_copy(update={"plugin": found.sources, "profile_dirs": folders})
    text = path.read_text("utf-8-sig")
    problems = [
        Problem(f"{path}:{find_line(text, location)}", message) for location, message in find_problems(config)
    ]
    if config.personal and config.personal.policy:
        try:
            load_policy(config.personal.policy)
        except FileProblems as error:
            problems += error.problems
    if problems:
        raise FileProblems(problems)
    return config
