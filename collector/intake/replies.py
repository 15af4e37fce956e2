"""Signed acknowledgements to gateways: one a stream, all of a group at the same time."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence

from collector.intake.contract import Answer
from collector.intake.opening import Opened, Refused
from collector.records import StreamKey
from telemetry.ack import FORMAT, Ack, Rejection, encode_ack, greeting
from telemetry.envelope import Kind, Signer
from telemetry.ranges import Range, RangeSet
from telemetry.topics import Address


class Replies:
    """Every acknowledgement may be lost; the gateway sends again and is answered again."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    async def greet(self, gateways: Iterable[tuple[str, str]], answer: Answer) -> None:
        await self._send([greeting(school, gateway) for school, gateway in gateways], answer)

    async def received(self, batches: Sequence[Opened], answer: Answer) -> None:
        await self._send([Ack(FORMAT, *key, received=ranges) for key, ranges in _by_stream(batches)], answer)

    async def stored(self, batches: Sequence[Opened], answer: Answer) -> None:
        await self._send([Ack(FORMAT, *key, stored=ranges) for key, ranges in _by_stream(batches)], answer)

    async def rejected(self, refused: Sequence[Refused], answer: Answer) -> None:
        """Answers for those of which it is known which batch they are."""
        by_stream: dict[StreamKey, list[Rejection]] = defaultdict(list)
        for one in refused:
            if one.identity:
                found = one.identity
                key = StreamKey(found.school, found.gateway, found.stream, found.generation)
                by_stream[key].append(Rejection(found.sequence, one.reason))
        await self._send(
            [Ack(FORMAT, *key, rejected=tuple(found)) for key, found in by_stream.items()], answer
        )

    async def _send(self, acks: Sequence[Ack], answer: Answer) -> None:
        sending = []
        for ack in acks:
            data = self._signer.wrap(Kind.ACK, encode_ack(ack))
            sending.append(answer(Address(ack.school, ack.gateway, "ack"), data))
        await asyncio.gather(*sending)


def _by_stream(batches: Sequence[Opened]) -> list[tuple[StreamKey, tuple[Range, ...]]]:
    found: dict[StreamKey, RangeSet] = defaultdict(RangeSet)
    for batch in batches:
        found[batch.key].add(batch.header.sequence)
    return [(key, tuple(ranges)) for key, ranges in found.items()]
