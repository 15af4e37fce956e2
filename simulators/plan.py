"""``school.toml``: the buildings, rooms, classes, timetable and devices of a simulated school.

`school.toml` beside this module is the default; docs/simulators.md explains every setting.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from foundation import tomlfile
from foundation.tomlfile import StrictModel
from simulators.timetable import DAYS, Period, Phase, hm
from telemetry.topics import IDENTIFIER

BUNDLED: Final = Path(__file__).with_name("school.toml")

RoomKind = Literal["classroom", "special", "kitchen", "canteen", "gym", "gate", "yard", "garden"]
OUTDOORS: Final = frozenset({"gate", "yard", "garden"})
Transport = Literal["mqtt", "modbus", "ble", "serial", "osdp", "http"]
TRANSPORTS: Final[tuple[Transport, ...]] = ("mqtt", "modbus", "ble", "serial", "osdp", "http")


def _identifier(text: str) -> str:
    if not IDENTIFIER.fullmatch(text):
        raise ValueError("must be 1 to 63 lower-case letters, digits, - or _, such as main-301-air")
    return text


def _place(text: str) -> str:
    building, _, room = text.partition("/")
    if not (IDENTIFIER.fullmatch(building) and IDENTIFIER.fullmatch(room)):
        raise ValueError("must be building/room in lower-case letters, digits, - and _, such as main/301")
    return text


def _day(text: object) -> int:
    if not isinstance(text, str) or text not in DAYS:
        raise ValueError(f"must be one of {', '.join(DAYS)}")
    return DAYS.index(text)


def _minute(text: object) -> int:
    try:
        return hm(text if isinstance(text, str) else "")
    except ValueError:
        raise ValueError('must be a time of day such as "07:30"') from None


Identifier = Annotated[str, AfterValidator(_identifier)]
Place = Annotated[str, AfterValidator(_place)]
Day = Annotated[int, BeforeValidator(_day)]
"""0 is Monday."""
Minute = Annotated[int, BeforeValidator(_minute)]
"""Minutes from local midnight."""


class Name(StrictModel):
    """For people."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)

    @property
    def both(self) -> tuple[str, str]:
        return self.zh, self.en


class SchoolSection(StrictModel):
    """Who the school is."""

    id: Identifier
    name: Name


class RoomPlan(StrictModel):
    """A place indoors or outdoors. volume_m3: of its air, for rooms indoors. seats: how many pupils
    it takes. staff: adults who work there while the school is open.
    """

    place: Place
    kind: RoomKind
    name: Name
    volume_m3: float | None = Field(default=None, ge=10, le=100_000)
    seats: int = Field(default=0, ge=0, le=2_000)
    staff: int = Field(default=0, ge=0, le=100)

    @model_validator(mode="after")
    def _has_air(self) -> RoomPlan:
        if (self.volume_m3 is None) != (self.kind in OUTDOORS):
            raise ValueError(
                f"a {self.kind} is outdoors and has no volume_m3"
                if self.kind in OUTDOORS
                else f"a {self.kind} needs volume_m3, how much air is in it"
            )
        return self


class Away(StrictModel):
    """A lesson that a class has elsewhere: `lesson` counts the lessons of the day from 1."""

    subject: Literal["pe", "music", "other"] = "pe"
    day: Day
    lesson: int = Field(ge=1, le=16)
    place: Place


class ClassPlan(StrictModel):
    """A class, its own room and its lessons elsewhere. boarders: those who stay in the evening."""

    id: str = Field(pattern=r"^[1-9]-[1-9][0-9]?$")
    room: Place
    pupils: int = Field(ge=1, le=100)
    boarders: int = Field(default=0, ge=0, le=100)
    away: tuple[Away, ...] = ()


class PeriodStart(StrictModel):
    """From when on the day has a phase."""

    start: Minute
    phase: Phase


class TimetablePlan(StrictModel):
    """The days of a week with school, and the phases of such a day. evening_room: where boarders
    study.
    """

    days: tuple[Day, ...] = Field(min_length=1, max_length=7)
    check_window: tuple[Minute, Minute]
    evening_room: Place | None = None
    periods: tuple[PeriodStart, ...] = Field(min_length=2, max_length=100)

    @model_validator(mode="after")
    def _in_order(self) -> TimetablePlan:
        starts = [one.start for one in self.periods]
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise ValueError("periods must stand in the order of the day, each start only once")
        if self.periods[-1].phase != "closed":
            raise ValueError('the last of the periods must be { start = …, phase = "closed" }')
        if self.check_window[0] >= self.check_window[1]:
            raise ValueError("check_window must end after it begins")
        return self

    @property
    def day(self) -> tuple[Period, ...]:
        """A school day, without a gap from midnight to midnight."""
        first = (Period(0, self.periods[0].start, "closed"),) if self.periods[0].start else ()
        ends = [*(one.start for one in self.periods[1:]), 1_440]
        return first + tuple(
            Period(one.start, end, one.phase) for one, end in zip(self.periods, ends, strict=True)
        )


class FridgePlan(StrictModel):
    """A refrigerator: the air in it, and a door that meals open."""

    id: Identifier
    place: Place
    set_c: float = Field(default=4.0, ge=-30, le=12)


class BusPlan(StrictModel):
    """A Modbus bus: behind a TCP port (0: any that is free), or a serial line with a speed."""

    name: Identifier
    kind: Literal["tcp", "rtu"] = "tcp"
    port: int = Field(default=0, ge=0, le=65_535)
    baud: int = Field(default=9_600, ge=300, le=921_600)


class GatewayPlan(StrictModel):
    """A gateway, and the adapters on it that its BLE devices are heard by."""

    id: Identifier
    name: Name
    adapters: tuple[Identifier, ...] = ()


class MqttWay(StrictModel):
    """How a topic or payload names the device; `topic`: where it publishes, if not as usual."""

    address: str = Field(min_length=1, max_length=200)
    topic: str | None = Field(default=None, min_length=1, max_length=500)


class ModbusWay(StrictModel):
    """Its unit number on a bus."""

    bus: Identifier
    unit: int = Field(ge=1, le=247)


class BleWay(StrictModel):
    """Its Bluetooth address, and the adapter that hears it; left out: every adapter of the gateway."""

    address: str = Field(pattern=r"^([0-9A-F]{2}:){5}[0-9A-F]{2}$")
    adapter: Identifier | None = None


class PortWay(StrictModel):
    """The serial port its board is plugged into. address: its own on a shared line."""

    port: Identifier
    address: int | str | None = None


class HttpWay(StrictModel):
    """The path it posts to."""

    path: str = Field(pattern=r"^/")


class DevicePlan(StrictModel):
    """A device: its model, where it is, who reads it, and one table that says by which transport.

    Without such a table it publishes over MQTT under its own id. fridge: it sits in that one. wearer:
    the number of the pupil who wears it, from 0. phases: how many lines a meter measures. only: the
    quantities it is fitted with, where its model knows more.
    """

    id: Identifier
    profile: str
    place: Place
    gateway: Identifier
    mqtt: MqttWay | None = None
    modbus: ModbusWay | None = None
    ble: BleWay | None = None
    serial: PortWay | None = None
    osdp: PortWay | None = None
    http: HttpWay | None = None
    fridge: Identifier | None = None
    wearer: int | None = Field(default=None, ge=0)
    phases: Literal[1, 3] = 1
    only: tuple[str, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_way(self) -> DevicePlan:
        found = [name for name in TRANSPORTS if getattr(self, name) is not None]
        if len(found) > 1:
            raise ValueError(f"has {' and '.join(found)}; a device has one transport")
        if self.only is not None and self.transport not in {"modbus", "ble", "serial"}:
            raise ValueError("only is for devices on Modbus, Bluetooth and serial lines")
        return self

    @property
    def transport(self) -> Transport:
        return next((name for name in TRANSPORTS if getattr(self, name) is not None), "mqtt")

    @property
    def address(self) -> str:
        """How its messages name it; for transports that have no names its id."""
        if self.mqtt is not None:
            return self.mqtt.address
        return self.id if self.ble is None else self.ble.address


class Plan(StrictModel):
    """The whole file."""

    school: SchoolSection
    buildings: dict[Identifier, Name] = Field(min_length=1)
    rooms: tuple[RoomPlan, ...] = Field(min_length=1)
    classes: tuple[ClassPlan, ...] = Field(min_length=1)
    timetable: TimetablePlan
    gateways: tuple[GatewayPlan, ...] = Field(min_length=1)
    buses: tuple[BusPlan, ...] = ()
    fridges: tuple[FridgePlan, ...] = ()
    devices: tuple[DevicePlan, ...] = Field(min_length=1)

    def room(self, place: str) -> RoomPlan:
        return next(room for room in self.rooms if room.place == place)

    def label(self, place: str) -> tuple[str, str]:
        """A place for people, Chinese first: ``("教学楼 301", "Teaching building 301")``."""
        building, room = self.buildings[place.partition("/")[0]], self.room(place).name
        return f"{building.zh} {room.zh}", f"{building.en} {room.en}"

    @property
    def pupils(self) -> int:
        return sum(one.pupils for one in self.classes)


@cache
def default_plan() -> Plan:
    """The school that comes with this version; a test holds it against `plan_problems`."""
    return tomlfile.load(BUNDLED, Plan)
