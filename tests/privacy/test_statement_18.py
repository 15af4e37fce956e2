"""18. A gateway works fully offline; the default configuration makes no connection outside the campus."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pydantic import BaseModel

from collector.config import CollectorConfig
from edge_agent.agent import Agent
from edge_agent.buffer import SqliteBuffer
from edge_agent.buffer.contract import Item
from edge_agent.config import GatewayConfig, load_config
from edge_agent.identity.map_file import MapFile
from firmware_bridges.cards import to_wiegand
from foundation.keyfiles import create_signing_key, public_text
from identity_vault.config import VaultConfig
from simulators.serial import OwnBoard, SerialLine
from telemetry.batch import FORMAT, Body, Header, decode_body
from telemetry.quality import ClockQuality
from telemetry.records import AccessEvent
from tests.conftest import free_port
from tests.driver_rig import until
from tests.edge.maps import make_map, person
from tests.privacy.sim_time import SchoolTime
from tests.privacy.week import Week

CARD = "0102030A"
PSEUDONYM = "0EXAMPLE0PSEUDONYM0000000A"
KEY = "G3c3uUo8wJpQkqVqYl0M0xU1n7y0p2m7hJ8q1rJm9T8="
CAMPUS = "192.168.10.2"
"""Where broker and vault of the configured school are."""
NOW_MS = 1_788_998_400_000
_HOST = re.compile(r"(?:https?|mqtts?|wss?)://[^\s\"'<>)]+|\b(?:[a-z0-9-]+\.)+(?:com|cn|net|org|io|dev)\b")

VOCABULARIES = frozenset({"www.w3.org", "uri.etsi.org"})
"""Hosts in names of vocabularies, of SVG and of an export: names that nobody asks."""


def _is_here(host: str) -> bool:
    """A socket of this machine's own, or an address that leads nowhere else."""
    if host in {"", "None", "localhost"} or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def test_18_no_process_of_a_week_asked_for_an_address_elsewhere(week: Week) -> None:
    for process, calls in week.calls.items():
        hosts = {call.partition("\t")[2] for call in calls}
        assert all(map(_is_here, hosts)), (process, hosts)
    assert any(call.startswith("socket.connect\t127.0.0.1") for call in week.calls["gateways"])
    assert any(call.startswith("socket.connect\t127.0.0.1") for call in week.calls["collector"])


def test_18_the_guard_sees_a_connection(tmp_path: Path) -> None:
    """The test can fail: a program that connects is written down, also where nobody answers."""
    calls = tmp_path / "calls"
    guarded = [sys.executable, "-m", "tests.privacy.guarded", str(calls), "ftplib", "127.0.0.1"]
    subprocess.run(guarded, capture_output=True, timeout=60, check=False)
    assert "socket.connect\t127.0.0.1" in calls.read_text("utf-8").splitlines()
    assert not _is_here("192.0.2.1")
    assert not _is_here("telemetry.vendor.example")


def test_18_no_page_names_an_address_elsewhere(week: Week) -> None:
    said = b"".join(source.data for source in week.pages).decode("utf-8", "replace")
    named = {urlsplit(found).hostname or found for found in re.findall(r"https?://[^\s\"'<>)]+", said)}
    assert all(_is_here(host) or host in VOCABULARIES for host in named), named


@pytest.mark.parametrize(
    "config",
    [
        GatewayConfig.model_validate(
            {
                "gateway": {"id": "gw", "school": "s", "key_file": "k", "data_dir": "d"},
                "collector": {"public_key": KEY, "mqtt": {"host": CAMPUS}},
                "personal": {"vault": f"https://{CAMPUS}", "vault_public_key": KEY},
            }
        ),
        CollectorConfig.model_validate(
            {
                "collector": {"key_file": "k", "data_dir": "d"},
                "mqtt": {"host": CAMPUS},
                "vault": {"school": "s", "url": f"https://{CAMPUS}", "public_key": KEY},
            }
        ),
        VaultConfig.model_validate({"vault": {"school": "s", "key_file": "k", "data_dir": "d"}}),
    ],
    ids=["gateway", "collector", "vault"],
)
def test_18_a_default_configuration_names_nobody_whom_it_was_not_told(config: BaseModel) -> None:
    texts = list(_texts(config))
    assert texts
    for text in texts:
        assert CAMPUS in text or not _HOST.search(text), text
    addresses = {text for text in texts if re.fullmatch(r"[0-9.]+|[0-9a-f:]*::[0-9a-f:]*", text)}
    assert all(text == CAMPUS or _is_here(text) for text in addresses), addresses


def _texts(value: object) -> Iterator[str]:
    """Every text in a configuration, defaults among them."""
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _texts(getattr(value, name))
    elif isinstance(value, dict):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple | set | frozenset):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


async def test_18_a_gateway_without_any_network_takes_cards_and_keeps_them(tmp_path: Path) -> None:
    """Neither broker nor vault can be reached, before nor after a restart: the map is on the disk."""
    key = create_signing_key(tmp_path / "gateway.key")
    school_time = SchoolTime(NOW_MS)
    (tmp_path / "data").mkdir()
    known = make_map(
        [person(1, {"access": PSEUDONYM})], {CARD: 1}, school="s", gateway="gw", issued_ms=NOW_MS - 86_400_000
    )
    MapFile(tmp_path / "data", key, "s", "gw").write(known)
    board = OwnBoard("wiegand-tap")
    file = tmp_path / "gateway.toml"
    file.write_text(
        '[gateway]\nid = "gw"\nschool = "s"\nkey_file = "gateway.key"\ndata_dir = "data"\nclock = "system"\n'
        f'[collector]\npublic_key = "{KEY}"\nmqtt = {{ host = "127.0.0.1", port = {free_port()} }}\n'
        f'[personal]\nvault = "http://127.0.0.1:{free_port()}"\n'
        f'vault_public_key = "{public_text(key.public_key())}"\n[batch]\ninterval_s = 0.2\n'
        f'[[serial]]\nname = "tap"\nport = "{tmp_path / "tap"}"\n[[serial.devices]]\nid = "tap"\n'
        'profile = "campus/wiegand-tap"\nplace = "gate/entrance"\n',
        "utf-8",
    )
    async with SerialLine(tmp_path / "tap", baud=115_200, paced=False) as line:
        board.attach(line)
        for held in (1, 2):
            agent = Agent(load_config(file), school_time.gateway_clock())
            async with asyncio.TaskGroup() as group:
                group.create_task(agent.run(), name="gateway")
                await agent.running.wait()
                board.hal.reader.feed(to_wiegand(bytes.fromhex(CARD), 34).encode())
                await until(partial(_has_kept_a_record, agent), "a card is kept")
                agent.stop()
            assert agent.batches_left >= held
            assert agent.counters.map_failures
        board.switch_off()
    async with await SqliteBuffer.open(tmp_path / "data" / "buffer.db", bytes_max=2**24) as buffer:
        bodies = [_body(leased.item) for leased in await buffer.lease(10)]
    records = [record for body in bodies for record in body.records]
    assert [type(record) for record in records] == [AccessEvent, AccessEvent]
    assert {record.pseudonym for record in records} == {PSEUDONYM}


def _has_kept_a_record(agent: Agent) -> bool:
    return agent.counters.records_buffered == 1


def _body(item: Item) -> Body:
    header = Header(
        FORMAT, "s", "gw", "urgent", "g", 1, item.time_base_ms, ClockQuality.SYNCED, "b", "p",
        item.readings, item.records,
    )  # fmt: skip
    return decode_body(header, item.body)
