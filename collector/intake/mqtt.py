"""Intake over MQTT: batches, urgent events and status in, acknowledgements out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter

from collector.intake.contract import Incoming, Line
from foundation.broker import BrokerMessage, BrokerSettings, BrokerUnavailableError, Link, keep_connected
from telemetry.topics import Address, Leaf, intake_filters, parse_topic, topic

LANES: Final[dict[str, Sequence[Leaf]]] = {"urgent": ("urgent",), "bulk": ("batch", "status")}
"""The topics of each connection that receives."""
_ANSWERS: Final = "answers"
_NOBODY: Final = Address("", "", "")

log = structlog.get_logger()


class MqttIntake:
    """Receives from one broker under clean sessions; what is lost there is sent again.

    A connection for each lane: neither at the broker nor here does an urgent event queue behind
    bulk, and a full lane leaves the socket of its own connection unread, so that the broker waits.
    Answers have a third one: on a socket that nobody reads the broker's receipt for an
    acknowledgement would not be seen, and the lane would wait for it instead of making room.
    """

    def __init__(self, settings: BrokerSettings, client_id: str, registry: CollectorRegistry) -> None:
        self.name = f"mqtt {settings.address}"
        self._settings = settings
        self._client_id = client_id
        self._links: dict[str, Link] = {}
        self._overflowed = Counter(
            "campus_intake_overflowed",
            "Messages dropped because the line was behind; their gateways send them again",
            registry=registry,
        )

    @property
    def connected(self) -> bool:
        return len(self._links) == len(LANES) + 1

    async def run(self, line: Line) -> None:
        async with asyncio.TaskGroup() as group:
            for name in (_ANSWERS, *LANES):
                group.create_task(self._keep(name, line), name=f"intake-{name}")

    async def _keep(self, name: str, line: Line) -> None:
        async def session(link: Link) -> None:
            if name in LANES:
                await link.subscribe(intake_filters(LANES[name]))
            self._links[name] = link
            try:
                if self.connected:
                    await line.greet(self._answer)
                await self._receive(link, line)
            finally:
                del self._links[name]

        await keep_connected(self._settings, f"{self._client_id}-{name}", session, what=f"intake {name}")

    async def _receive(self, link: Link, line: Line) -> None:
        overflowed = 0
        async for messages in link.chunks():
            await line.submit(list(map(_addressed, messages)), self._answer)
            if link.overflowed > overflowed:
                if not overflowed:
                    log.warning("intake is behind, messages dropped", count=link.overflowed)
                self._overflowed.inc(link.overflowed - overflowed)
                overflowed = link.overflowed

    async def _answer(self, address: Address, data: bytes) -> None:
        link = self._links.get(_ANSWERS)
        if link is None:
            return
        try:
            leaf: Leaf = "config" if address.leaf == "config" else "ack"
            await link.publish(topic(address.school, address.gateway, leaf), data)
        except BrokerUnavailableError as error:
            # The gateway sends the batch again and is then answered from the marks; or its status.
            log.debug("answer lost", gateway=address.gateway, error=str(error))


def _addressed(message: BrokerMessage) -> Incoming:
    return Incoming(parse_topic(message.topic) or _NOBODY, message.payload)
