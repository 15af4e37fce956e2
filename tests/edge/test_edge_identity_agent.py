"""A whole gateway beside a vault that fails in every way: the ambient lane never notices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge_agent.agent import Agent
from edge_agent.clock import Clock
from edge_agent.config import load_config
from edge_agent.identity.map_file import MapFile
from foundation.broker import BrokerSettings, connect
from foundation.keyfiles import create_signing_key, load_signing_key, public_text
from tests.conftest import Mosquitto
from tests.edge import vault_double
from tests.edge.edge_parts import GATEWAY, SCHOOL, WAIT_S_MAX, eventually
from tests.edge.maps import DAY_MS, make_map, make_update, person
from tests.edge.vault_double import Trouble, VaultDouble, serving

CARD = "04A2B31C"
DEVICES = """
[[mqtt]]
name = "devices"
broker = {broker}
devices = [
  {{ id = "air-1", profile = "zigbee2mqtt/tuya-ts0601-air", place = "main/301" }},
  {{ id = "gate-1", profile = "campus/morning-check-v1", place = "main/gate" }},
]
"""


def write(folder: Path, broker: Mosquitto, vault: VaultDouble) -> Path:
    address = f'{{ host = "127.0.0.1", port = {broker.port} }}'
    public = public_text(create_signing_key(folder / "collector.key").public_key())
    file = folder / "gateway.toml"
    file.write_text(
        f'[gateway]\nid = "{GATEWAY}"\nschool = "{SCHOOL}"\nkey_file = "gateway.key"\ndata_dir = "data"\n'
        f'clock = "system"\n[collector]\npublic_key = "{public}"\nmqtt = {address}\n'
        f'[batch]\ninterval_s = 0.1\n[personal]\nvault = "{vault.url}"\n'
        f'vault_public_key = "{vault.public_key}"\nrefresh_s = 1\n' + DEVICES.format(broker=address),
        "utf-8",
    )
    return file


class Line:
    """A running gateway and who speaks to it."""

    def __init__(self, agent: Agent, broker: Mosquitto) -> None:
        self.agent = agent
        self._settings = BrokerSettings(host="127.0.0.1", port=broker.port)

    async def say(self, topic: str, payload: dict[str, object]) -> None:
        async with connect(self._settings, client_id="device") as link:
            await link.publish(topic, json.dumps(payload).encode())

    async def is_heard(self) -> None:
        """The gateway listens to its devices."""
        async with asyncio.timeout(WAIT_S_MAX):
            while not self.agent.counters.messages_in:
                await self.say("zigbee2mqtt/air-1", {"co2": 640})
                await asyncio.sleep(0.05)

    async def passes(self) -> None:
        """A reading of a room reaches the disk."""
        before = self.agent.counters.readings_buffered
        await self.say("zigbee2mqtt/air-1", {"co2": 640})
        await eventually(lambda: self.agent.counters.readings_buffered > before, "a reading is on the disk")

    async def check(self, temperature_c: float) -> None:
        said = {"v": 1, "station": "gate-1", "card": CARD, "site": "ear", "temperature_c": temperature_c}
        checks = self.agent.counters.checks_in
        await self.say("stations/gate-1/check", said)
        await eventually(lambda: self.agent.counters.checks_in > checks, "the check was read")


@asynccontextmanager
async def running(folder: Path, broker: Mosquitto, vault: VaultDouble) -> AsyncIterator[Line]:
    agent = Agent(load_config(write(folder, broker, vault)))
    async with asyncio.TaskGroup() as group:
        group.create_task(agent.run(), name="agent")
        await agent.running.wait()
        line = Line(agent, broker)
        await line.is_heard()
        yield line
        agent.stop()


def new_vault(folder: Path, issued_ms: int) -> VaultDouble:
    key = create_signing_key(folder / "gateway.key")
    update = make_update([person(1, {"health": "0" * 26})], {CARD: 1}, version=3, issued_ms=issued_ms)
    return VaultDouble(key.public_key(), update)


def now_ms() -> int:
    return Clock("system").now_ms()


@pytest.mark.parametrize(
    "trouble",
    [
        vault_double.answers_500,
        vault_double.redirects,
        vault_double.answers_garbage,
        vault_double.says_nothing,
        vault_double.never_ends,
    ],
)
async def test_whatever_the_vault_does_readings_pass(
    tmp_path: Path, mosquitto: Mosquitto, trouble: Trouble
) -> None:
    vault = new_vault(tmp_path, now_ms())
    vault.trouble = trouble
    async with serving(vault), running(tmp_path, mosquitto, vault) as line:
        counters = line.agent.counters
        await eventually(lambda: vault.asked, "the vault is asked")
        await line.passes()
        await line.check(36.5)
        assert counters.dropped["map_unusable"] == 1
        await line.check(38.6)
        await eventually(lambda: counters.records_buffered == 1, "a fever passes, anonymously")
        await line.passes()
        assert counters.map_refreshes == 0


async def test_a_new_gateway_has_its_map_before_it_listens_to_devices(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    vault = new_vault(tmp_path, now_ms())
    async with serving(vault), asyncio.TaskGroup() as group:
        agent = Agent(load_config(write(tmp_path, mosquitto, vault)))
        group.create_task(agent.run(), name="agent")
        await agent.running.wait()
        assert agent.credentials.map is not None, "or the first cards would be nobody's"
        agent.stop()


async def test_a_damaged_map_and_a_clock_before_its_time_cost_the_ambient_lane_nothing(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    vault = new_vault(tmp_path, now_ms() + 2 * DAY_MS)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "credentials.map").write_bytes(b"CPMF\x01" + bytes(100))
    async with serving(vault), running(tmp_path, mosquitto, vault) as line:
        counters = line.agent.counters
        await eventually(lambda: counters.map_version == 3, "a new map is here")
        await line.passes()
        await line.check(36.5)
        assert counters.dropped["map_unusable"] == 1
        vault.update = make_update(
            [person(1, {"health": "0" * 26})], {CARD: 1}, version=4, issued_ms=now_ms()
        )
        await eventually(lambda: counters.map_version == 4, "a map of today is here")
        await line.check(36.5)
        await eventually(lambda: counters.records_buffered == 1, "the check passes")


async def test_a_gateway_without_a_vault_works_with_the_map_it_has(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    vault = new_vault(tmp_path, now_ms())
    (tmp_path / "data").mkdir()
    key = load_signing_key(tmp_path / "gateway.key")
    found = make_map([person(1, {"health": "0" * 26})], {CARD: 1}, issued_ms=now_ms() - DAY_MS)
    MapFile(tmp_path / "data", key, SCHOOL, GATEWAY).write(found)
    vault.port = 1
    async with running(tmp_path, mosquitto, vault) as line:
        await line.check(36.5)
        await eventually(lambda: line.agent.counters.records_buffered == 1, "the check passes")
        await eventually(lambda: line.agent.counters.map_failures["away"], "nobody answers")
