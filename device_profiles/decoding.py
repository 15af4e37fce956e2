"""One input and what comes of it, for `campus profile decode` and for examples: any transport."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from typing import Final, NamedTuple

from device_profiles.decoder import bind
from device_profiles.modbus import bind_modbus
from device_profiles.modbus_input import parse_answers
from device_profiles.observations import CheckObservation
from device_profiles.parsing import DecodeError, parse_json
from device_profiles.registry import Profile
from device_profiles.rtu import FrameError
from device_profiles.schema import MqttJsonProfile
from device_profiles.times import TimeLimits
from telemetry.readings import Chunk, Reading, SeriesTable

DEVICE: Final = "example"
PLACE: Final = "example/room"
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
    """All that came of an input. `notes`: what had to be supposed, in words."""

    readings: Sequence[Reading] = ()
    check: CheckObservation | None = None
    refused: Sequence[Refusal] = ()
    notes: Sequence[str] = ()


def decode_input(
    profile: Profile,
    text: str,
    *,
    received_ms: int,
    zone: tzinfo,
    time_limits: TimeLimits = ANY_AGE,
    warming_up: bool = False,
) -> Decoded:
    """What a device of this model has said with `text`. Never raises for anything in `text`.

    text: a JSON payload for MQTT (whichever device it is from); for Modbus see
    `device_profiles.modbus_input`.
    """
    if isinstance(profile.spec, MqttJsonProfile):
        return _from_json(profile, text, received_ms, zone, time_limits)
    return _from_registers(profile, text, received_ms, warming_up=warming_up)


def _from_json(
    profile: Profile, text: str, received_ms: int, zone: tzinfo, time_limits: TimeLimits
) -> Decoded:
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
    try:
        payload = parse_json(text.encode("utf-8", "surrogatepass"))
    except DecodeError as error:
        return Decoded(refused=(Refusal(error.reason),))
    outcome = decoder.decode(payload, received_ms, False, chunk)
    return Decoded(chunk.readings(table), outcome.check, tuple(map(Refusal, outcome.refused)))


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
    return Decoded(chunk.readings(table), None, tuple(refused), tuple(notes))
