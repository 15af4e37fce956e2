"""Opens the series store that collector.toml names, with its roll-ups."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry

from collector.series.contract import SeriesStore
from collector.series.duckdb_store import DuckDbStore
from collector.series.influx import Influx, InfluxTarget
from collector.series.rollups.settings import RetentionSection
from collector.series.rollups.store import RolledStore
from collector.series.server_store import ServerStore
from collector.series.server_wire import Access, ServerWire
from collector.series.settings import StoreSection
from collector.series.victoria import Victoria
from foundation.commands import UsageError

_TOKEN_CHARS_MAX: Final = 4_096


async def open_rolled_store(
    section: StoreSection,
    retention: RetentionSection,
    data_dir: Path,
    registry: CollectorRegistry,
    now_ms: Callable[[], int],
) -> RolledStore:
    """The store, and minutes and hours in data_dir/rollups.duckdb. Raises as `open_store` does."""
    store = await open_store(section, data_dir / "series.duckdb", registry)
    try:
        return await RolledStore.open(store, data_dir / "rollups.duckdb", retention, registry, now_ms=now_ms)
    except BaseException:
        await store.close()
        raise


async def open_store(section: StoreSection, series_file: Path, registry: CollectorRegistry) -> SeriesStore:
    """Raises StoreFileError, and UsageError for files that cannot be read. A server need not be there yet:
    until it is, the store says that it is away.
    """
    if section.kind == "duckdb":
        return await DuckDbStore.open(
            series_file, memory_limit=f"{section.memory_limit_mb}MB", threads=section.threads
        )
    if section.ca_file is not None and not section.ca_file.is_file():
        raise UsageError(f"[store] ca_file: there is no {section.ca_file}; leave it out or copy it there")
    access = Access(
        section.url,
        token=_token(section.token_file),
        scheme="Bearer" if section.kind == "victoriametrics" else "Token",
        ca_file=section.ca_file,
        gzip=not section.is_local if section.gzip is None else section.gzip,
    )
    if section.kind == "victoriametrics":
        extra = (("extra_label", f"db={section.database}"),) if section.database else ()
        return ServerStore(
            Victoria(ServerWire(access._replace(extra=extra))),
            hold_s=section.hold_s,
            held_bytes_max=section.held_mb * 1024**2,
            registry=registry,
        )
    target = InfluxTarget(section.database, section.api, section.org, section.retention_days)
    return ServerStore(Influx(ServerWire(access), target), hold_s=0, held_bytes_max=0, registry=registry)


def _token(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        token = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"[store] token_file: {file} cannot be read ({type(error).__name__})") from None
    if not token or len(token) > _TOKEN_CHARS_MAX or not token.isprintable() or not token.isascii():
        raise UsageError(f"[store] token_file: {file} must hold one line, a token or user:password")
    return token
