"""`campus edge configuration`: for the person who stands before the gateway, also at night."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edge_agent.config import GatewayConfig, load_config
from edge_agent.configuring.beginning import Beginning, begin
from edge_agent.configuring.kept import KeptFile, KeptFileError
from edge_agent.configuring.overlay import TABLES
from edge_agent.drivers import sources_of
from edge_agent.folderlock import folder_locked
from foundation.commands import UsageError, errors_in_words
from telemetry.configuration import SOURCE_TABLES

TEXT_CHARS_MAX = 400
SET_BACK = "set back by hand at the gateway; the next version from the collector is applied again"

console = Console()


class What(StrEnum):
    SHOW = "show"
    RESET = "reset"


def configuration(
    config_file: Annotated[Path, typer.Argument(help="The gateway's configuration, gateway.toml.")],
    what: Annotated[
        What, typer.Argument(help="show what is in force; reset to gateway.toml alone.")
    ] = What.SHOW,
) -> None:
    """Show which configuration is in force and what of it is from the collector, or go back to gateway.toml.

    After a reset no version that ran here so far comes back by itself; the collector shows that, and the next
    version that is made there is applied. The buffer is not touched by either.
    """
    with errors_in_words():
        config = load_config(config_file)
        file = KeptFile(config.gateway.data_dir, config.collector.public_key)
        if what is What.RESET:
            _reset(config, file)
        else:
            _show(config, begin(config, file, look_only=True))


def describe(beginning: Beginning) -> str:
    """Which version is in force, in a line."""
    if beginning.refused:
        version, reason = beginning.refused
        return f"gateway.toml 单独生效 alone is in force; version {version} of the collector is not: {reason}"
    kept = beginning.kept
    if not kept.used.version:
        text = "gateway.toml 单独生效 alone is in force"
    else:
        text = f"平台下发的第 {kept.used.version} 版生效 version {kept.used.version} of the collector is in force"
        text += f", {len(kept.used.sections)} sections"
    if kept.on_probation:
        text += " (试运行中 on probation)"
    if kept.refused is not None:
        text += f"; version {kept.refused} is not: {kept.reason}"
    return text


def _show(local: GatewayConfig, beginning: Beginning) -> None:
    console.print(escape(describe(beginning)), soft_wrap=True, highlight=False)
    table = Table("部分 section", "来自 from", "内容 what")
    for row in _rows(local, beginning):
        table.add_row(*map(escape, row))
    console.print(table)


def _rows(local: GatewayConfig, beginning: Beginning) -> Iterator[tuple[str, str, str]]:
    """What the collector has sent is shown as it was; of the file's own, which may list what people wear,
    only how much it is.
    """
    used = beginning.kept.used
    sources = sources_of(beginning.config)
    for section in [*(table for table in TABLES if table not in SOURCE_TABLES), *sources]:
        if section in used.sections:
            text = used.sections[section]
            shown = text if len(text) <= TEXT_CHARS_MAX else f"{text[:TEXT_CHARS_MAX]}…"
            yield section, f"平台 collector, {used.version}", shown
        elif section in sources:
            yield section, "gateway.toml", f"{len(sources[section].devices)} devices"
        elif section in local.model_fields_set:
            yield section, "gateway.toml", ""
        else:
            yield section, "默认 default", ""


def _reset(config: GatewayConfig, file: KeptFile) -> None:
    with folder_locked(config.gateway.data_dir):
        try:
            kept = file.read()
        except KeptFileError as error:
            console.print(escape(f"{error}; 已移至 put aside as {file.put_aside()}"), soft_wrap=True)
            return
        if not kept.used.version and not kept.on_probation:
            console.print("gateway.toml 已单独生效 is in force alone already; nothing to set back")
            return
        try:
            file.write(kept.reset(SET_BACK))
        except KeptFileError as error:
            raise UsageError(str(error)) from error
    console.print(
        "已恢复为 gateway.toml: set back to gateway.toml, which is in force when the gateway starts"
    )
