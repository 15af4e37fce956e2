"""What boards of ours say, as typed values; and what they are told. For the gateway (CPython).

Names and units under which a profile finds the values are those of `named_values`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from firmware_bridges.boards import wire
from firmware_bridges.boards.parameters import PARAMETERS, number_of
from firmware_bridges.boards.wire import WireError
from telemetry.named import Named


class Source(NamedTuple):
    """Which board, and how often it has started: with an event's sequence number, its identity."""

    serial: bytes
    boot: int


class Hello(NamedTuple):
    """A board introduces itself. `kind` is one of `wire.KINDS`."""

    source: Source
    kind: str
    firmware: tuple[int, int, int]
    uptime_s: int


class Check(NamedTuple):
    """A morning check: temperatures in °C, `card` empty where none was held to the reader."""

    source: Source
    sequence: int
    age_ms: int
    site: str
    object_c: float
    ambient_c: float | None
    card: bytes

    def __repr__(self) -> str:
        return f"Check(sequence={self.sequence}, …)"


class Tap(NamedTuple):
    """A card at a reader. `parity_good` is None where the reader has none; `card` is empty where the
    parity is wrong.
    """

    source: Source
    sequence: int
    age_ms: int
    form: str
    parity_good: bool | None
    bits: int
    card: bytes

    def __repr__(self) -> str:
        return f"Tap(sequence={self.sequence}, …)"


class Weight(NamedTuple):
    """A portion, in grams without and of the tare."""

    source: Source
    sequence: int
    age_ms: int
    net_g: int
    tare_g: int
    is_stable: bool


class Heartbeat(NamedTuple):
    """How a board fares: events that wait for us, that were lost and refused, damaged frames from us."""

    source: Source
    uptime_s: int
    waiting: int
    lost: int
    refused: int
    damaged: int
    reader_seen: bool
    sensor_seen: bool


class Fault(NamedTuple):
    """`fault` is one of `wire.FAULTS`; `times` how often since it was last told."""

    source: Source
    fault: str
    times: int


Event = Check | Tap | Weight
Message = Hello | Event | Heartbeat | Fault


def parse_message(payload: bytes) -> Message:
    """A board's message. Raises WireError: "bad_length", "unknown_version", "unknown_message",
    "bad_value".
    """
    type_, serial, boot, values, card = wire.unpack_message(payload)
    if card and len(card) not in wire.CARD_BYTES:
        raise WireError("bad_length")
    try:
        return _READERS[type_](Source(serial, boot), values, card)
    except KeyError:  # a code that is in none of the tables
        raise WireError("bad_value") from None


def named_values(message: Message) -> Mapping[str, Named]:
    """What a profile may find in a message. A tap whose parity is wrong has a card of None."""
    source = message.source
    values = {"board": Named(source.serial.hex()), "boot": Named(source.boot)}
    if isinstance(message, Check | Tap | Weight):
        values["sequence"] = Named(message.sequence)
        values["age"] = Named(message.age_ms, "ms")
    match message:
        case Check():
            values["card_uid"] = Named(message.card.hex().upper() or None)
            values["site"] = Named(message.site)
            values["object_temperature"] = Named(message.object_c, "Cel")
            values["ambient_temperature"] = Named(message.ambient_c, "Cel")
        case Tap():
            values["card_uid"] = Named(message.card.hex().upper() or None)
            values["parity_good"] = Named(message.parity_good, "bool")
            values["bits"] = Named(message.bits)
        case Weight():
            values["mass"] = Named(message.net_g, "g")
            values["tare"] = Named(message.tare_g, "g")
            values["stable"] = Named(message.is_stable, "bool")
        case Hello():
            values["kind"] = Named(message.kind)
            values["firmware"] = Named(".".join(map(str, message.firmware)))
            values["uptime"] = Named(message.uptime_s, "s")
        case Heartbeat():
            values["uptime"] = Named(message.uptime_s, "s")
            for name in ("waiting", "lost", "refused", "damaged"):
                values[name] = Named(getattr(message, name))
            values["reader_seen"] = Named(message.reader_seen, "bool")
            values["sensor_seen"] = Named(message.sensor_seen, "bool")
        case Fault():
            values["fault"] = Named(message.fault)
            values["times"] = Named(message.times)
    return values


def acknowledge(source: Source, sequence: int) -> bytes:
    """The frame that tells a board that an event need not be sent again."""
    return wire.encode_frame(wire.pack_command(wire.ACK, source.boot, sequence))


def set_parameter(name: str, value: int) -> bytes:
    """The frame that sets one of `parameters.PARAMETERS`. Raises ValueError for what cannot be set."""
    number = number_of(name)
    _, _, low, high = PARAMETERS[number]
    if not low <= value <= high:
        raise ValueError(f"{name} lies between {low} and {high}")
    return wire.encode_frame(wire.pack_command(wire.SET, number, value))


def signal(*, accept: bool) -> bytes:
    """The frame for green and one beep, or red and two."""
    return wire.encode_frame(wire.pack_command(wire.SIGNAL, wire.ACCEPT if accept else wire.REJECT))


def request_hello() -> bytes:
    """The frame that asks a board to introduce itself."""
    return wire.encode_frame(wire.pack_command(wire.REQUEST, wire.REQUEST_HELLO))


def request_tare() -> bytes:
    """The frame that makes a scale take what lies on it for nothing."""
    return wire.encode_frame(wire.pack_command(wire.REQUEST, wire.REQUEST_TARE))


_Values = tuple[int, ...]


def _hello(source: Source, values: _Values, _card: bytes) -> Hello:
    kind, major, minor, patch, uptime_s = values
    return Hello(source, wire.KINDS[kind], (major, minor, patch), uptime_s)


def _check(source: Source, values: _Values, card: bytes) -> Check:
    sequence, age_ms, site, object_c100, ambient_c100 = values
    ambient_c = None if ambient_c100 == wire.NO_AMBIENT else ambient_c100 / 100
    return Check(source, sequence, age_ms, wire.SITES[site], object_c100 / 100, ambient_c, card)


def _tap(source: Source, values: _Values, card: bytes) -> Tap:
    sequence, age_ms, form, parity, bits = values
    verdict = {wire.PARITY_BAD: False, wire.PARITY_GOOD: True, wire.PARITY_NONE: None}[parity]
    if verdict is False and card:  # a number that is known to be wrong is nobody's
        raise WireError("bad_value")
    return Tap(source, sequence, age_ms, wire.FORMS[form], verdict, bits, card)


def _weight(source: Source, values: _Values, _card: bytes) -> Weight:
    sequence, age_ms, net_g, tare_g, stable = values
    return Weight(source, sequence, age_ms, net_g, tare_g, bool(stable))


def _heartbeat(source: Source, values: _Values, _card: bytes) -> Heartbeat:
    uptime_s, waiting, lost, refused, damaged, health = values
    reader_seen, sensor_seen = bool(health & wire.HEALTH_READER), bool(health & wire.HEALTH_SENSOR)
    return Heartbeat(source, uptime_s, waiting, lost, refused, damaged, reader_seen, sensor_seen)


def _fault(source: Source, values: _Values, _card: bytes) -> Fault:
    return Fault(source, wire.FAULTS[values[0]], values[1])


_READERS: Final[dict[int, Callable[[Source, _Values, bytes], Message]]] = {
    wire.HELLO: _hello,
    wire.CHECK: _check,
    wire.TAP: _tap,
    wire.WEIGHT: _weight,
    wire.HEARTBEAT: _heartbeat,
    wire.FAULT: _fault,
}
