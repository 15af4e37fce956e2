"""The life of a school at its devices: who comes, goes, eats and runs, day after day, in a hurry."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from edge_agent.gate.heart_rate import OUTSIDE
from firmware_bridges.cards import to_wiegand
from foundation.broker import BrokerSettings, Link, connect
from foundation.keyfiles import read_secret
from simulators.ble.adverts import heart_rate_band
from simulators.ble.peripheral import Advert, Peripheral
from simulators.devices import Simulation
from simulators.hosts import Served, row
from simulators.http_push.devices import Record, Terminal, Thermometer
from simulators.http_push.host import USERNAME
from simulators.http_push.poster import Access, Poster
from simulators.osdp.host import OsdpHost
from simulators.pupils import employee_number, wecom_user, wiegand_tag
from simulators.roster import Entry
from simulators.running import Running
from simulators.school import School
from simulators.serial.host import SerialHost
from simulators.serial.own_board import OwnBoard
from simulators.station import check_payload
from simulators.timetable import Period, Timeline, iso_local
from tests.privacy.week_site import WeekSite

SPORT: Final = "gw-sport"
ADVERT_S: Final = 0.12
"""Between two advertisements of a band, of the machine's time."""
PE_SPEED: Final = 125.0
"""An advertisement every fifteen seconds of a lesson: one in each window."""
WINDOWS: Final = 8
"""Of every band in a lesson: then the school goes on. At this speed a lesson has more than enough."""
PE_S_MAX: Final = 17.0
REFUSED_MIN: Final = 1_000
"""Heart rates of a free day."""
ARRIVING_MIN: Final = 7 * 60 + 35
LUNCH_MIN: Final = 12 * 60
LEAVING_MIN: Final = 16 * 60 + 5
BAND: Final = "xiaomi/mi-band"
CONFIGURED: Final = 10
"""So many bands stand in the gateway's file."""
ROUNDS: Final = 4
"""In so many groups pupils come."""
AMBIENT_MS: Final = 40_000
_FIRST_SERIAL: Final = 1_000_000


def bands_of(school: School) -> list[Peripheral]:
    """The bands of the school, each with a heart that beats otherwise every time it is asked."""
    return [_band(device.address, number) for number, device in enumerate(school.on("ble", SPORT))]


def _band(address: str, number: int) -> Peripheral:
    beats = 0

    def says() -> Advert:
        nonlocal beats
        beats += 1
        return heart_rate_band(address, 95 + (beats * 7 + number * 13) % 80)

    return Peripheral(address, says, "Band", interval_s=ADVERT_S, adapters=frozenset({"hci1"}))


def radio_of(school: School) -> Served:
    """What the gateway listens with: some of the bands it is told of, others it only meets in the air."""
    bands = school.on("ble", SPORT)
    rows = [row(one.id, BAND, one.place, address=one.address) for one in bands[:CONFIGURED]]
    table = {
        "name": "radio-sport",
        "adapter": "hci1",
        "bands": [{"profile": BAND, "place": "sport/gym"}],
        "devices": rows,
    }
    return Served(SPORT, "ble", "hci1", tuple(one["id"] for one in rows), table)


class Feed:
    """Feeds the devices of a site; a context, for its connections."""

    def __init__(self, site: WeekSite, running: Running, entries: Sequence[Entry]) -> None:
        self._site = site
        self._entries = entries
        self._stack = AsyncExitStack()
        self._simulation = Simulation(site.school, Timeline())
        self._gate, self._canteen = Terminal(first_serial=_FIRST_SERIAL), Terminal(first_serial=_FIRST_SERIAL)
        self._link: Link
        self._posters: dict[str, Poster] = {}
        self._served = running.served
        osdp, serial = running.hosts["osdp"], running.hosts["serial"]
        assert isinstance(osdp, OsdpHost)
        assert isinstance(serial, SerialHost)
        self._readers, self._boards = osdp.readers, serial.boards

    async def __aenter__(self) -> Self:
        broker = BrokerSettings(host=self._site.devices.host, port=self._site.devices.port)
        self._link = await self._stack.enter_async_context(connect(broker, "week-devices"))
        for served in self._served:
            if served.transport == "http":
                for row in served.table["devices"]:
                    password = read_secret(Path(row["password_file"])).decode().strip()
                    url = f"http://127.0.0.1:{served.table['port']}{row['path']}"
                    poster = Poster(url, Access(USERNAME, password))
                    self._posters[row["id"]] = await self._stack.enter_async_context(poster)
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self._stack.aclose()

    async def school_day(self, number: int) -> None:
        """A day from the first who comes to the last who goes."""
        day = self._site.days[number]
        here = [entry for entry in self._entries if (entry.pupil.number + number) % 31]
        lessons = {
            period.start_min + 4: class_id
            for class_id in self._band_classes()
            for period in self._pe_lessons(class_id, number)
        }
        await self._arrive(day, here)
        for minute in sorted([*lessons, LUNCH_MIN, LEAVING_MIN]):
            await self._site.gateways.set_time(self._site.moment(day, minute))
            if minute == LUNCH_MIN:
                await self._eat(here[::2])
            elif minute == LEAVING_MIN:
                await self._go(here[1::4])
            else:
                await self._run(lessons[minute], self._site.moment(day, minute))
        await self._site.gateways.set_time(self._site.moment(day, LEAVING_MIN + 20))

    async def free_day(self) -> None:
        """Bands are worn on a day without school."""
        now_ms = self._site.moment(self._site.free_day, 10 * 60)
        before = (await self._site.gateways.set_time(now_ms, PE_SPEED))[SPORT]["dropped"]

        def are_refused(told: dict[str, Any]) -> bool:
            dropped = told[SPORT]["dropped"]
            return bool(dropped.get(OUTSIDE, 0) >= before.get(OUTSIDE, 0) + REFUSED_MIN)

        await self._site.gateways.until(are_refused, PE_S_MAX)
        await self._site.gateways.set_time(self._site.moment(self._site.free_day, 11 * 60))

    async def _run(self, class_id: str, now_ms: int) -> None:
        """A part of a PE lesson."""
        bands = sum(
            len(entry.bands)
            for entry in self._entries
            if entry.pupil.class_id == class_id and "sport" in entry.consents
        )
        before = (await self._site.gateways.set_time(now_ms, PE_SPEED))[SPORT]["records_buffered"]
        await self._site.gateways.until(
            lambda told: told[SPORT]["records_buffered"] >= before + WINDOWS * bands, PE_S_MAX
        )

    def _band_classes(self) -> list[str]:
        return sorted({entry.pupil.class_id for entry in self._entries if entry.bands})

    def _pe_lessons(self, class_id: str, weekday: int) -> Iterable[Period]:
        periods = [one for one in self._site.school.plan.timetable.day if one.phase == "lesson"]
        plan = next(one for one in self._site.school.plan.classes if one.id == class_id)
        return [
            periods[away.lesson - 1] for away in plan.away if away.subject == "pe" and away.day == weekday
        ]

    async def _arrive(self, day: int, here: Sequence[Entry]) -> None:
        for at in range(ROUNDS):
            now_ms = self._site.moment(day, ARRIVING_MIN + 9 * at)
            await self._site.gateways.set_time(now_ms)
            group = here[at::ROUNDS]
            await self._ambient(now_ms)
            await self._call_for_help(now_ms)
            await asyncio.gather(
                self._check([one for one in group if one.pupil.number % 10 > 1]),
                self._at_terminal([one for one in group if one.pupil.number % 10 == 0], group[::4]),
                self._check_at_thermometer([one for one in group if one.pupil.number % 10 == 1]),
                self._hold_cards("gate-entrance-tap", group[1::100]),
                self._hold_at_reader(group[2::100]),
            )

    async def _eat(self, who: Sequence[Entry]) -> None:
        await asyncio.gather(
            self._tap("canteen-hall-terminal", self._canteen, who),
            self._hold_cards("canteen-hall-tap", who[::120]),
        )

    async def _go(self, who: Sequence[Entry]) -> None:
        await asyncio.gather(
            self._tap("gate-entrance-terminal", self._gate, who), self._hold_at_reader(who[::80])
        )

    async def _ambient(self, now_ms: int) -> None:
        for message in self._simulation.messages(now_ms, now_ms + AMBIENT_MS):
            if message.check is None:
                await self._link.publish(message.topic, message.payload)

    async def _call_for_help(self, now_ms: int) -> None:
        """A button in a classroom, pressed and let go."""
        topic = self._simulation.topic(self._site.school.device("main-101-sos"))
        for action in ("emergency", ""):
            body = {"action": action, "battery": 86, "linkquality": 40, "last_seen": iso_local(now_ms)}
            await self._link.publish(topic, msgspec.json.encode(body))

    async def _check(self, who: Sequence[Entry]) -> None:
        """At our own station, over MQTT."""
        station = self._site.school.station
        topic = self._simulation.topic(station)
        for entry in who:
            body = check_payload(
                station.address,
                entry.cards[0],
                temperature_c=36.2 + entry.pupil.number % 8 / 10 + (entry.pupil.number % 97 == 5),
                ambient_c=22.0,
                site="forehead",
                symptoms=(),
                time_ms=self._site.time.now_ms(),
            )
            await self._link.publish(topic, msgspec.json.encode(body))

    async def _at_terminal(self, who: Sequence[Entry], with_card: Sequence[Entry]) -> None:
        """It knows people by a number of its own and takes their temperature, or reads their cards."""
        for entry in who:
            post = self._gate.event(
                self._site.time.now_ms(),
                number=employee_number(self._site.school.seed, entry.pupil.number),
                temperature_c=36.6,
                pictures=1,
            )
            assert await self._posters["gate-entrance-terminal"].post(post) == 200
        await self._tap("gate-entrance-terminal", self._gate, with_card)

    async def _check_at_thermometer(self, who: Sequence[Entry]) -> None:
        now_ms = self._site.time.now_ms()
        records = [Record(wecom_user(entry.cards[0]), 36.4, now_ms) for entry in who]
        poster = self._posters["gate-entrance-thermometer"]
        assert await poster.post(Thermometer().report(records)) == 200

    async def _tap(self, device: str, terminal: Terminal, who: Sequence[Entry]) -> None:
        for entry in who:
            post = terminal.event(self._site.time.now_ms(), card=entry.cards[0])
            assert await self._posters[device].post(post) == 200

    async def _hold_cards(self, board: str, who: Sequence[Entry]) -> None:
        """At a Wiegand reader on one of our boards."""
        for entry in who:
            bits = to_wiegand(bytes.fromhex(wiegand_tag(entry.cards[0])), 34)
            reader = self._boards[board]
            assert isinstance(reader, OwnBoard)
            reader.hal.reader.feed(bits.encode())
            await asyncio.sleep(0.1)

    async def _hold_at_reader(self, who: Sequence[Entry]) -> None:
        for entry in who:
            self._readers["gate-entrance-reader"].hold_card(bytes.fromhex(entry.cards[0]))
            await asyncio.sleep(0.1)
