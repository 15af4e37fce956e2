"""Runs the examples a profile carries: the same check for a bundled profile and for a site's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from device_profiles.binding import bind
from device_profiles.bytes_schema import BytesExample
from device_profiles.decoding import DEVICE, PLACE, decode_input
from device_profiles.encodings import messages_of, parse_payload
from device_profiles.http_schema import HttpExample
from device_profiles.input_text import InputError
from device_profiles.modbus_schema import ModbusExample
from device_profiles.observations import CheckObservation, Outcome, TapObservation
from device_profiles.parsing import DecodeError
from device_profiles.registry import Profile
from device_profiles.routing import Router
from device_profiles.schema import Example, ExpectedCheck, ExpectedReading
from device_profiles.times import TimeLimits
from telemetry.credential_map import normalise_credential
from telemetry.quality import Quality
from telemetry.quantities import QUANTITIES
from telemetry.readings import Chunk, Reading, SeriesTable

ZONE: Final = ZoneInfo("Asia/Shanghai")
RECEIVED: Final = "2026-09-01T08:00:00+08:00"
"""When an example is received, where it does not say."""


def run_examples(profile: Profile) -> list[str]:
    """Everything in which a profile differs from what its examples expect; empty when nothing."""
    found = [(example.about, _run(profile, example)) for example in profile.spec.examples]
    return [f"{about}: {problem}" for about, problems in found for problem in problems] + untested(profile)


def _run(profile: Profile, example: Example | ModbusExample | BytesExample | HttpExample) -> list[str]:
    if isinstance(example, Example):
        return run_example(profile, example)
    if isinstance(example, HttpExample):
        return run_http_example(profile, example)
    return run_input_example(profile, example)


def run_http_example(profile: Profile, example: HttpExample) -> list[str]:
    """As `run_example`, for a device that posts."""
    try:
        received_ms = _time_ms(example.received)
    except ValueError as error:
        return [str(error)]
    decoded = decode_input(
        profile, example.payload, received_ms=received_ms, zone=ZONE, time_limits=TimeLimits()
    )
    problems = _compare_readings(example.expected, decoded.readings)
    reasons = sorted(refusal.reason for refusal in decoded.refused)
    if reasons != sorted(example.refused):
        problems.append(f"refused {reasons}, expected {list(example.refused)}")
    if len(decoded.checks) != len(example.checks):
        problems.append(f"{len(decoded.checks)} checks were read, expected {len(example.checks)}")
    for want, got in zip(example.checks, decoded.checks, strict=False):
        given = (got.credential, got.site, got.temperature_c, got.ambient_c, got.symptoms)
        if given != (want.credential, want.site, want.temperature_c, want.ambient_c, want.symptoms):
            problems.append("a check differs from what was expected")
        problems += _compare_time("check", got.time_ms, want.time)
    if [(tap.credential, tap.door) for tap in decoded.taps] != [
        (want.credential, want.door) for want in example.taps
    ]:
        problems.append("cards differ from what was expected")
    for tap, passing in zip(decoded.taps, example.taps, strict=False):
        problems += _compare_time("card", tap.time_ms, passing.time)
    told = [{name: named.value for name, named in event.items()} for event in decoded.events]
    if len(example.told) > len(told) or not all(
        want.items() <= got.items() for want, got in zip(example.told, told, strict=False)
    ):
        problems.append("what the events tell differs from what was expected")
    return problems


def run_input_example(profile: Profile, example: ModbusExample | BytesExample) -> list[str]:
    """As `run_example`, for an input without a topic."""
    key = getattr(example, "key", None)
    decoded = decode_input(
        profile,
        example.input,
        received_ms=_time_ms(RECEIVED),
        zone=ZONE,
        warming_up=example.warming_up,
        key=None if key is None else bytes.fromhex(key),
    )
    problems = _compare_readings(example.expected, decoded.readings)
    reasons = sorted(refusal.reason for refusal in decoded.refused)
    if reasons != sorted(example.refused):
        told = [str(refusal) for refusal in decoded.refused]
        problems.append(f"refused {told}, expected {list(example.refused)}")
    if isinstance(example, BytesExample):
        problems += _compare_people(example, decoded.checks, decoded.taps)
    return problems


def run_example(profile: Profile, example: Example) -> list[str]:
    """Everything in which the outcome differs from what the example expects; empty when nothing."""
    table, chunk = SeriesTable(), Chunk()
    try:
        decoder = bind(profile, device=DEVICE, place=PLACE, address=example.address, table=table, zone=ZONE)
        received_ms = _time_ms(example.received)
    except ValueError as error:
        return [str(error)]
    if not Router([decoder]).match(example.topic):
        return [f"topic {example.topic!r} is matched by none of {', '.join(decoder.topics)}"]
    try:
        *earlier, last = messages_of(decoder.encoding, example.payload)
        for message in earlier:
            decoder.decode(parse_payload(decoder.encoding, message), received_ms, example.retained, Chunk())
        payload = parse_payload(decoder.encoding, last)
        if decoder.accepts(payload):
            outcome = decoder.decode(payload, received_ms, example.retained, chunk)
        else:
            outcome = Outcome(("other_device",))
    except (DecodeError, InputError) as error:
        outcome = Outcome((error.reason,))
    problems = _compare_readings(example.expected, chunk.readings(table))
    if sorted(outcome.refused) != sorted(example.refused):
        problems.append(f"refused {list(outcome.refused)}, expected {list(example.refused)}")
    return problems + _compare_people(example, outcome.checks, outcome.taps)


def untested(profile: Profile) -> list[str]:
    """Quantities of the profile that no example expects, and what else its examples leave out."""
    spec = profile.spec
    examples: Sequence[Example | ModbusExample | BytesExample | HttpExample] = spec.examples
    problems: list[str] = []
    given = [name for row in spec.fields for name in (row.quantity, *(getattr(row, "phases", None) or ()))]
    quiet = any(not (one.expected or _people(one)) for one in examples)
    for about, kind in (("check", "check"), ("card", "cards")):
        wanted = getattr(spec, about, None) or (about == "check" and getattr(spec, "record", None))
        if wanted and not any(getattr(one, kind, None) or getattr(one, f"{kind}s", None) for one in examples):
            problems.append(f"no example expects a {about}")
    expected = [one.expected for one in examples]
    seen = {reading.quantity for readings in expected for reading in readings}
    problems += [f"no example expects {name}" for name in given if name not in seen]
    if not quiet:
        problems.append("no example shows a message that gives nothing")
    return problems


def _people(example: Example | ModbusExample | BytesExample | HttpExample) -> bool:
    """Whether something about a person is expected."""
    return any(getattr(example, kind, None) for kind in ("check", "checks", "cards", "taps"))


def _compare_people(
    example: Example | BytesExample, checks: Sequence[CheckObservation], taps: Sequence[TapObservation]
) -> list[str]:
    problems = _compare_check(example.check, checks[0] if checks else None)
    if len(checks) > 1:
        problems.append("more than one check was read")
    found = [(tap.credential, tap.door) for tap in taps]
    wanted = [(one.card, one.door) for one in example.cards]
    return problems if found == wanted else [*problems, "cards differ from what was expected"]


def _compare_readings(expected: tuple[ExpectedReading, ...], found: Sequence[Reading]) -> list[str]:
    problems: list[str] = []
    left = {reading.series.quantity: reading for reading in found}
    if len(left) != len(found):
        problems.append("a quantity was read twice")
    for want in expected:
        got = left.pop(want.quantity, None)
        if got is None:
            problems.append(f"{want.quantity} was not read")
            continue
        if got.value != want.value:
            problems.append(f"{want.quantity} is {got.value!r}, expected {want.value!r}")
        unit = QUANTITIES[want.quantity].unit
        if unit != want.unit:
            problems.append(f"{want.quantity} is in {unit!r}, expected {want.unit!r}")
        if got.quality != Quality[want.quality.upper()]:
            problems.append(f"{want.quantity} is {got.quality.name.lower()}, expected {want.quality}")
        problems += _compare_time(want.quantity, got.time_ms, want.time)
    return problems + [f"{name} = {got.value!r} was read, but not expected" for name, got in left.items()]


def _compare_check(want: ExpectedCheck | None, got: CheckObservation | None) -> list[str]:
    if want is None or got is None:
        return [] if want is None and got is None else [f"a check was {'not ' if got is None else ''}read"]
    card = None if want.card is None else normalise_credential(want.card)
    pairs = {
        "card": (got.credential, card),
        "site": (got.site, want.site),
        "temperature_c": (got.temperature_c, want.temperature_c),
        "ambient_c": (got.ambient_c, want.ambient_c),
        "symptoms": (got.symptoms, want.symptoms),
    }
    problems = [f"{name} differs from what was expected" for name, (a, b) in pairs.items() if a != b]
    return problems + _compare_time("check", got.time_ms, want.time)


def _compare_time(what: str, time_ms: int, expected: str | None) -> list[str]:
    if expected is None or time_ms == _time_ms(expected):
        return []
    return [
        f"time of {what} is {datetime.fromtimestamp(time_ms / 1000, ZONE).isoformat()}, expected {expected}"
    ]


def _time_ms(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time {text!r} needs a zone, such as +08:00")
    return round(moment.timestamp() * 1000)
