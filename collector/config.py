"""The collector's configuration: ``collector.toml``, parsed without network into frozen objects.

Paths in the file are relative to the folder the file lies in. `collector.sample.toml` beside this
module shows every setting.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from collector.accounts.settings import AccountsSection
from collector.enrolment.settings import EnrolmentSection
from collector.intake.http_settings import IntakeHttpSection
from collector.plugins import Written, read_tables
from collector.records.settings import RecordsSection
from collector.series.rollups.settings import RetentionSection
from collector.series.settings import StoreSection
from collector.vault.settings import VaultSection
from foundation.broker import BrokerSettings
from foundation.logs import LogFormat, LogLevel
from foundation.loopback import is_loopback
from foundation.networks import Network
from foundation.plugins import PluginsSection
from foundation.servercertificate import CertificateSection
from foundation.tomlfile import StrictModel, load


class CollectorSection(StrictModel):
    """The collector's own key and where it keeps its data."""

    key_file: Path
    data_dir: Path
    title: str = Field(default="校园脉动 Campus Pulse", min_length=1, max_length=80)
    """Stands on top of the page; usually the school's name."""


class WebSection(CertificateSection):
    """Page and API. cert_file, key_file: for TLS. behind_proxy: a proxy stands before it that ends TLS and,
    where accounts are switched off, authenticates. proxies: from where it asks; nobody else may then.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8420, ge=0, le=65_535)
    behind_proxy: bool = False
    proxies: Annotated[tuple[Network, ...], Field(max_length=20)] = (
        IPv4Network("127.0.0.1"),
        IPv6Network("::1"),
    )
    host_names: tuple[str, ...] = ()
    """Names under which the page is reached, beside localhost."""

    @model_validator(mode="after")
    def _some_proxy(self) -> Self:
        if self.behind_proxy and not self.proxies:
            raise ValueError("behind_proxy = true, and proxies names none: nobody could reach the page")
        return self


class LogSection(StrictModel):
    """What is logged, and how."""

    level: LogLevel = "info"
    format: LogFormat = "auto"


class Name(StrictModel):
    """What people call a place or a class."""

    zh: Annotated[str, Field(min_length=1, max_length=60)]
    en: Annotated[str, Field(min_length=1, max_length=60)]


Code = Annotated[str, Field(min_length=1, max_length=256)]
"""A place (`building` or `building/room`) or a class, as gateways send it."""
NAMES_MAX = 5_000


class CollectorConfig(StrictModel):
    """The whole file."""

    collector: CollectorSection
    mqtt: BrokerSettings | None = None
    """The broker that gateways publish to."""
    intake_http: IntakeHttpSection | None = None
    """Where gateways post to, which reach no broker."""
    enrolment: EnrolmentSection | None = None
    records: RecordsSection = RecordsSection()
    store: StoreSection = StoreSection()
    retention: RetentionSection = RetentionSection()
    """Of readings; records have terms of their own."""
    web: WebSection = WebSection()
    accounts: AccountsSection = AccountsSection()
    vault: VaultSection | None = None
    """Left out: no class lists and no names."""
    log: LogSection = LogSection()
    places: dict[Code, Name] = Field(default_factory=dict, max_length=NAMES_MAX)
    """Names of buildings and rooms; a place without one is shown by its code."""
    classes: dict[Code, Name] = Field(default_factory=dict, max_length=NAMES_MAX)
    """Names of classes."""
    profile_dirs: tuple[Path, ...] = ()
    """Folders with profiles of the school's own, for the words of their status codes."""
    plugins: PluginsSection = PluginsSection()
    plugin: dict[str, Any] = Field(default_factory=dict)
    """Settings of plug-ins' scenarios, by plug-in: once loaded, `ScenarioTable` of every enabled one."""
    notifier: tuple[Any, ...] = Field(default=(), max_length=50)
    """Who is told of alerts: once loaded, `NotifierTable`. Left out: nobody."""

    @model_validator(mode="after")
    def _closed_by_default(self) -> CollectorConfig:
        web = self.web
        if is_loopback(web.host) or web.behind_proxy:
            return self
        if not self.accounts.required:
            raise ValueError(
                "[web] host opens the page, which shows health alerts, to the network, and with [accounts] "
                "required = false it asks for no password: use 127.0.0.1, leave required out, or set "
                "behind_proxy = true behind a proxy that authenticates"
            )
        if web.certificate is None:
            raise ValueError(
                "[web] host opens the page to the network, where passwords need TLS: give cert_file and "
                "key_file, use 127.0.0.1, or set behind_proxy = true behind a proxy that ends TLS"
            )
        return self

    @model_validator(mode="after")
    def _some_way_in(self) -> CollectorConfig:
        if self.mqtt is None and self.intake_http is None:
            raise ValueError("no gateway could reach this collector: give [mqtt], [intake_http] or both")
        return self

    @model_validator(mode="after")
    def _gateways_enrol_somewhere(self) -> CollectorConfig:
        intake = self.intake_http
        if self.enrolment is None:
            if intake is not None and intake.client_certificates == "required":
                raise ValueError('[intake_http] client_certificates = "required" needs [enrolment]')
        elif intake is None:
            raise ValueError("[enrolment] needs [intake_http]: that is where gateways enrol")
        elif intake.cert_file is not None and self.enrolment.proxy_cert_file is not None:
            raise ValueError(
                "[enrolment] proxy_cert_file: [intake_http] shows its own cert_file; leave one of them out"
            )
        return self

    @property
    def records_place(self) -> Path | str:
        """Where the records are, as `Records.open` takes it."""
        return self.records.database or self.records_file

    @property
    def records_file(self) -> Path:
        return self.collector.data_dir / "records.db"


def load_config(path: Path) -> CollectorConfig:
    """The configuration in a file, its paths made absolute. Raises FileProblems."""
    config = load(path, CollectorConfig)
    base = path.resolve().parent
    section = config.collector.model_copy(
        update={
            "key_file": base / config.collector.key_file,
            "data_dir": base / config.collector.data_dir,
        }
    )
    vault = config.vault
    if vault is not None and vault.ca_file is not None:
        vault = vault.model_copy(update={"ca_file": base / vault.ca_file})
    config = config.model_copy(
        update={
            "collector": section,
            "mqtt": config.mqtt and config.mqtt.relative_to(base),
            "intake_http": config.intake_http and config.intake_http.relative_to(base),
            "enrolment": config.enrolment and config.enrolment.relative_to(base, section.data_dir),
            "accounts": config.accounts.relative_to(base),
            "records": config.records.relative_to(base),
            "store": config.store.relative_to(base),
            "web": config.web.relative_to(base),
            "vault": vault,
            "profile_dirs": tuple(base / folder for folder in config.profile_dirs),
        }
    )
    written = Written(config.plugins.enabled, config.plugin.keys(), len(config.notifier), config.profile_dirs)
    tables = read_tables(path, written)
    return config.model_copy(
        update={
            "plugin": tables.scenarios,
            "notifier": tables.notifiers,
            "profile_dirs": tables.profile_dirs,
        }
    )
