"""Which ways to the collector a gateway has, and which of them it takes.

With both, MQTT carries everything while it is connected: there acknowledgements are pushed. Posts are for
the time without it, so that no batch is carried twice and a closed port costs a minute and not the data.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from edge_agent.counters import Counters
from edge_agent.uplink.contract import Outbox, Uplink, UplinkError
from edge_agent.uplink.mqtt import MqttUplink
from edge_agent.uplink.settings import CollectorSection, HttpsSettings
from telemetry.envelope import Signer

log = structlog.get_logger()


def make_uplink(
    section: CollectorSection, school: str, gateway: str, *, signer: Signer, counters: Counters
) -> Uplink:
    """The one way that is configured, or both as one."""
    mqtt = MqttUplink(section.mqtt, school, gateway) if section.mqtt else None
    https = _https(section.https, school, gateway, signer, counters) if section.https else None
    if mqtt and https:
        return FallbackUplink(mqtt, https, after_s=section.https_after_s)
    way = mqtt or https
    assert way is not None, "the section has at least one"
    return way


def _https(settings: HttpsSettings, school: str, gateway: str, signer: Signer, counters: Counters) -> Uplink:
    # Loaded only where it is posted: its libraries take memory.
    from edge_agent.uplink.https import HttpsUplink  # noqa: PLC0415  # said above

    return HttpsUplink(settings, school, gateway, signer=signer, counters=counters)


class FallbackUplink:
    """MQTT, and another way while it has been without a connection for `after_s`."""

    def __init__(self, mqtt: MqttUplink, other: Uplink, *, after_s: float) -> None:
        self._mqtt = mqtt
        self._other = other
        self._after_s = after_s

    async def run(self, outbox: Outbox) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._mqtt.run(outbox), name="uplink-mqtt")
            group.create_task(self._stand_in(outbox), name="uplink-stand-in")

    async def _stand_in(self, outbox: Outbox) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._after_s):
                    await self._mqtt.up.wait()
            if not self._mqtt.up.is_set():
                await self._until_up(outbox)
            await self._mqtt.down.wait()

    async def _until_up(self, outbox: Outbox) -> None:
        log.warning("no connection over MQTT; the collector is posted to", after_s=self._after_s)
        waiting = asyncio.create_task(self._mqtt.up.wait(), name="uplink-mqtt-up")
        posting = asyncio.create_task(self._other.run(outbox), name="uplink-https")
        try:
            await asyncio.wait({waiting, posting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (waiting, posting):
                task.cancel()
            await asyncio.wait({waiting, posting})
        if not posting.cancelled():
            posting.result()  # a fault of the program
        log.info("connected over MQTT again; no more posts")
        # What was on its way by post, or about to be, is free for MQTT.
        await outbox.connected()

    async def check(self) -> str:
        """Both ways must be good: the second is for a day on which nobody looks."""
        found, troubles = [], []
        for way in (self._mqtt, self._other):
            try:
                found.append(await way.check())
            except UplinkError as error:
                troubles.append(str(error))
        if troubles:
            raise UplinkError("; ".join(troubles))
        return "; ".join(found)
