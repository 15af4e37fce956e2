"""A misbehaving publisher: payloads that no profile may read, on the topics of real devices."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import msgspec

from foundation.broker import BrokerSettings, connect
from simulators.devices import Simulation
from simulators.pupils import STATION_SITE, card_uid
from simulators.station import check_payload

HUGE_BYTES: Final = 200_000
DEPTH: Final = 50_000
AT_ONCE_MAX: Final = 20
_WRONG: Final[tuple[Any, ...]] = (
    "not a value",
    {},
    [],
    [{}],
    "NaN",
    "1e999",
    "0x10",
    {"value": {"value": {}}},
)
_NO_JSON: Final = (b"", b"{", b'{"temperature": NaN}', b"OK", b"\xff\xfe\x00", b'{"co2": 8,}', b"\x00" * 64)
_NO_OBJECT: Final = (b"null", b"true", b"37.5", b'"37.5"', b"[]", b"[[1, 2], [3]]", b"{}", b'{"": {"": {}}}')


class Rubbish(NamedTuple):
    """A message that must give nothing. `kind` says what is wrong with it."""

    kind: str
    topic: str
    payload: bytes


def rubbish(simulation: Simulation, seed: int, time_ms: int) -> Iterator[Rubbish]:
    """Endless rubbish on the topics of the school's devices, all kinds in turn."""
    dice = random.Random(seed)  # noqa: S311  # must repeat by seed, guards nothing
    while True:
        for device in simulation.devices:
            real = simulation.message(device, time_ms)
            cut = dice.randrange(1, len(real.payload))
            yield Rubbish("random_bytes", real.topic, b"\x80" + dice.randbytes(dice.randrange(300)))
            yield Rubbish("no_json", real.topic, dice.choice(_NO_JSON))
            yield Rubbish("no_object", real.topic, dice.choice(_NO_OBJECT))
            yield Rubbish("cut_off", real.topic, real.payload[:cut])
            yield Rubbish("too_deep", real.topic, b"[" * DEPTH + b"]" * DEPTH)
            yield Rubbish("huge", real.topic, real.payload[:-1] + b',"x":"' + b"x" * HUGE_BYTES + b'"}')
            spoilt = _spoil(msgspec.json.decode(real.payload), dice)
            yield Rubbish("wrong_types", real.topic, msgspec.json.encode(spoilt))


def _spoil(value: Any, dice: random.Random) -> Any:
    """The same shape with something that is no value in every place of a value."""
    if isinstance(value, dict):
        return {key: _spoil(one, dice) for key, one in value.items()}
    if isinstance(value, list):
        return [_spoil(one, dice) for one in value]
    return dice.choice(_WRONG)


def unknown_card(simulation: Simulation, seed: int, time_ms: int, *, temperature_c: float = 38.4) -> Rubbish:
    """A sound check with a card that nobody holds: it must become anonymous, and a fever alarms."""
    station = simulation.school.station
    body = check_payload(
        station.address,
        card_uid(seed, f"rubbish-{time_ms}"),
        temperature_c=temperature_c,
        ambient_c=22.0,
        site=STATION_SITE,
        symptoms=(),
        time_ms=time_ms,
    )
    return Rubbish("unknown_card", simulation.topic(station), msgspec.json.encode(body))


async def flood(
    broker: BrokerSettings,
    items: Iterator[Rubbish],
    count: int,
    sent: Counter[str],
    *,
    client_id: str = "campus-rubbish",
) -> None:
    """Publishes `count` of the items, QoS 1, as fast as the broker takes them.

    Counts them by kind in `sent` as they are answered for. Raises BrokerUnavailableError.
    """
    async with connect(broker, client_id) as link:

        async def one(item: Rubbish) -> None:
            await link.publish(item.topic, item.payload)
            sent[item.kind] += 1

        left = count
        while left > 0:
            batch = [next(items) for _ in range(min(left, AT_ONCE_MAX))]
            await asyncio.gather(*map(one, batch))
            left -= len(batch)
