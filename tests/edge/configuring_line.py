"""A whole gateway beside a collector that configures it, over a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

from edge_agent.agent import Agent
from edge_agent.config import load_config
from foundation.broker import BrokerSettings, Link, connect
from telemetry.ack import FORMAT, Ack, encode_ack
from telemetry.batch import decode_body, decode_payload
from telemetry.configuration import Running
from telemetry.envelope import Kind, open_envelope, verify
from telemetry.status import decode_status
from telemetry.topics import topic
from tests.conftest import Mosquitto
from tests.edge.configuring_parts import CollectorDouble, write_gateway
from tests.edge.edge_parts import GATEWAY, SCHOOL, eventually


class Line:
    """What the collector has of the gateway, and what it says to it. Each batch is taken once."""

    def __init__(self, agent: Agent, collector: CollectorDouble, link: Link) -> None:
        self.agent = agent
        self.collector = collector
        self._link = link
        self._batches: set[tuple[str, str, int]] = set()
        self.readings: Counter[tuple[str, str, float]] = Counter()
        """Device, quantity, value."""
        self.times: Counter[tuple[str, str, int]] = Counter()
        """Device, quantity, time."""
        self.said: list[Running] = []

    async def hear(self) -> None:
        async for messages in self._link.chunks():
            for message in messages:
                envelope = open_envelope(message.payload)
                payload = verify(envelope, self.agent.signer.public_key)
                if envelope.kind is Kind.STATUS:
                    configuration = decode_status(payload).configuration
                    assert configuration is not None
                    self.said.append(configuration)
                else:
                    await self._take(payload)

    async def _take(self, payload: bytes) -> None:
        header, body = decode_payload(payload)
        batch = (header.stream, header.generation, header.sequence)
        if batch not in self._batches:
            self._batches.add(batch)
            for reading in decode_body(header, body).readings():
                series = reading.series
                self.readings[series.device, series.quantity, reading.value] += 1
                self.times[series.device, series.quantity, reading.time_ms] += 1
        ranges = ((header.sequence, header.sequence),)
        ack = Ack(FORMAT, SCHOOL, GATEWAY, header.stream, header.generation, received=ranges, stored=ranges)
        await self._link.publish(
            topic(SCHOOL, GATEWAY, "ack"), self.collector.signer.wrap(Kind.ACK, encode_ack(ack))
        )

    async def offer(self, version: int, base: int = 0) -> Running:
        """What the gateway says next that is about this version."""
        data, heard = self.collector.wrap(self.collector.offer(version, base)), len(self.said)
        await self._link.publish(topic(SCHOOL, GATEWAY, "config"), data)

        def about() -> list[Running]:
            return [said for said in self.said[heard:] if version in {said.version, said.refused}]

        await eventually(about, f"the gateway tells of version {version}")
        return about()[0]

    async def say(self, device_topic: str, **values: float) -> None:
        """As a device does."""
        await self._link.publish(device_topic, json.dumps(values).encode())


@contextlib.asynccontextmanager
async def running(
    folder: Path, broker: Mosquitto, collector: CollectorDouble, tables: str
) -> AsyncIterator[Line]:
    """The gateway, and a collector that stores whatever it sends. Returns once the gateway works."""
    agent = Agent(load_config(write_gateway(folder, collector.signer, tables, broker_port=broker.port)))
    settings = BrokerSettings(host="127.0.0.1", port=broker.port)
    async with connect(settings, "collector") as link, asyncio.TaskGroup() as group:
        await link.subscribe([topic(SCHOOL, GATEWAY, leaf) for leaf in ("batch", "urgent", "status")])
        line = Line(agent, collector, link)
        hearing = group.create_task(line.hear(), name="collector")
        agent_run = group.create_task(agent.run(), name="agent")
        await agent.running.wait()
        await eventually(lambda: line.said, "a first status")
        try:
            yield line
            agent.stop()
            await agent_run
        finally:
            hearing.cancel()
