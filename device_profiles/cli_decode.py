"""`campus profile decode`: what a device meant, one JSON line a reading."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
import typer

from device_profiles.decoding import ANY_AGE, Decoded, decode_input
from device_profiles.observations import CheckObservation
from device_profiles.registry import Catalogue, Profile, ProfileNotFoundError, load_profile
from device_profiles.times import TimeLimits
from foundation.tomlfile import FileProblems
from telemetry.named import Named
from telemetry.quantities import QUANTITIES
from telemetry.readings import Reading

CANNOT_BE_USED = 2
GIVES_NOTHING = 3
INPUT_BYTES_MAX = 16 * 1024 * 1024

Directories = Annotated[
    list[Path] | None,
    typer.Option(
        "--dir", "-d", help="A directory with profiles of your own, <family>/<model>.toml; repeatable."
    ),
]


class _Usage(Exception):  # noqa: N818  # read as "the usage was wrong"
    """The command cannot be carried out; the message says why."""


class _Item(NamedTuple):
    """One input, and what its lines carry besides."""

    text: str
    tags: dict[str, Any]


def find_profile(catalogue: Catalogue, name: str) -> Profile:
    """A profile by id, or by the name of its file. Raises FileProblems, ProfileNotFoundError."""
    return load_profile(Path(name)) if name.endswith(".toml") else catalogue.get(name)


def decode(
    profile_id: Annotated[
        str, typer.Argument(metavar="PROFILE", help="An id as `list` shows it, or a .toml file.")
    ],
    text: Annotated[
        str | None,
        typer.Argument(
            metavar="[INPUT]",
            help="A JSON payload (MQTT, HTTP); a frame in hexadecimal, alone or after its request, a register "
            'dump such as "4@12: 50108 52674", or JSON (Modbus); the bytes of a frame, an advertisement, '
            "a characteristic or an uplink in hexadecimal (serial, Bluetooth, LoRaWAN). - reads standard input.",
        ),
    ] = None,
    batch: Annotated[
        Path | None,
        typer.Option(
            help='Many inputs, one JSON line each: the input itself, or {"input": …, "id": …}. '
            "Readings then carry line and id. - reads standard input."
        ),
    ] = None,
    directories: Directories = None,
    received: Annotated[
        str | None,
        typer.Option(
            help="When it came, ISO 8601 with a zone: the payload's own time is then held against it."
        ),
    ] = None,
    zone: Annotated[str, typer.Option(help="The zone of device times that name none.")] = "Asia/Shanghai",
    warming_up: Annotated[  # noqa: FBT002  # an option of the command line
        bool, typer.Option("--warming-up", help="The device was just switched on.")
    ] = False,
    key: Annotated[
        str | None, typer.Option("--key", help="The bind key of an encrypted Bluetooth device, hexadecimal.")
    ] = None,
) -> None:
    """Decode what a device sent: one JSON line a reading on standard output.

    Why something gave no reading is told on standard error. Exits with 3 when an input (of a batch:
    every input) gives none, and with 2 when profile, file or options cannot be used.
    """
    try:
        profile = find_profile(Catalogue(directories or ()), profile_id)
        received_ms, limits = _received(received)
        zone_info = _zone(zone)
        given = False
        for item in _items(text, batch):
            found = decode_input(
                profile,
                item.text,
                received_ms=received_ms,
                zone=zone_info,
                time_limits=limits,
                warming_up=warming_up,
                key=_key(key),
            )
            _tell(item, found, received_ms)
            given = given or found.gives_something
    except (FileProblems, ProfileNotFoundError, _Usage) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(CANNOT_BE_USED) from None
    if not given:
        raise typer.Exit(GIVES_NOTHING)


def _received(text: str | None) -> tuple[int, TimeLimits]:
    if text is None:
        return time.time_ns() // 1_000_000, ANY_AGE
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _Usage(f"--received {text}: expected ISO 8601 with a zone, such as 2026-09-01T08:00:00+08:00")
    return round(moment.timestamp() * 1000), TimeLimits()


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise _Usage(f"--zone {name}: no such zone; expected one such as Asia/Shanghai") from None


def _key(text: str | None) -> bytes | None:
    try:
        return None if text is None else bytes.fromhex(text)
    except ValueError:
        raise _Usage("--key: expected 24 or 32 hexadecimal digits") from None


def _items(text: str | None, batch: Path | None) -> Iterator[_Item]:
    if (text is None) == (batch is None):
        raise _Usage("expected either an INPUT or --batch FILE")
    if text is not None:
        yield _Item(_read_stdin() if text == "-" else text, {})
        return
    assert batch is not None
    if str(batch) == "-":
        content = _read_stdin()
    else:
        try:
            content = batch.read_text("utf-8-sig", errors="replace")
        except OSError as error:
            raise _Usage(f"{batch} cannot be read: {error.strerror}") from None
    for number, line in enumerate(content.splitlines(), 1):
        if line.strip():
            yield _of_line(line, number)


def _read_stdin() -> str:
    data = sys.stdin.buffer.read(INPUT_BYTES_MAX + 1)
    if len(data) > INPUT_BYTES_MAX:
        raise _Usage(f"standard input holds more than {INPUT_BYTES_MAX} bytes")
    return data.decode("utf-8-sig", errors="replace")


def _of_line(line: str, number: int) -> _Item:
    """A line's input. A line that is no JSON is taken as it stands: a decoder says what is wrong."""
    tags: dict[str, Any] = {"line": number}
    try:
        value = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _Item(line, tags)
    if isinstance(value, dict) and "input" in value:
        if isinstance(value.get("id"), str | int):
            tags["id"] = value["id"]
        value = value["input"]
    if isinstance(value, str):
        return _Item(value, tags)
    return _Item(msgspec.json.encode(value).decode(), tags)


def _tell(item: _Item, found: Decoded, received_ms: int) -> None:
    for reading in found.readings:
        _print(item.tags | _reading(reading, received_ms))
    for check in found.checks:
        _print(item.tags | _check(check, received_ms))
    for tap in found.taps:
        _print(item.tags | {"record": "card", "door": tap.door})
    for name, named in found.named.items():
        _print(item.tags | _named(name, named))
    for number, event in enumerate(found.events, 1):
        which = {"event": number} if len(found.events) > 1 else {}
        for name, named in event.items():
            _print(item.tags | which | _named(name, named))
    where = "".join(f"{name} {value}: " for name, value in item.tags.items())
    for note in found.notes:
        typer.echo(f"{where}note: {note}", err=True)
    for refusal in found.refused:
        typer.echo(f"{where}{refusal}", err=True)
    if not (found.gives_something or found.refused):
        typer.echo(f"{where}no_reading: nothing in it is a value now", err=True)


def _print(line: dict[str, Any]) -> None:
    typer.echo(msgspec.json.encode(line).decode())


def _reading(reading: Reading, received_ms: int) -> dict[str, Any]:
    quantity = QUANTITIES[reading.series.quantity]
    return {
        "quantity": quantity.name,
        "value": bool(reading.value) if quantity.is_bool else reading.value,
        "unit": quantity.unit,
        "quality": reading.quality.name.lower(),
    } | _time(reading.time_ms, received_ms)


def _named(name: str, named: Named) -> dict[str, Any]:
    """What else a payload holds; no gateway forwards it."""
    return {
        "quantity": name,
        "value": named.value,
        "unit": named.unit,
        "quality": "good",
        "forwarded": False,
    }


def _check(check: CheckObservation, received_ms: int) -> dict[str, Any]:
    """A morning check; whose card it was is not repeated."""
    return {
        "record": "morning-check",
        "site": check.site,
        "temperature_c": check.temperature_c,
        "ambient_c": check.ambient_c,
        "symptoms": check.symptoms,
        "has_card": check.credential is not None,
    } | _time(check.time_ms, received_ms)


def _time(time_ms: int, received_ms: int) -> dict[str, str]:
    """Only where the payload carried one."""
    if time_ms == received_ms:
        return {}
    return {"time": datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")}
