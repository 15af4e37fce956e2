"""The vault's configuration: ``vault.toml``, parsed without network into frozen objects.

Paths in the file are relative to the folder the file lies in. `vault.sample.toml` beside this module
shows every setting.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field, model_validator

from foundation.logs import LogFormat, LogLevel
from foundation.loopback import is_loopback
from foundation.settings import Identifier, PublicKeyText, Zone
from foundation.tomlfile import StrictModel, load

_ORIGIN: Final = re.compile(r"https?://([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]{1,5})?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def _origin(text: str) -> str:
    """As a browser writes it, or no page would ever be of that origin."""
    if not _ORIGIN.fullmatch(text) or text != text.lower():
        raise ValueError(
            "must be an origin such as https://pulse.example.edu.cn: scheme and host in lower case, no path"
        )
    if text.endswith((":443", ":80")) and urlsplit(text).port == _DEFAULT_PORTS[urlsplit(text).scheme]:
        raise ValueError("must be without the port that its scheme has anyway: browsers leave it out")
    return text


def _database(text: str) -> str:
    if text and not re.match(r"postgresql\+psycopg://|sqlite:///", text):
        raise ValueError("must begin with postgresql+psycopg:// or sqlite:///, or be left out")
    return text


class VaultSection(StrictModel):
    """Whose vault it is, its key file and its data.

    database: left out, SQLite in data_dir; else ``postgresql+psycopg://user@host/name`` (the password
    in PGPASSFILE, not here).
    """

    school: Identifier
    key_file: Path
    data_dir: Path
    timezone: Zone = "Asia/Shanghai"
    database: Annotated[str, AfterValidator(_database)] = ""


class WebSection(StrictModel):
    """Where gateways, the collector and browsers ask.

    cert_file, key_file: TLS; without them only this machine may ask. origins: of the pages that may ask
    for names, each exactly. host_names: what the vault is called, beside localhost. public_url: how
    guardians reach it, for the links they are given; left out: host and port.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8430, ge=0, le=65_535)
    cert_file: Path | None = None
    key_file: Path | None = None
    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(default=(), max_length=20)
    host_names: tuple[str, ...] = Field(default=(), max_length=20)
    public_url: Annotated[str, AfterValidator(_origin)] | None = None

    @model_validator(mode="after")
    def _encrypted_on_the_network(self) -> WebSection:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together: give both or neither")
        if not is_loopback(self.host) and self.cert_file is None:
            raise ValueError("host opens the vault to the network; give cert_file and key_file for TLS")
        return self


class CollectorSection(StrictModel):
    """The one collector whose questions and tokens are believed."""

    public_key: PublicKeyText


class LogSection(StrictModel):
    """What is logged, and how."""

    level: LogLevel = "info"
    format: LogFormat = "auto"


class VaultConfig(StrictModel):
    """The whole file."""

    vault: VaultSection
    web: WebSection = WebSection()
    collector: CollectorSection | None = None
    """Left out: no collector may ask, and no page gets names."""
    log: LogSection = LogSection()

    @property
    def database_url(self) -> str:
        return self.vault.database or f"sqlite:///{self.vault.data_dir / 'vault.db'}"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.vault.timezone)


def load_config(path: Path) -> VaultConfig:
    """The configuration in a file, its paths made absolute. Raises FileProblems."""
    config = load(path, VaultConfig)
    base = path.resolve().parent

    def absolute(relative: Path | None) -> Path | None:
        return relative and base / relative

    return config.model_copy(
        update={
            "vault": config.vault.model_copy(
                update={
                    "key_file": base / config.vault.key_file,
                    "data_dir": base / config.vault.data_dir,
                }
            ),
            "web": config.web.model_copy(
                update={
                    "cert_file": absolute(config.web.cert_file),
                    "key_file": absolute(config.web.key_file),
                }
            ),
        }
    )
