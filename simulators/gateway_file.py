"""The tables of a gateway's file that read a simulated school: ready to stand under its [gateway]."""

from __future__ import annotations

from collections.abc import Iterable

from foundation.broker import BrokerSettings
from foundation.tomltext import toml_text
from simulators.hosts import Served
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
    return "\n".join(
        f"# {one.transport}: {one.where}\n{toml_text({one.transport: [one.table]})}"
        for one in served
        if one.gateway == gateway
    )
