"""Intake over MQTT: batches, urgent events and status in, acknowledgements out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Counter

from collector.intake.contract import Answer, Incoming, Line
from foundation.broker import BrokerMessage, BrokerSettings, BrokerUnavailableError, Link, keep_connected
from telemetry.topics import Address, Leaf, intake_filters, parse_topic, topic

LANES: Final[dict[str, Sequence[Leaf]]] = {"urgent": ("urgent",), "bulk": ("batch", "status")}
"""The topics of each connection."""
_NOBODY: Final = Address("", "", "")

log = structlog.get_logger()


class MqttIntake:
    """Receives from one broker under clean sessions; what is lost there is sent again.

    A connection for each lane: neither at the broker nor here does an urgent event queue behind
    bulk, and a full bulk lane slows down its own connection only.
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
        return len(self._links) == len(LANES)

    async def run(self, line: Line) -> None:
        async with asyncio.TaskGroup() as group:
            for lane in LANES:
                group.create_task(self._run_lane(lane, line), name=f"intake-{lane}")

    async def _run_lane(self, lane: str, line: Line) -> None:
        answer = self._answering(lane)

        async def session(link: Link) -> None:
            await link.subscribe(intake_filters(LANES[lane]))
            self._links[lane] = link
            try:
                if self.connected:
                    await line.greet(answer)
                await self._receive(link, line, answer)
            finally:
                del self._links[lane]

        client_id = f"{self._client_id}-{lane}"
        await keep_connected(self._settings, client_id, session, what=f"intake {lane}")

    async def _receive(self, link: Link, line: Line, answer: Answer) -> None:
        overflowed = 0
        async for messages in link.chunks():
            await line.submit(list(map(_addressed, messages)), answer)
            if link.overflowed > overflowed:
                if not overflowed:
                    log.warning("intake is behind, messages dropped", count=link.overflowed)
                self._overflowed.inc(link.overflowed - overflowed)
                overflowed = link.overflowed

    def _answering(self, lane: str) -> Answer:
        """Answers over whatever connection the lane has by then."""

        async def answer(address: Address, data: bytes) -> None:
            link = self._links.get(lane)
            if link is None:
                return
            try:
                await link.publish(topic(address.school, address.gateway, "ack"), data)
            except BrokerUnavailableError as error:
                # The gateway sends the batch again and is then answered from the marks.
                log.debug("acknowledgement lost", gateway=address.gateway, error=str(error))

        return answer


def _addressed(message: BrokerMessage) -> Incoming:
    return Incoming(parse_topic(message.topic) or _NOBODY, message.payload)
