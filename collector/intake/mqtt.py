"""Intake over MQTT: batches, urgent events and status in, acknowledgements out."""

from __future__ import annotations

from typing import Final

import structlog

from collector.intake.contract import Incoming, Line
from foundation.broker import BrokerMessage, BrokerSettings, BrokerUnavailableError, Link, keep_connected
from foundation.logs import FirstOnly
from telemetry.topics import Address, intake_filters, parse_topic, topic

LEAVES: Final = {"batch", "urgent", "status"}

log = structlog.get_logger()


class MqttIntake:
    """Receives from one broker under a clean session; what is lost there is sent again."""

    def __init__(self, settings: BrokerSettings, client_id: str) -> None:
        self.name = f"mqtt {settings.address}"
        self._settings = settings
        self._client_id = client_id
        self._reported = FirstOnly()
        self.connected = False

    async def run(self, line: Line) -> None:
        async def session(link: Link) -> None:
            await link.subscribe(intake_filters())
            self.connected = True

            async def answer(address: Address, data: bytes) -> None:
                try:
                    await link.publish(topic(address.school, address.gateway, "ack"), data)
                except BrokerUnavailableError as error:
                    # The gateway sends the batch again and is then answered from the marks.
                    log.debug("acknowledgement lost", gateway=address.gateway, error=str(error))

            await line.greet(answer)
            try:
                async for messages in link.chunks():
                    await line.submit(self._addressed(messages), answer)
            finally:
                self.connected = False

        await keep_connected(self._settings, self._client_id, session, what="intake")

    def _addressed(self, messages: list[BrokerMessage]) -> list[Incoming]:
        incoming = []
        for message in messages:
            address = parse_topic(message.topic)
            if address is not None and address.leaf in LEAVES:
                incoming.append(Incoming(address, message.payload))
            elif self._reported.first("topic"):
                log.warning("message on a topic that is no gateway's", size_bytes=len(message.payload))
        return incoming
