"""What is wrong with a ``school.toml`` although each of its settings is good by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

from device_profiles.registry import Catalogue, ProfileNotFoundError
from foundation import tomlfile
from foundation.tomlfile import FileProblems, Problem
from foundation.tomllines import Location, find_line
from simulators.payloads import FORMATS
from simulators.plan import OUTDOORS, DevicePlan, Plan
from simulators.station import STATION
from simulators.timetable import DAYS

Found = Iterator[tuple[Location, str]]
OSDP_READER = "osdp/reader"
"""What an OSDP reader is, whoever made it."""
PROFILE_TRANSPORTS = {"mqtt-json": "mqtt", "lorawan": "mqtt"}
"""What a profile calls a transport, where a school's file calls it otherwise."""


def load_plan(path: Path, profile_dirs: Sequence[Path] = ()) -> Plan:
    """The school in a file. Raises FileProblems with all that is wrong, each with its line."""
    plan = tomlfile.load(path, Plan)
    text = path.read_text("utf-8-sig")
    problems = [
        Problem(f"{path}:{find_line(text, place)}", message)
        for place, message in plan_problems(plan, Catalogue(profile_dirs))
    ]
    if problems:
        raise FileProblems(problems)
    return plan


def plan_problems(plan: Plan, catalogue: Catalogue) -> Found:
    """Where, and what: references to nothing, things that are there twice, rooms too small."""
    yield from _twice("rooms", [room.place for room in plan.rooms])
    yield from _twice("classes", [one.id for one in plan.classes])
    yield from _twice("gateways", [one.id for one in plan.gateways])
    yield from _twice("buses", [one.name for one in plan.buses])
    yield from _twice("fridges", [one.id for one in plan.fridges])
    yield from _twice("devices", [one.id for one in plan.devices])
    for at, room in enumerate(plan.rooms):
        building = room.place.partition("/")[0]
        yield from _unknown(("rooms", at, "place"), "building", building, plan.buildings)
    yield from _class_problems(plan)
    rooms = {room.place: room for room in plan.rooms}
    evening_room = plan.timetable.evening_room
    if evening_room is not None:
        where: Location = ("timetable", "evening_room")
        yield from _unknown(where, "room", evening_room, rooms)
        boarders = sum(one.boarders for one in plan.classes)
        if evening_room in rooms and boarders > rooms[evening_room].seats:
            yield where, f"{evening_room} has {rooms[evening_room].seats} seats for {boarders} boarders"
    for at, fridge in enumerate(plan.fridges):
        where = ("fridges", at, "place")
        yield from _unknown(where, "room", fridge.place, rooms)
        if fridge.place in rooms and rooms[fridge.place].kind in OUTDOORS:
            yield where, f"fridge {fridge.id} stands outdoors, at {fridge.place}; give it a room"
    yield from _device_problems(plan, catalogue)


def _class_problems(plan: Plan) -> Found:
    rooms = {room.place: room for room in plan.rooms}
    lessons = sum(one.phase == "lesson" for one in plan.timetable.periods)
    taken: Counter[tuple[str, int, int]] = Counter()
    for at, one in enumerate(plan.classes):
        yield from _unknown(("classes", at, "room"), "room", one.room, rooms)
        if one.boarders > one.pupils:
            yield (
                ("classes", at, "boarders"),
                f"class {one.id} has {one.pupils} pupils, so no {one.boarders} boarders",
            )
        if one.room in rooms and rooms[one.room].seats < one.pupils:
            yield (
                ("classes", at, "room"),
                f"class {one.id} has {one.pupils} pupils, {one.room} has {rooms[one.room].seats} seats",
            )
        seen: set[tuple[int, int]] = set()
        for number, away in enumerate(one.away):
            where: Location = ("classes", at, "away", number)
            when = f"{DAYS[away.day]} lesson {away.lesson}"
            yield from _unknown(where, "room", away.place, rooms)
            if away.lesson > lessons:
                yield where, f"class {one.id}: {when}, but a day has {lessons} lessons"
            if (away.day, away.lesson) in seen:
                yield where, f"class {one.id} is away twice in {when}"
            seen.add((away.day, away.lesson))
            taken[away.place, away.day, away.lesson] += one.pupils
            seats = rooms[away.place].seats if away.place in rooms else 0
            if away.place in rooms and taken[away.place, away.day, away.lesson] > seats:
                inside = taken[away.place, away.day, away.lesson]
                yield where, f"{away.place} has {seats} seats, but {inside} pupils in {when}"


def _device_problems(plan: Plan, catalogue: Catalogue) -> Found:
    rooms = {room.place: room for room in plan.rooms}
    gateways = {one.id: one for one in plan.gateways}
    fridges = {one.id: one for one in plan.fridges}
    ways: dict[tuple[object, ...], str] = {}
    readers: dict[str, str] = {}
    for at, device in enumerate(plan.devices):
        here: Location = ("devices", at)
        yield from _unknown((*here, "place"), "room", device.place, rooms)
        yield from _unknown((*here, "gateway"), "gateway", device.gateway, gateways)
        if device.fridge is not None:
            yield from _unknown((*here, "fridge"), "fridge", device.fridge, fridges)
        if device.wearer is not None and device.wearer >= plan.pupils:
            yield (
                (*here, "wearer"),
                f"device {device.id}: no pupil {device.wearer}; the last one is {plan.pupils - 1}",
            )
        if device.modbus is not None:
            buses = {one.name for one in plan.buses}
            yield from _unknown((*here, "modbus"), "bus", device.modbus.bus, buses)
            reader = readers.setdefault(device.modbus.bus, device.gateway)
            if reader != device.gateway:
                yield (*here, "gateway"), f"device {device.id}: bus {device.modbus.bus} is read by {reader}"
        if device.ble is not None and device.gateway in gateways:
            adapters = gateways[device.gateway].adapters
            if not adapters:
                yield (
                    (*here, "gateway"),
                    f"device {device.id}: {device.gateway} has no adapters to hear it with",
                )
            elif device.ble.adapter is not None:
                yield from _unknown((*here, "ble"), "adapter", device.ble.adapter, adapters)
        way = _way(device)
        if way in ways:
            yield (
                (*here, device.transport),
                f"device {device.id}: {ways[way]} has the same {device.transport} address",
            )
        ways.setdefault(way, device.id)
        yield from _profile_problems(here, device, catalogue)


def _way(device: DevicePlan) -> tuple[object, ...]:
    if device.modbus is not None:
        return "modbus", device.modbus.bus, device.modbus.unit
    if device.serial is not None or device.osdp is not None:
        port = device.serial or device.osdp
        assert port is not None
        return "port", port.port, port.address
    if device.http is not None:
        return "http", device.gateway, device.http.path
    return device.transport, device.profile if device.ble is None else "", device.address


def _profile_problems(here: Location, device: DevicePlan, catalogue: Catalogue) -> Found:
    where = (*here, "profile")
    try:
        told = str(catalogue.get(device.profile).spec.transport)
    except ProfileNotFoundError as error:
        yield where, f"device {device.id}: {error}"
        return
    except FileProblems as error:
        yield where, f"device {device.id}: {error}"
        return
    if device.transport == "osdp" and device.profile != OSDP_READER:
        yield where, f"device {device.id}: a reader on OSDP has the profile {OSDP_READER}"
    elif device.transport != "osdp" and PROFILE_TRANSPORTS.get(told, told) != device.transport:
        remedy = f"give it a table such as {told} = {{ … }}, or another profile"
        said = f'profile {device.profile} is for "{told}", the device for "{device.transport}"'
        yield where, f"device {device.id}: {said}; {remedy}"
    elif device.transport == "mqtt" and device.profile not in {*FORMATS, STATION}:
        known = ", ".join(sorted({*FORMATS, STATION}))
        yield (
            where,
            f"device {device.id}: {device.profile} cannot be simulated over MQTT yet; these can: {known}",
        )


def _twice(table: str, names: Sequence[str]) -> Found:
    for at, name in enumerate(names):
        if name in names[:at]:
            yield (table, at), f"{name!r} is there twice; its name must be its own"


def _unknown(where: Location, what: str, name: str, known: Iterable[str]) -> Found:
    names = list(known)
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names) or 'none'}"
        yield where, f"there is no {what} {name!r}; {hint}"
