"""Reads devices that publish JSON over MQTT, each through its profile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import structlog

from device_profiles.encodings import parse_payload
from device_profiles.parsing import DecodeError
from device_profiles.registry import Catalogue
from device_profiles.routing import Router
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.contract import DeviceReport, Sink
from edge_agent.drivers.mqtt_config import MqttSource, bind_device
from foundation.broker import (
    BrokerMessage,
    BrokerUnavailableError,
    Link,
    connect,
    keep_connected,
)
from foundation.logs import FirstOnly
from telemetry.readings import Chunk, SeriesTable

if TYPE_CHECKING:
    from edge_agent.drivers.mqtt_config import MqttDecoder

log = structlog.get_logger()

CHUNK_MESSAGES: Final = 500
"""Messages decoded before other tasks get a turn."""
SUBSCRIBE_MAX: Final = 100
"""Topic filters in one SUBSCRIBE packet."""


class MqttDriver:
    """One broker and the devices behind it."""

    def __init__(
        self,
        source: MqttSource,
        *,
        catalogue: Catalogue,
        table: SeriesTable,
        zone: ZoneInfo,
        clock: Clock,
        counters: Counters,
        client_id: str,
    ) -> None:
        self.name = source.name
        self._source = source
        self._clock = clock
        self._counters = counters
        self._client_id = client_id
        self._table = table
        self._decoders: list[MqttDecoder] = [
            bind_device(device, catalogue, table, zone) for device in source.devices
        ]
        self._router = Router(self._decoders)
        self._reported = FirstOnly()

    async def run(self, sink: Sink) -> None:
        async def session(link: Link) -> None:
            await self._listen(link, sink)

        await keep_connected(self._source.broker, self._client_id, session, what=f"devices of {self.name}")

    async def _listen(self, link: Link, sink: Sink) -> None:
        await self._subscribe(link)
        log.info("listening to devices", driver=self.name, devices=len(self._decoders))
        overflowed_before = 0
        async for messages in link.chunks():
            await self._read(messages, sink)
            lost = link.overflowed - overflowed_before
            if lost:
                overflowed_before = link.overflowed
                self._counters.dropped["messages_overflowed"] += lost
                if self._reported.first("overflow"):
                    log.error("more messages than can be read, some dropped", driver=self.name)

    async def _subscribe(self, link: Link) -> None:
        filters = self._router.filters
        for at in range(0, len(filters), SUBSCRIBE_MAX):
            await link.subscribe(filters[at : at + SUBSCRIBE_MAX])

    async def _read(self, messages: Sequence[BrokerMessage], sink: Sink) -> None:
        stopped: asyncio.CancelledError | None = None
        for at in range(0, len(messages), CHUNK_MESSAGES):
            chunk = Chunk()
            for message in messages[at : at + CHUNK_MESSAGES]:
                self._decode(message, chunk, sink)
            if chunk:
                sink.readings(chunk)
            try:
                await asyncio.sleep(0)
            except asyncio.CancelledError as error:
                stopped = error  # the broker will not send again what it has handed over
        if stopped is not None:
            raise stopped

    def _decode(self, message: BrokerMessage, chunk: Chunk, sink: Sink) -> list[MqttDecoder]:
        """Decodes one message; returns the devices that said something in it."""
        self._counters.messages_in += 1
        size_bytes = len(message.payload)
        decoders = self._router.match(message.topic)
        heard: list[MqttDecoder] = []
        if not decoders:
            sink.refused("unknown", "no_device_for_topic", size_bytes)
            return heard
        try:
            # Devices that share a topic speak one encoding.
            payload = parse_payload(decoders[0].encoding, message.payload)
        except DecodeError as error:
            sink.refused(decoders[0].device if len(decoders) == 1 else "unknown", error.reason, size_bytes)
            return heard
        for decoder in decoders:
            if not decoder.accepts(payload):
                continue
            heard.append(decoder)
            outcome = decoder.decode(
                payload,
                self._clock.now_ms(),
                message.retained,
                chunk,
                trust_device_time=self._clock.known,
            )
            for check in outcome.checks:
                sink.check(check)
            for tap in outcome.taps:
                sink.tap(tap)
            for reason in outcome.refused:
                sink.refused(decoder.device, reason, size_bytes)
        if not heard:
            sink.refused("unknown", "no_device_for_message", size_bytes)
        return heard

    async def check(self, timeout_s: float) -> AsyncIterator[DeviceReport]:
        heard = _Heard()
        waiting = {decoder.device for decoder in self._decoders}
        text = f"no message within {timeout_s:g} s; is it switched on, is its topic right?"
        try:
            async with (
                asyncio.timeout(timeout_s),
                connect(self._source.broker, f"{self._client_id}-check") as link,
            ):
                await self._subscribe(link)
                async for messages in link.chunks():
                    for message in messages:
                        for report in self._inspect(message, heard, waiting):
                            yield report
                    if not waiting:
                        return
        except BrokerUnavailableError as error:
            text = f"broker {self._source.broker.address}: {error}"
        except TimeoutError:
            pass
        for decoder in self._decoders:
            if decoder.device not in waiting:
                continue
            topics = ", ".join(decoder.topics)
            if reason := heard.reasons.get(decoder.device):
                what = (
                    f"it sends messages that give nothing ({reason}); is its profile {decoder.model} right?"
                )
            else:
                what = text
            yield DeviceReport(decoder.device, ok=False, text=f"{what} (topic {topics})")

    def _inspect(self, message: BrokerMessage, heard: _Heard, waiting: set[str]) -> list[DeviceReport]:
        """What one message says of devices not heard before."""
        checks_before = heard.checks
        decoders = self._decode(message, chunk := Chunk(), heard)
        reports = []
        for decoder in decoders:
            if decoder.device not in waiting:
                continue
            mine = [r for r in chunk.readings(self._table) if r.series.device == decoder.device]
            text = ", ".join(f"{one.series.quantity} {one.value:g}" for one in mine)
            if decoder.gives_checks and heard.checks > checks_before:
                text = "a morning check"
            if text:
                old = " (retained by the broker, perhaps old)" if message.retained else ""
                reports.append(DeviceReport(decoder.device, ok=True, text=text + old))
                waiting.discard(decoder.device)
        return reports


class _Heard:
    """A sink that keeps counts and reasons: no values, and nothing about a person."""

    def __init__(self) -> None:
        self.checks = 0
        self.taps = 0
        self.reasons: dict[str, str] = {}

    def readings(self, chunk: Chunk) -> None: ...

    def check(self, observation: object) -> None:
        del observation
        self.checks += 1

    def tap(self, observation: object) -> None:
        del observation
        self.taps += 1

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        del size_bytes
        self.reasons[device] = reason
