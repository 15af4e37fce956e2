"""The `[store]` section of collector.toml: which series store, and how it is reached."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from collector.series.holding import HOLD_S
from foundation.loopback import is_loopback
from foundation.tomlfile import StrictModel

_URL: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(/[A-Za-z0-9._/-]*)?")
_OF_DUCKDB: Final = frozenset({"memory_limit_mb", "threads"})
_OF_VICTORIA: Final = frozenset({"held_mb", "hold_s"})
_OF_INFLUX: Final = frozenset({"api", "org", "retention_days"})


class StoreSection(StrictModel):
    """DuckDB in a file of the collector's own, or a server that others may query too."""

    kind: Literal["duckdb", "victoriametrics", "influxdb"] = "duckdb"
    memory_limit_mb: int = Field(default=256, ge=64, le=65_536)
    threads: int = Field(default=2, ge=1, le=64)
    url: str = ""
    database: str = Field(default="", max_length=64, pattern=r"[A-Za-z0-9_.-]*")
    """InfluxDB: the database or bucket. VictoriaMetrics: the label `db` of every series, if given."""
    token_file: Path | None = None
    """A token, or user:password."""
    ca_file: Path | None = None
    gzip: bool | None = None
    """Left out: yes, unless the server is on this machine."""
    held_mb: int = Field(default=32, ge=1, le=4_096)
    """Packed lines, about three bytes a reading, held in memory until VictoriaMetrics has them on its disk;
    what else waits for them takes some three times as much.
    """
    hold_s: float = Field(default=HOLD_S, ge=HOLD_S, le=600)
    api: Literal["v1", "v2"] = "v1"
    """How InfluxDB is written to: v1 for 1.x, v2 for 2.x. It is always read by InfluxQL."""
    org: str = Field(default="", max_length=64)
    retention_days: int | None = Field(default=None, ge=1)
    """What InfluxDB keeps; older points are left out. VictoriaMetrics says itself what it keeps."""

    @property
    def is_local(self) -> bool:
        return is_loopback(urlsplit(self.url).hostname or "")

    @model_validator(mode="after")
    def _of_one_kind(self) -> StoreSection:
        others = {
            "duckdb": _OF_VICTORIA | _OF_INFLUX | {"url", "database", "token_file", "ca_file", "gzip"},
            "victoriametrics": _OF_DUCKDB | _OF_INFLUX,
            "influxdb": _OF_DUCKDB | _OF_VICTORIA,
        }[self.kind]
        if wrong := sorted(self.model_fields_set & others):
            raise ValueError(f"{', '.join(wrong)}: not for kind = {self.kind!r}; leave it out")
        if self.kind == "duckdb":
            return self
        if not _URL.fullmatch(self.url):
            raise ValueError('url is missing or is none; such as "https://tsdb.example.edu.cn:8428"')
        if self.kind == "influxdb" and not self.database:
            raise ValueError("database is missing: the InfluxDB database, or the bucket")
        if self.api == "v2" and not self.org:
            raise ValueError('org is missing: api = "v2" needs the organisation')
        if self.token_file and self.url.startswith("http://") and not self.is_local:
            raise ValueError("token_file over http could be read on its way; use https")
        return self

    def relative_to(self, folder: Path) -> StoreSection:
        """The same with the files it names looked for in `folder`."""
        files = {"token_file": self.token_file, "ca_file": self.ca_file}
        return self.model_copy(update={name: folder / file for name, file in files.items() if file})
