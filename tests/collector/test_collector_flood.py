"""A flood over MQTT before a store that hangs: the collector leaves its socket alone, the broker waits,
memory stays bounded, and everything is stored in the end.
"""

from __future__ import annotations

import asyncio

import pytest

from collector.intake.mqtt import MqttIntake
from foundation import mqttclient
from foundation.broker import BrokerSettings, connect
from foundation.mqttclient import Inbox
from telemetry.topics import topic
from tests.collector.conftest import SCHOOL, MakeLab, Sender, check, column, eventually
from tests.conftest import MakeMosquitto

FLOOD = 1_500
VALUES = [400.0 + n / 7 for n in range(100)]
"""Irregular, so that a batch has more than a kilobyte."""


async def test_a_flood_waits_at_the_broker(
    make_lab: MakeLab, make_mosquitto: MakeMosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mqttclient, "PAUSE_MESSAGES", 50)
    inboxes: list[Inbox] = []

    class Watched(Inbox):
        most = 0

        def __init__(self) -> None:
            super().__init__()
            inboxes.append(self)

        def put_many(self, messages: list[mqttclient.BrokerMessage], size_bytes: int) -> None:
            super().put_many(messages, size_bytes)
            Watched.most = max(Watched.most, len(self._waiting))

    monkeypatch.setattr("foundation.broker.Inbox", Watched)
    broker = make_mosquitto("max_queued_messages 0", "allow_anonymous true")
    address = BrokerSettings(host=broker.host, port=broker.port)
    sender = Sender()
    lab = await make_lab(sender)
    queue = lab.line._lanes["bulk"].arrived
    queue._messages_max = 100
    lab.store.hold = asyncio.Event()
    intake = MqttIntake(address, "flooded", lab.registry)
    running = asyncio.create_task(intake.run(lab.line), name="intake-under-test")
    await eventually(lambda: intake.connected)
    try:
        async with connect(address, "flood") as link:
            batches = [sender.batch(n, column(values=VALUES)) for n in range(1, FLOOD + 1)]
            for begin in range(0, FLOOD, 100):
                publishing = (
                    link.publish(topic(SCHOOL, "gw-1", "batch"), one.data)
                    for one in batches[begin : begin + 100]
                )
                await asyncio.gather(*publishing)
            await eventually(lambda: len(queue) == 100 and any(one.wants_pause for one in inboxes))
            urgent = sender.batch(1, stream="urgent", records=[check()])
            await link.publish(topic(SCHOOL, "gw-1", "urgent"), urgent.data)
            await eventually(lambda: lab.count("campus_intake_records_total") == 1, "urgent passes")
            # One read of the socket may add what fits into it.
            assert Watched.most <= 50 + mqttclient._READ_BYTES // len(batches[0].data) + 1
            assert len(queue) == 100
            lab.store.hold.set()
            stored = FLOOD * len(VALUES)
            await eventually(lambda: lab.count("campus_intake_readings_total") == stored, wait_s=60)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert lab.count("campus_intake_overflowed_total") == 0
