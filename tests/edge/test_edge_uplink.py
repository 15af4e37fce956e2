"""Every uplink with its real outbox, over a real broker or a real listener; the test is the collector."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from edge_agent.uplink.contract import Outbox, Uplink, UplinkError
from edge_agent.uplink.mqtt import MqttUplink
from foundation.broker import BrokerSettings
from telemetry.envelope import Signer
from tests.conftest import MakeMosquitto
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
from tests.edge.uplink_sites import BrokerSite, PostSite, UplinkSite


@pytest.fixture
async def outlook(tmp_path: Path) -> AsyncIterator[Outlook]:
    async with await FickleBuffer.open(tmp_path / "buffer.db", bytes_max=BYTES_MAX) as buffer:
        yield Outlook(buffer, resend_s=1.0)


@pytest.fixture(params=["mqtt", "https"])
def site(request: pytest.FixtureRequest, make_mosquitto: MakeMosquitto, outlook: Outlook) -> UplinkSite:
    return PostSite(outlook) if request.param == "https" else BrokerSite(make_mosquitto(), outlook)


@contextlib.asynccontextmanager
async def running(uplink: Uplink, outbox: Outbox) -> AsyncIterator[None]:
    task = asyncio.create_task(uplink.run(outbox), name="uplink")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled(), "it ends only when it is told to"


async def test_from_the_buffer_to_the_acknowledgement_and_over_a_broken_way(
    site: UplinkSite, outlook: Outlook
) -> None:
    outbox: Outbox = outlook.forwarder
    heard = site.ears.heard
    await outlook.buffer.append([item(), item("urgent", alarm=True), item()])
    async with running(site.uplink(), outbox):
        async with site.listening(answers=False):
            await eventually(lambda: len(heard) >= 3 and site.ears.statuses, "three batches and a status")
        assert {(one.stream, one.sequence) for one in heard} == {("urgent", 1), ("bulk", 1), ("bulk", 2)}
        if site.way == "mqtt":  # posts of the two streams pass each other
            assert [one.stream for one in heard[:3]] == ["urgent", "bulk", "bulk"]
        assert outlook.buffer.stats().batches == 3, "nothing goes before it is stored"
        site.fall()
        heard.clear()
        async with site.listening(answers=True):
            await outlook.buffer.append([item()])
            await eventually(lambda: outlook.buffer.stats().batches == 0, "everything acknowledged")
            async with asyncio.timeout(WAIT_S_MAX):
                await outlook.forwarder.drained()
    assert {(one.stream, one.sequence) for one in heard} >= {("urgent", 1), ("bulk", 1), ("bulk", 3)}
    assert outlook.counters.readings_stored == 4


async def test_a_collector_that_is_not_there_costs_nothing_and_is_found(
    site: UplinkSite, outlook: Outlook
) -> None:
    await outlook.buffer.append([item(), item("urgent")])
    async with running(site.uplink(), outlook.forwarder):
        await asyncio.sleep(0.2)
        async with site.listening(answers=True):
            await eventually(lambda: outlook.buffer.stats().batches == 0, "everything acknowledged")


async def test_only_the_collectors_own_answers_are_believed(site: UplinkSite, outlook: Outlook) -> None:
    ears, stranger = site.ears, Signer(Ed25519PrivateKey.generate())
    believed = outlook.collector
    await outlook.buffer.append([item()])
    async with running(site.uplink(), outlook.forwarder), site.listening(answers=True):
        outlook.collector = stranger
        await outlook.buffer.append([item("urgent")])
        await eventually(lambda: outlook.counters.acks_refused >= 1, "an answer is refused")
        assert outlook.buffer.stats().batches >= 1
        outlook.collector = believed
        await eventually(lambda: outlook.buffer.stats().batches == 0, "sent again and believed")
    assert len(ears.heard) >= 2


async def test_check_of_mqtt_connects_and_says_what_it_found(make_mosquitto: MakeMosquitto) -> None:
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
