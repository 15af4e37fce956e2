"""One input and what comes of it, for `campus profile decode` and for examples: any transport."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Any, Final, NamedTuple

from device_profiles.binding import bind
from device_profiles.ble import Advertisement, BleDecoder, bind_ble
from device_profiles.ble_input import BleInput, parse_ble
from device_profiles.ble_schema import BleProfile
from device_profiles.encodings import messages_of, parse_payload
from device_profiles.http_push import bind_http, parse_body
from device_profiles.http_schema import HttpProfile
from device_profiles.input_text import InputError, hex_bytes, hex_field, hex_or_base64_field, json_object
from device_profiles.lorawan import Uplink, bind_lorawan, find_uplink
from device_profiles.lorawan_schema import LorawanProfile
from device_profiles.modbus import bind_modbus
from device_profiles.modbus_input import parse_answers
from device_profiles.observations import CheckObservation, Outcome, TapObservation
from device_profiles.parsing import DecodeError, parse_json
from device_profiles.payloads import Context
from device_profiles.registry import Profile
from device_profiles.rtu import FrameError
from device_profiles.schema import MqttJsonProfile
from device_profiles.serial import REQUEST, bind_serial
from device_profiles.serial_schema import SerialProfile
from device_profiles.sparkplug import SparkplugPayload, message_values
from device_profiles.sparkplug_decoder import SparkplugDecoder
from device_profiles.times import TimeLimits
from firmware_bridges.frames import CODECS, FrameReader
from telemetry.named import Named
from telemetry.readings import Chunk, Reading, SeriesTable

DEVICE: Final = "example"
PLACE: Final = "example/room"
EUI: Final = "0102030405060708"
CENTURY_MS: Final = 3_155_760_000_000
"""A hundred years: more, and a time is no date."""
ANY_AGE: Final = TimeLimits(future_ms_max=CENTURY_MS, stale_after_ms=2**53)
"""For a payload of which nobody says when it came: its own time is believed."""


class Refusal(NamedTuple):
    """Why something gave no reading: a fixed word, and a sentence where there is one."""

    reason: str
    text: str = ""

    def __str__(self) -> str:
        return f"{self.reason}: {self.text}" if self.text else self.reason


class Decoded(NamedTuple):
    """All that came of an input. `named`: what else it holds, that no gateway forwards. `events`: all
    that a post tells, event by event, or what a question or packet on a line says. `notes`: what had to be supposed, in words.
    """

    readings: Sequence[Reading] = ()
    refused: Sequence[Refusal] = ()
    checks: Sequence[CheckObservation] = ()
    taps: Sequence[TapObservation] = ()
    named: Mapping[str, Named] = {}
    notes: Sequence[str] = ()
    events: Sequence[Mapping[str, Named]] = ()

    @property
    def gives_something(self) -> bool:
        """A reading, something about a person, or an event."""
        return bool(self.readings or self.checks or self.taps or self.events)


def decode_input(
    profile: Profile,
    text: str,
    *,
    received_ms: int,
    zone: tzinfo,
    time_limits: TimeLimits = ANY_AGE,
    warming_up: bool = False,
    key: bytes | None = None,
) -> Decoded:
    """What a device of this model has said with `text`. Never raises for anything in `text`.

    text: a JSON payload for MQTT (whichever device it is from; of Sparkplug B the bytes, hexadecimal);
    for Modbus see `device_profiles.modbus_input`, for HTTP the JSON or XML of a post, for Bluetooth
    `device_profiles.ble_input`; for a serial board its bytes, hexadecimal; for LoRaWAN the payload,
    hexadecimal or base64, or a network server's event. key: the bind key of an encrypted device, where
    the input itself names none.
    """
    spec = profile.spec
    try:
        if isinstance(spec, MqttJsonProfile | HttpProfile):
            return _from_message(profile, spec, text, received_ms, zone, time_limits)
        if isinstance(spec, BleProfile):
            return _from_air(profile, parse_ble(text, spec), received_ms, key, warming_up=warming_up)
        if isinstance(spec, SerialProfile):
            return _from_line(profile, spec, text, received_ms, warming_up=warming_up)
        if isinstance(spec, LorawanProfile):
            return _from_uplink(profile, text, received_ms, warming_up=warming_up)
    except InputError as error:
        return Decoded(refused=(Refusal(error.reason, str(error)),))
    return _from_registers(profile, text, received_ms, warming_up=warming_up)


def _outcome(
    outcome: Outcome, chunk: Chunk, table: SeriesTable, named: Mapping[str, Named] | None = None
) -> Decoded:
    return Decoded(
        chunk.readings(table),
        tuple(map(Refusal, outcome.refused)),
        outcome.checks,
        outcome.taps,
        named or {},
    )


def _from_message(
    profile: Profile,
    spec: MqttJsonProfile | HttpProfile,
    text: str,
    received_ms: int,
    zone: tzinfo,
    time_limits: TimeLimits,
) -> Decoded:
    if isinstance(spec, HttpProfile):
        return _from_post(profile, text, received_ms, zone, time_limits)
    table, chunk = SeriesTable(), Chunk()
    decoder = bind(
        profile,
        device=DEVICE,
        place=PLACE,
        address=DEVICE,
        table=table,
        zone=zone,
        time_limits=time_limits,
    )
    *earlier, last = messages_of(spec.encoding, text)
    try:
        for message in earlier:
            decoder.decode(parse_payload(spec.encoding, message), received_ms, False, Chunk())
        payload = parse_payload(spec.encoding, last)
    except DecodeError as error:
        return Decoded(refused=(Refusal(error.reason),))
    try:
        payload = _unwrapped(payload)
    except DecodeError as error:
        return Decoded(refused=(Refusal(error.reason),))
    outcome = decoder.decode(payload, received_ms, False, chunk)
    found = _outcome(outcome, chunk, table, _card_values(outcome))
    if isinstance(payload, SparkplugPayload) and isinstance(decoder, SparkplugDecoder):
        return found._replace(events=(message_values(payload) | decoder.shown,))
    return found


def _unwrapped(payload: Any) -> Any:
    """A message out of a log's line, with its topic or kind beside it. Raises DecodeError."""
    if not isinstance(payload, dict) or payload.get("format") not in {"mqtt", "json"}:
        return payload
    inner = payload.get("payload", payload)
    return parse_json(inner.encode()) if isinstance(inner, str) and inner.startswith("{") else inner


def _card_values(outcome: Outcome) -> dict[str, Named]:
    """A card's number in both notations: whoever typed the input knows the card."""
    for tap in outcome.taps:
        if tap.credential is not None:
            return {
                "card_uid": Named(tap.credential, "hex"),
                "card_number": Named(int(tap.credential, 16)),
            }
    return {}


def _from_post(
    profile: Profile, text: str, received_ms: int, zone: tzinfo, time_limits: TimeLimits
) -> Decoded:
    table, chunk = SeriesTable(), Chunk()
    decoder = bind_http(profile, device=DEVICE, place=PLACE, table=table, zone=zone, time_limits=time_limits)
    try:
        payload = _unwrapped(parse_body(text.encode("utf-8", "surrogatepass")))
    except DecodeError as error:
        return Decoded(refused=(Refusal(error.reason),))
    outcome = decoder.decode(payload, received_ms, chunk)
    told, _ = decoder.events(payload)
    found = _outcome(outcome, chunk, table)
    return found._replace(events=tuple(event.values for event in told))


def _from_air(
    profile: Profile, given: BleInput, received_ms: int, key: bytes | None, *, warming_up: bool
) -> Decoded:
    table, chunk = SeriesTable(), Chunk()
    heard = given.advertisement or Advertisement("")
    key = given.key or key
    decoder: BleDecoder = bind_ble(
        profile, device=DEVICE, place=PLACE, address=heard.address, table=table, key=key
    )
    context = Context(heard.address, key)
    if given.characteristic is not None:
        refused = decoder.decode_value(
            given.characteristic, given.value, received_ms, chunk, warming_up=warming_up
        )
        parts = [(one, given.value) for one in decoder.decoders_for(given.value)[:1]]
    else:
        refused = decoder.decode(heard, received_ms, chunk, warming_up=warming_up)
        parts = decoder.named_decoders(heard)
    named: dict[str, Named] = {}
    for one, data in parts:
        named |= one.name_values(data, context)
    if heard.rssi is not None:
        named["rssi"] = Named(heard.rssi, "dB[mW]")
    return _outcome(Outcome(refused), chunk, table, named)


def _from_line(
    profile: Profile, spec: SerialProfile, text: str, received_ms: int, *, warming_up: bool
) -> Decoded:
    table, chunk = SeriesTable(), Chunk()
    decoder = bind_serial(profile, device=DEVICE, place=PLACE, table=table)
    reader = FrameReader(CODECS[spec.frame]())
    frames = reader.feed(_line_bytes(text)) + reader.finish()
    refused = [reason for reason, count in reader.faults.items() for _ in range(count)]
    if not frames and not refused:
        refused.append("truncated")
    checks: list[CheckObservation] = []
    taps: list[TapObservation] = []
    named: dict[str, Named] = {}
    events: list[Mapping[str, Named]] = []
    notes: list[str] = []
    for frame in frames:
        if REQUEST in frame.values:
            events.append(frame.values)
            notes.append("a question, heard on the line or given back by an adapter: no reading")
            continue
        outcome = decoder.decode(frame, received_ms, chunk, warming_up=warming_up)
        refused += outcome.refused
        checks += outcome.checks
        taps += outcome.taps
        known = decoder.decoder_for(frame)
        if known is not None and not known.rows.fields:
            events.append(known.name_values(frame.payload, values=frame.values))
        else:
            named |= frame.values if known is None else known.name_values(frame.payload, values=frame.values)
    found = _outcome(Outcome(tuple(refused), tuple(checks), tuple(taps)), chunk, table, named)
    return found._replace(events=tuple(events), notes=tuple(notes))


_is_weight = re.compile(r"[ -~]*(?:kg|lb|[0-9] *[gt])").fullmatch


def _line_bytes(text: str) -> bytes:
    """Hexadecimal, {"data": hexadecimal}, {"bits": "0110…"} of a Wiegand reader, or a scale's line."""
    text = text.strip()
    if _is_weight(text):
        return text.encode()
    bits = "".join(str(json_object(text).get("bits", "")).split()) if text.startswith("{") else text
    if len(bits) >= 24 and not set(bits) - {"0", "1"}:
        return bits.encode() + b"\n"
    return hex_field(json_object(text), "data") if text.startswith("{") else hex_bytes(text)


def _from_uplink(profile: Profile, text: str, received_ms: int, *, warming_up: bool) -> Decoded:
    table, chunk = SeriesTable(), Chunk()
    decoder = bind_lorawan(profile, device=DEVICE, place=PLACE, address=EUI, table=table)
    if text.strip().startswith("{"):
        given = json_object(text)
        port = next((given[name] for name in ("port", "fPort", "f_port") if name in given), None)
        uplink = find_uplink(given) if "format" not in given else None
        if uplink is None:
            payload = hex_or_base64_field(given, "data", "base64", "frm_payload", "payload")
            uplink = Uplink(payload, port if type(port) is int else 0)
    else:
        uplink = Uplink(hex_or_base64_field({"data": text}, "data"), 0)
    refused = decoder.decode_uplink(uplink, received_ms, chunk, warming_up=warming_up)
    known = decoder.decoder_for(uplink)
    named = {} if known is None else known.name_values(uplink.data, Context(port=uplink.port))
    return _outcome(Outcome(refused), chunk, table, named)


def _from_registers(profile: Profile, text: str, received_ms: int, *, warming_up: bool) -> Decoded:
    table, chunk = SeriesTable(), Chunk()
    decoder = bind_modbus(profile, device=DEVICE, place=PLACE, table=table)
    try:
        answers = parse_answers(text, decoder)
    except FrameError as error:
        return Decoded(refused=(Refusal(error.reason, str(error)),))
    refused = [
        Refusal(reason)
        for answer in answers
        for reason in decoder.decode(answer.read, answer.registers, received_ms, chunk, warming_up=warming_up)
    ]
    notes = [
        f"a response without its request: taken for the answer to {answer.read}"
        for answer in answers
        if answer.guessed
    ]
    return Decoded(chunk.readings(table), refused, notes=notes)
