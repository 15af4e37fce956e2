"""The MQTT uplink with its real outbox and a real broker; the test is the collector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge_agent.uplink.contract import Outbox, Uplink, UplinkError
from edge_agent.uplink.mqtt import MqttUplink
from foundation.broker import BrokerSettings, connect
from telemetry.ack import FORMAT, Ack, encode_ack
from telemetry.batch import Header, decode_payload
from telemetry.envelope import Kind, open_envelope
from telemetry.topics import topic
from tests.conftest import MakeMosquitto, Mosquitto
from tests.edge.edge_parts import (
    BYTES_MAX,
    GATEWAY,
    SCHOOL,
    WAIT_S_MAX,
    FickleBuffer,
    Outlook,
    eventually,
    item,
)


class Site:
    """A collector that hears everything, and answers when it is told to."""

    def __init__(self, broker: Mosquitto, outlook: Outlook) -> None:
        self.settings = BrokerSettings(host=broker.host, port=broker.port)
        self.outlook = outlook
        self.heard: list[Header] = []
        self.statuses = 0

    @asynccontextmanager
    async def listening(self, *, answers: bool) -> AsyncIterator[None]:
        async with connect(self.settings, "collector") as link:
            await link.subscribe([topic(SCHOOL, GATEWAY, leaf) for leaf in ("batch", "urgent", "status")])

            async def hear() -> None:
                async for messages in link.chunks():
                    for message in messages:
                        envelope = open_envelope(message.payload)
                        if envelope.kind is Kind.STATUS:
                            self.statuses += 1
                            continue
                        header, _ = decode_payload(envelope.payload)
                        self.heard.append(header)
                        if answers:
                            await link.publish(topic(SCHOOL, GATEWAY, "ack"), self.stored(header))

            task = asyncio.create_task(hear(), name="collector")
            yield
            task.cancel()
            await asyncio.wait([task])

    def stored(self, header: Header) -> bytes:
        numbers = ((header.sequence, header.sequence),)
        ack = Ack(FORMAT, SCHOOL, GATEWAY, header.stream, header.generation, stored=numbers)
        return self.outlook.collector.wrap(Kind.ACK, encode_ack(ack))


@pytest.fixture
async def outlook(tmp_path: Path) -> AsyncIterator[Outlook]:
    async with await FickleBuffer.open(tmp_path / "buffer.db", bytes_max=BYTES_MAX) as buffer:
        yield Outlook(buffer)


async def test_from_the_buffer_to_the_acknowledgement_and_over_a_broken_broker(
    mosquitto: Mosquitto, outlook: Outlook
) -> None:
    site = Site(mosquitto, outlook)
    uplink: Uplink = MqttUplink(site.settings, SCHOOL, GATEWAY)
    outbox: Outbox = outlook.forwarder
    await outlook.buffer.append([item(), item("urgent", alarm=True), item()])
    async with site.listening(answers=False):
        running = asyncio.create_task(uplink.run(outbox), name="uplink")
        await eventually(lambda: len(site.heard) == 3 and site.statuses == 1, "three batches and a status")
    assert [(one.stream, one.sequence) for one in site.heard] == [("urgent", 1), ("bulk", 1), ("bulk", 2)]
    assert outlook.buffer.stats().batches == 3, "nothing goes before it is stored"
    mosquitto.kill()
    mosquitto.start()
    site.heard.clear()
    async with site.listening(answers=True):
        await outlook.buffer.append([item()])
        await eventually(lambda: outlook.buffer.stats().batches == 0, "everything acknowledged")
    async with asyncio.timeout(WAIT_S_MAX):
        await outlook.forwarder.drained()
    assert {(one.stream, one.sequence) for one in site.heard} >= {("urgent", 1), ("bulk", 1), ("bulk", 3)}
    assert outlook.counters.readings_stored == 4
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


async def test_check_connects_and_says_what_it_found(make_mosquitto: MakeMosquitto, tmp_path: Path) -> None:
    broker = make_mosquitto()
    settings = BrokerSettings(host=broker.host, port=broker.port)
    assert f"{broker.port} answers" in await MqttUplink(settings, SCHOOL, GATEWAY).check()
    broker.kill()
    with pytest.raises(UplinkError, match=str(broker.port)):
        await MqttUplink(settings, SCHOOL, GATEWAY).check()
    locked = make_mosquitto("allow_anonymous false")
    settings = BrokerSettings(host=locked.host, port=locked.port)
    with pytest.raises(UplinkError, match="ot authori"):
        await MqttUplink(settings, SCHOOL, GATEWAY).check()
