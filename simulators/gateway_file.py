"""The tables of a gateway's file that read a simulated school: ready to stand under its [gateway]."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from foundation.broker import BrokerSettings
from simulators.hosts import Served, Table
from simulators.layout import gateways
from simulators.school import School


def mqtt_served(school: School, broker: BrokerSettings) -> list[Served]:
    """The school's MQTT devices as sources of their gateways."""
    way = {"host": broker.host, "port": broker.port}
    return [
        Served(
            layout.id,
            "mqtt",
            broker.address,
            tuple(entry["id"] for entry in layout.devices),
            {"name": "school-mqtt", "broker": way, "devices": [dict(entry) for entry in layout.devices]},
        )
        for layout in gateways(school)
        if layout.devices
    ]


def gateway_tables(served: Iterable[Served], gateway: str) -> str:
    """The sources of one gateway as TOML."""
    lines: list[str] = []
    for one in served:
        if one.gateway == gateway:
            lines += [f"# {one.transport}: {one.where}", *_table(one.transport, one.table), ""]
    return "\n".join(lines)


def _table(name: str, table: Table) -> Iterator[str]:
    """An element of an array of tables, those that stand in it after its own settings."""
    yield f"[[{name}]]"
    nested: list[tuple[str, Any]] = []
    for key, value in table.items():
        if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
            nested.append((key, value))
        else:
            yield f"{key} = {toml_value(value)}"
    for key, rows in nested:
        for row in rows:
            yield ""
            yield from _table(f"{name}.{key}", row)


def toml_value(value: Any) -> str:
    """A value on one line. JSON writes text, numbers and truth values as TOML does, but for one sign."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {toml_value(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
