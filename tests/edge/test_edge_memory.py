"""A gateway with MQTT and Modbus, as it runs: how much memory it takes, and what it never loads for them."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from pathlib import Path
from typing import Final

from device_profiles.registry import Catalogue, modbus_spec
from foundation.keyfiles import create_signing_key, public_text
from simulators.modbus.rtu import RtuBus
from simulators.modbus.unit import SimulatedUnit
from tests.conftest import Mosquitto
from tests.line.running_site import Process, eventually

RESIDENT_BYTES_MAX: Final = 64 * 1024 * 1024
"""design.md, the gateway."""
MESSAGES: Final = 20_000
CLIMATE: Final = "renke/rs-ws-n01"
TELLS_WHAT_IT_LOADED: Final = (
    "import atexit, sys; from campus.cli import main;"
    "atexit.register(lambda: print('loaded:', *sys.modules, file=sys.stderr)); main()"
)
NEVER: Final = {
    # of other rooms
    "collector", "identity_vault", "simulators", "fastapi", "uvicorn", "jinja2", "httpx", "sqlalchemy", "duckdb",
    "numpy",
    # of the command line, and what structlog would take only because it is there
    "typer", "click", "rich", "pygments", "greenlet",
    # of other transports, ways and settings
    "bleak", "dbus_fast", "serialx", "osdp", "h11", "prometheus_client",
    "edge_agent.cli", "edge_agent.enrolment", "edge_agent.identity.parts", "edge_agent.metrics", "edge_agent.plugins",
    "edge_agent.scan", "edge_agent.uplink.https",
}  # fmt: skip


def _write(folder: Path, broker_port: int) -> Path:
    create_signing_key(folder / "gateway.key")
    collector = public_text(create_signing_key(folder / "collector.key").public_key())
    broker = f'{{ host = "127.0.0.1", port = {broker_port} }}'
    file = folder / "gateway.toml"
    file.write_text(
        '[gateway]\nid = "gw-test"\nschool = "example-primary"\nkey_file = "gateway.key"\ndata_dir = "data"\n'
        f'clock = "system"\n[collector]\npublic_key = "{collector}"\nmqtt = {broker}\n'
        f'[[mqtt]]\nname = "devices"\nbroker = {broker}\n'
        'devices = [{ id = "air-1", profile = "zigbee2mqtt/tuya-ts0601-air", place = "main/301" }]\n'
        f'[[modbus]]\nname = "bus"\nserial = {{ port = "{folder / "adapter"}" }}\n'
        f'devices = [{{ id = "climate-1", profile = "{CLIMATE}", place = "main/302", unit = 1, interval_s = 1 }}]\n',
        "utf-8",
    )
    return file


def _flood(port: int) -> None:
    lines = ['{"co2": 640, "temperature": 21.5, "humidity": 40.2, "voc": 3}'] * MESSAGES
    subprocess.run(
        ["mosquitto_pub", "-p", str(port), "-t", "zigbee2mqtt/air-1", "-l"],
        input="\n".join(lines),
        text=True,
        check=True,
    )


def _buffered(file: Path) -> int:
    with sqlite3.connect(file) as buffer:
        return int(buffer.execute("SELECT coalesce(sum(readings), 0) FROM batch").fetchone()[0])


async def test_a_flood_leaves_it_below_64_mb_and_it_loads_nothing_it_does_not_use(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    file, log = _write(tmp_path, mosquitto.port), tmp_path / "gateway.log"
    unit = SimulatedUnit(1, modbus_spec(Catalogue().get(CLIMATE)), lambda _: 21.5)
    async with RtuBus(tmp_path / "adapter", [unit], paced=False):
        process = Process(log, "edge", "run", file, program=("-c", TELLS_WHAT_IT_LOADED))
        try:
            await asyncio.to_thread(process.wait_for, "listening to devices")
            await asyncio.to_thread(_flood, mosquitto.port)
            buffer = tmp_path / "data" / "buffer.db"
            await asyncio.to_thread(
                eventually, lambda: unit.asked and _buffered(buffer) > MESSAGES / 2, "the flood in the buffer"
            )
            resident = process.resident_bytes()
            assert await asyncio.to_thread(process.stop) == 0
        finally:
            if process.running:
                process.kill()
    assert resident <= RESIDENT_BYTES_MAX
    loaded = set(log.read_text("utf-8").rsplit("loaded: ", 1)[1].split())
    assert {"edge_agent.agent", "edge_agent.drivers.modbus.rtu", "aiomqtt"} <= loaded
    assert sorted(NEVER & loaded) == []
