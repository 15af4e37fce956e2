"""`campus simulate …`: a simulated school for testers without hardware."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections import Counter
from collections.abc import Coroutine
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.live import Live
from rich.table import Table

from foundation import logs
from foundation.broker import BrokerSettings, BrokerUnavailableError, connect
from foundation.commands import UsageError, errors_in_words
from simulators.devices import Simulation
from simulators.modbus.cli import modbus
from simulators.publisher import Publisher, Totals
from simulators.pupils import STATION_SITE, class_label
from simulators.rubbish import flood, rubbish, unknown_card
from simulators.school import DEFAULT_SEED, School
from simulators.station import check_payload
from simulators.timetable import FIRST_MORNING_MS, ZONE, Timeline
from telemetry.credential_map import normalise_credential
from telemetry.records import SITES, SYMPTOMS

app = typer.Typer(no_args_is_help=True, help="Simulated devices for testers without hardware.")
app.command()(modbus)
console = Console()

NO_BROKER: Final = 1
_REFRESH_S: Final = 0.5

BrokerOption = Annotated[str, typer.Option("--broker", help="Address of the MQTT broker, host:port.")]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed gives the same school.")]
LOCAL: Final = "127.0.0.1:1883"


@app.command()
def school(
    broker: BrokerOption = LOCAL,
    speed: Annotated[
        float, typer.Option("--speed", min=0.01, max=3_600, help="Seconds of school a second.")
    ] = 60.0,
    duration_s: Annotated[
        float | None, typer.Option("--duration", min=0.1, help="Seconds to run; for ever when left out.")
    ] = None,
    seed: SeedOption = DEFAULT_SEED,
    start: Annotated[
        str | None,
        typer.Option("--start", help='When the school\'s clock starts: "2026-09-07T07:45", or "now".'),
    ] = None,
    check_every_s: Annotated[
        float, typer.Option("--check-every", min=0.05, help="Seconds between two pupils at the station.")
    ] = 4.0,
    checks: Annotated[
        Literal["all-day", "window"],
        typer.Option("--checks", help="When pupils come: at any hour, or in the morning window only."),
    ] = "all-day",
) -> None:
    """Run a whole simulated school: every device publishes its vendor's payloads until Ctrl-C."""
    with errors_in_words():
        settings = _broker(broker)
        simulation = Simulation(
            School(seed),
            _timeline(start, speed),
            check_every_s=check_every_s,
            checks_all_day=checks == "all-day",
        )
        logs.configure("warning")
    publisher = Publisher(simulation, settings)
    asyncio.run(_run_school(publisher, duration_s))
    totals = publisher.totals
    console.print(_totals_line(totals), soft_wrap=True, highlight=False)
    if not totals.connections:
        _stop_without_broker(settings, "nobody answered in all that time")


@app.command()
def check(
    temperature_c: Annotated[float, typer.Option("--temperature", help="Body temperature in °C.")],
    broker: BrokerOption = LOCAL,
    card: Annotated[str | None, typer.Option("--card", help="The card's UID, hexadecimal.")] = None,
    pupil: Annotated[
        int | None, typer.Option("--pupil", min=0, help="Use the card of this pupil of the school.")
    ] = None,
    site: Annotated[str, typer.Option("--site", help=f"One of {', '.join(SITES)}.")] = STATION_SITE,
    symptoms: Annotated[
        list[str] | None, typer.Option("--symptom", help="A symptom that the pupil names; repeatable.")
    ] = None,
    ambient_c: Annotated[float, typer.Option("--ambient", help="Air temperature in °C.")] = 22.0,
    seed: SeedOption = DEFAULT_SEED,
) -> None:
    """Publish one morning check, as the school's station would. Without a card it is anonymous."""
    with errors_in_words():
        settings = _broker(broker)
        simulation = Simulation(School(seed), Timeline())
        uid = _card(simulation.school, card, pupil)
        told = tuple(symptoms or ())
        if site not in SITES:
            raise UsageError(f"--site {site!r} is none of {', '.join(SITES)}")
        if unknown := set(told).difference(SYMPTOMS):
            raise UsageError(f"--symptom {min(unknown)!r} is none of {', '.join(SYMPTOMS)}")
    logs.configure("error")
    station = simulation.school.station
    body = check_payload(
        station.address,
        uid,
        temperature_c=temperature_c,
        ambient_c=ambient_c,
        site=site,
        symptoms=told,
        time_ms=_now_ms(),
    )
    publishing = _publish_one(settings, simulation.topic(station), msgspec.json.encode(body))
    _publish_or_stop(settings, publishing)
    holder = None if pupil is None else simulation.school.pupils[pupil]
    whose = f"{class_label(holder.class_id)}, pseudonym {holder.pseudonym}, " if holder else ""
    console.print(f"Published: {whose}{temperature_c:g} °C ({site})", highlight=False)


@app.command("rubbish")
def send_rubbish(
    broker: BrokerOption = LOCAL,
    count: Annotated[int, typer.Option("--count", min=1, max=1_000_000, help="How many messages.")] = 500,
    seed: SeedOption = DEFAULT_SEED,
) -> None:
    """Flood the devices' topics with payloads that must give nothing, then one unknown card."""
    with errors_in_words():
        settings = _broker(broker)
    logs.configure("error")
    simulation = Simulation(School(seed), Timeline())
    sent: Counter[str] = Counter()

    async def send() -> None:
        await flood(settings, rubbish(simulation, seed, _now_ms()), count, sent)
        stranger = unknown_card(simulation, seed, _now_ms())
        await _publish_one(settings, stranger.topic, stranger.payload)
        sent["unknown_card"] += 1

    _publish_or_stop(settings, send())
    for kind, number in sorted(sent.items()):
        console.print(f"{kind:14} {number:>8,}", highlight=False)


async def _run_school(publisher: Publisher, duration_s: float | None) -> None:
    """Runs the publisher under a display, until its time is over or somebody stops it."""
    work = asyncio.create_task(publisher.run(duration_s), name="simulator")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, work.cancel)
    with Live(_display(publisher), console=console, transient=True, auto_refresh=False) as live:
        while not work.done():
            await asyncio.wait({work}, timeout=_REFRESH_S)
            live.update(_display(publisher), refresh=console.is_terminal)
    with contextlib.suppress(asyncio.CancelledError):
        await work


def _display(publisher: Publisher) -> Table:
    totals = publisher.totals
    school_ms = publisher.simulation.timeline.school_ms(_now_ms())
    clock = datetime.fromtimestamp(school_ms / 1_000, ZONE).strftime("%Y-%m-%d %H:%M")
    table = Table(
        "设备 · device",
        "messages",
        "readings",
        title=f"{' · '.join(publisher.simulation.school.name)} · {clock}",
    )
    for device, messages in totals.messages.most_common(12):
        table.add_row(device, f"{messages:,}", f"{totals.readings[device]:,}")
    table.caption = _totals_line(totals)
    return table


def _totals_line(totals: Totals) -> str:
    parts = (
        f"{totals.messages.total():,} messages",
        f"{totals.readings.total():,} readings",
        f"{totals.checks.total():,} checks ({totals.fevers} fevers, {totals.unknown_cards} unknown cards)",
        f"{totals.missed:,} missed",
    )
    return "Published: " + ", ".join(parts)


def _broker(text: str) -> BrokerSettings:
    host, _, port = text.rpartition(":")
    try:
        return BrokerSettings(host=host.strip("[]"), port=int(port))
    except (ValueError, ValidationError):
        raise UsageError(f"--broker {text!r} is no address; expected host:port such as {LOCAL}") from None


def _timeline(start: str | None, speed: float) -> Timeline:
    now_ms = _now_ms()
    if start == "now" or (start is None and speed == 1):
        return Timeline(now_ms, now_ms, speed)
    if start is None:
        return Timeline(now_ms, FIRST_MORNING_MS, speed)
    try:
        moment = datetime.fromisoformat(start)
    except ValueError:
        raise UsageError(f'--start {start!r} is no time; expected "2026-09-07T07:45" or "now"') from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=ZONE)
    return Timeline(now_ms, int(moment.timestamp() * 1_000), speed)


def _card(simulated: School, card: str | None, pupil: int | None) -> str | None:
    if card is not None and pupil is not None:
        raise UsageError("give either --card or --pupil")
    if pupil is not None:
        if pupil >= len(simulated.pupils):
            raise UsageError(f"--pupil {pupil} does not exist; the last one is {len(simulated.pupils) - 1}")
        return simulated.pupils[pupil].card
    try:
        return None if card is None else normalise_credential(card)
    except ValueError as error:
        raise UsageError(f"--card: {error}") from None


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _publish_one(settings: BrokerSettings, topic: str, payload: bytes) -> None:
    async with connect(settings, "campus-simulate") as link:
        await link.publish(topic, payload)


def _publish_or_stop(settings: BrokerSettings, work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except BrokerUnavailableError as error:
        _stop_without_broker(settings, str(error))


def _stop_without_broker(settings: BrokerSettings, why: str) -> None:
    Console(stderr=True).print(
        f"[red]error:[/] no broker at {settings.address} ({why}); is it running?", soft_wrap=True
    )
    raise typer.Exit(NO_BROKER)
