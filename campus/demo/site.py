"""Writes the files of the demo's school: keys, configurations, registrations.

They are the same files that a real site has, so they can be looked at, and used by hand.
"""

from __future__ import annotations

import json
import shutil
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from campus.demo.vault import VaultFiles, make_vault_files
from collector.config import load_config as load_collector
from collector.records import Gateway, Records
from foundation.broker import BrokerSettings
from foundation.commands import UsageError
from foundation.keyfiles import create_signing_key, public_text
from simulators.gateway_file import gateway_tables, mqtt_served
from simulators.hosts import Served
from simulators.layout import GatewayLayout, gateways
from simulators.pupils import class_label
from simulators.school import School
from telemetry.envelope import key_id

MARKER: Final = ".campus-demo"
TITLE: Final = "示例小学 Example Primary School"


class Site(NamedTuple):
    """Where the demo's files are."""

    folder: Path
    broker_port: int
    collector: Path
    vault: VaultFiles
    gateways: tuple[Path, ...]


def free_port(wanted: int = 0) -> int:
    """The wanted TCP port of this machine, or any free one if that is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise UsageError("no free TCP port on 127.0.0.1")


def make_site(
    folder: Path,
    school: School,
    *,
    web_port: int,
    broker_port: int,
    vault_port: int,
    served: Sequence[Served] = (),
) -> Site:
    """Makes the folder anew. `served`: the devices that gateways read besides those on MQTT. Raises
    UsageError for a folder that is no demo's.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise UsageError(f"{folder} has other things in it; choose another folder with --dir")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / MARKER).write_text("Made by campus demo, made anew each time.\n")
    collector_key = create_signing_key(folder / "collector" / "collector.key").public_key()
    layouts = gateways(school)
    keys = {one.id: create_signing_key(folder / one.id / "gateway.key").public_key() for one in layouts}
    vault = make_vault_files(
        folder / "vault",
        school,
        port=vault_port,
        page=f"http://127.0.0.1:{web_port}",
        collector_key=collector_key,
        gateways=keys,
    )
    broker = f'{{ host = "127.0.0.1", port = {broker_port} }}'
    devices_broker = BrokerSettings(host="127.0.0.1", port=broker_port)
    collector_file = folder / "collector" / "collector.toml"
    collector_file.write_text(
        f'mqtt = {broker}\n\n[collector]\nkey_file = "collector.key"\ndata_dir = "data"\n'
        f'title = "{TITLE}"\n\n[web]\nport = {web_port}\n\n[accounts]\nrequired = false\n\n[vault]\nschool = "{school.id}"\n'
        f'url = "{vault.url}"\npublic_key = "{vault.public_key}"\n\n[log]\nlevel = "error"\n\n'
        f"{_names_toml(school)}",
        encoding="utf-8",
    )
    records = Records.open(load_collector(collector_file).records_place)
    files = []
    try:
        for layout in layouts:
            home, key = folder / layout.id, keys[layout.id]
            records.add_gateway(
                Gateway(school.id, layout.id, public_text(key), key_id(key).hex(), "active", _now_ms())
            )
            gateway_file = home / "gateway.toml"
            sources = gateway_tables((*mqtt_served(school, devices_broker), *served), layout.id)
            head = _gateway_head(school.id, layout, broker, public_text(collector_key), vault)
            gateway_file.write_text(f"{head}\n{sources}", encoding="utf-8")
            files.append(gateway_file)
    finally:
        records.close_now()
    return Site(folder, broker_port, collector_file, vault, tuple(files))


def _names_toml(school: School) -> str:
    """Tables `places` and `classes`: what people call them."""
    places = {code: name.both for code, name in school.plan.buildings.items()}
    for room in sorted(school.plan.rooms, key=lambda room: room.place):
        zh, en = room.name.both
        places[room.place] = (f"{zh} 教室", f"Room {en}") if zh.isdigit() else (zh, en)
    classes = {id_: (class_label(id_), f"Class {id_}") for id_ in school.class_ids}
    return "\n".join([*_table("places", places), "", *_table("classes", classes)]) + "\n"


def _table(name: str, rows: dict[str, tuple[str, str]]) -> list[str]:
    return [f"[{name}]"] + [
        f"{_quoted(code)} = {{ zh = {_quoted(zh)}, en = {_quoted(en)} }}" for code, (zh, en) in rows.items()
    ]


def _quoted(text: str) -> str:
    """These names as TOML strings, which JSON writes alike."""
    return json.dumps(text, ensure_ascii=False)


def _gateway_head(
    school_id: str, layout: GatewayLayout, broker: str, collector_key: str, vault: VaultFiles
) -> str:
    """A gateway's file without its sources of devices."""
    return (
        f'# {layout.zh} {layout.en}\n[gateway]\nid = "{layout.id}"\nschool = "{school_id}"\n'
        f'key_file = "gateway.key"\ndata_dir = "data"\nclock = "system"\n\n'
        f'[collector]\npublic_key = "{collector_key}"\nmqtt = {broker}\n\n'
        f'[personal]\nvault = "{vault.url}"\nvault_public_key = "{vault.public_key}"\n\n'
        f'[uplink]\nstatus_interval_s = 2.0\n\n[log]\nlevel = "error"\n'
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
