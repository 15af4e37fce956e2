"""The uplink over MQTT: batches, urgent events and status out, acknowledgements and configurations in."""

from __future__ import annotations

import asyncio
import secrets
from functools import partial

import structlog

from edge_agent.uplink.contract import Outbox, UplinkError
from foundation.broker import (
    BrokerSettings,
    BrokerUnavailableError,
    Link,
    connect,
    keep_connected,
    run_together,
)
from foundation.logs import FirstOnly
from telemetry.topics import topic

log = structlog.get_logger()


class MqttUplink:
    """Carries envelopes over one broker connection of its own."""

    def __init__(self, settings: BrokerSettings, school: str, gateway: str) -> None:
        self._settings = settings
        self._school = school
        self._gateway = gateway
        self._certified = settings.certificate_file is not None
        # Not to be guessed: whoever connects with the id of another puts it out.
        self._client_id = f"campus-uplink-{school}-{gateway}-{secrets.token_hex(8)}"
        self.up, self.down = asyncio.Event(), asyncio.Event()
        """Set while there is a connection, and while there is none."""
        self.down.set()
        self._reported = FirstOnly()

    async def run(self, outbox: Outbox) -> None:
        await keep_connected(self._settings, self._client_id, partial(self._session, outbox), what="uplink")

    async def _session(self, outbox: Outbox, link: Link) -> None:
        await link.subscribe([topic(self._school, self._gateway, "ack")])
        await self._subscribe_config(link)
        self.down.clear()
        self.up.set()
        try:
            await outbox.connected()
            await run_together(
                uplink_send=self._send(outbox, link), uplink_receive=self._receive(outbox, link)
            )
        finally:
            self.up.clear()
            self.down.set()

    async def _subscribe_config(self, link: Link) -> None:
        """Where the broker's access list does not know the topic yet, the gateway works without it."""
        try:
            await link.subscribe([topic(self._school, self._gateway, "config")])
        except BrokerUnavailableError as error:
            if not error.refused:
                raise
            say = log.warning if self._reported.first("config") else log.debug
            say("the broker does not let configurations be received; add the topic to its access list")

    async def _send(self, outbox: Outbox, link: Link) -> None:
        while True:
            outgoing = await outbox.next()
            publishing = {
                f"uplink-publish-{number}": link.publish(
                    topic(self._school, self._gateway, one.leaf), one.data
                )
                for number, one in enumerate(outgoing)
            }
            await run_together(**publishing)

    @staticmethod
    async def _receive(outbox: Outbox, link: Link) -> None:
        async for messages in link.chunks():
            for message in messages:
                await outbox.answered(message.payload)

    async def check(self) -> str:
        try:
            async with connect(self._settings, f"{self._client_id}-check") as link:
                await link.subscribe([topic(self._school, self._gateway, "ack")])
        except BrokerUnavailableError as error:
            hint = "; does it believe our certificate? campus gateway status" if self._certified else ""
            raise UplinkError(f"broker {self._settings.address}: {error}{hint}") from error
        return f"broker {self._settings.address} answers, acknowledgements can be received"
