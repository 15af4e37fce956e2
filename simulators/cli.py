"""`campus simulate …`: a simulated school for testers without hardware."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine
from typing import Annotated, Any

import msgspec
import typer

from foundation import logs
from foundation.broker import BrokerSettings, BrokerUnavailableError, connect
from foundation.commands import UsageError, errors_in_words
from simulators.ble.cli import ble
from simulators.cli_common import (
    LOCAL,
    BrokerOption,
    SchoolOption,
    SeedOption,
    console,
    now_ms,
    parse_broker,
    read_school,
    stop_without_broker,
)
from simulators.cli_roster import roster
from simulators.cli_school import list_devices, school
from simulators.devices import Simulation
from simulators.http_push.cli import http
from simulators.modbus.cli import modbus
from simulators.osdp.cli import osdp
from simulators.pupils import STATION_SITE, class_label
from simulators.rubbish import flood, rubbish, unknown_card
from simulators.school import DEFAULT_SEED, School
from simulators.serial.cli import serial
from simulators.station import STATION, check_payload
from simulators.timetable import Timeline
from telemetry.credential_map import normalise_credential
from telemetry.records import SITES, SYMPTOMS

app = typer.Typer(no_args_is_help=True, help="Simulated devices for testers without hardware.")
app.command()(school)
app.command("list")(list_devices)
app.command()(roster)
app.command()(ble)
app.command()(modbus)
app.command()(serial)
app.command()(osdp)
app.command()(http)


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
    school_file: SchoolOption = None,
) -> None:
    """Publish one morning check, as the school's station would. Without a card it is anonymous."""
    with errors_in_words():
        settings = parse_broker(broker)
        simulation = Simulation(read_school(school_file, seed), Timeline())
        if not simulation.school.stations:
            raise UsageError(f"{school_file} has no morning-check station; add one with profile {STATION}")
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
        time_ms=now_ms(),
    )
    publishing = _publish_one(settings, simulation.topic(station), msgspec.json.encode(body))
    _publish_or_stop(settings, publishing)
    holder = None if pupil is None else simulation.school.pupils[pupil]
    whose = f"{class_label(holder.class_id)}, pupil {holder.number}, " if holder else ""
    console.print(f"Published: {whose}{temperature_c:g} °C ({site})", highlight=False)


@app.command("rubbish")
def send_rubbish(
    broker: BrokerOption = LOCAL,
    count: Annotated[int, typer.Option("--count", min=1, max=1_000_000, help="How many messages.")] = 500,
    seed: SeedOption = DEFAULT_SEED,
) -> None:
    """Flood the devices' topics with payloads that must give nothing, then one unknown card."""
    with errors_in_words():
        settings = parse_broker(broker)
    logs.configure("error")
    simulation = Simulation(School(seed), Timeline())
    sent: Counter[str] = Counter()

    async def send() -> None:
        await flood(settings, rubbish(simulation, seed, now_ms()), count, sent)
        stranger = unknown_card(simulation, seed, now_ms())
        await _publish_one(settings, stranger.topic, stranger.payload)
        sent["unknown_card"] += 1

    _publish_or_stop(settings, send())
    for kind, number in sorted(sent.items()):
        console.print(f"{kind:14} {number:>8,}", highlight=False)


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


async def _publish_one(settings: BrokerSettings, topic: str, payload: bytes) -> None:
    async with connect(settings, "campus-simulate") as link:
        await link.publish(topic, payload)


def _publish_or_stop(settings: BrokerSettings, work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except BrokerUnavailableError as error:
        stop_without_broker(settings, str(error))
