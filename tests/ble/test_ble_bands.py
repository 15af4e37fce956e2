"""Bands that nobody configured: read where somebody known wears them, left alone where not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from edge_agent.clock import Clock
from edge_agent.drivers.ble.config import BleSource
from edge_agent.drivers.ble.driver import BleDriver
from edge_agent.identity.carriers import Carriers
from edge_agent.identity.credentials import Credentials
from edge_agent.identity.overheard import Overheard
from simulators.ble import Peripheral
from telemetry.credential_map import CredentialMap, normalise_band
from tests.ble.ble_rig import CATALOGUE, RATE, WAIT_S_MAX, air, band, device, strap
from tests.driver_rig import Kept, until
from tests.edge.edge_parts import NOW_MS
from tests.edge.maps import make_map, person

BANDS = [{"profile": "test/band", "place": "gym/hall"}]
STRAPS = [{"profile": "test/strap", "place": "gym/hall", "turn_s": 0.2}]


def worn(peripherals: Sequence[Peripheral], version: int = 1) -> CredentialMap:
    """A map on which each of them is somebody's."""
    people = [person(slot, {"sport": f"P-{slot}"}) for slot in range(len(peripherals))]
    credentials = {normalise_band(one.address): slot for slot, one in enumerate(peripherals)}
    return make_map(people, credentials, version=version, issued_ms=Clock("system").now_ms())


class Met(Kept):
    """A running driver that meets bands."""

    def __init__(self, known: CredentialMap | None, **source: Any) -> None:
        super().__init__()
        self.credentials, self.carriers = Credentials(known), Carriers()
        self.overheard = Overheard(self.credentials, self.carriers, self.counters)
        self.driver = BleDriver(
            BleSource(**{"name": "radio", "mode": "active", **source}),
            catalogue=CATALOGUE,
            table=self.table,
            clock=Clock("system"),
            counters=self.counters,
            overheard=self.overheard,
        )

    def rates(self) -> dict[str, set[float]]:
        """Of every device that gave one."""
        return {
            name: set(self.values(name, "heart_rate")) for name in {one.series.device for one in self.given}
        }


@asynccontextmanager
async def meeting(known: CredentialMap | None, **source: Any) -> AsyncIterator[Met]:
    met = Met(known, **source)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(met.driver.run(met), name="driver")
        yield met
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=WAIT_S_MAX)
        assert done, "the driver does not stop"


async def test_known_bands_get_local_names_and_others_are_only_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, strangers = [band(1), band(2)], [band(3)]
    async with air(monkeypatch, [*ours, *strangers]), meeting(worn(ours), bands=BANDS) as met:
        await until(lambda: len(met.rates()) == 2 and met.counters.bands_unknown > 2, "both, and the other")
        wearers = {met.carriers.find(name): rates for name, rates in met.rates().items()}
    assert set(met.rates()) == {"band#1", "band#2"}
    assert wearers == {normalise_band(one.address): {RATE + n} for n, one in enumerate(ours, 1)}
    assert {one.series.place for one in met.given} == {"gym/hall"}
    assert not met.counters.devices, "nothing is told of when a band was heard"
    shown = repr((met.table[0], met.overheard, met.carriers, met.credentials.map))
    assert not any(one.address in shown or normalise_band(one.address) in shown for one in ours)


async def test_a_band_is_read_for_as_long_as_somebody_known_wears_it(monkeypatch: pytest.MonkeyPatch) -> None:
    one = band(1)
    async with air(monkeypatch, [one]), meeting(None, bands=BANDS) as met:
        await until(lambda: met.counters.bands_unknown > 2, "a band without a map")
        assert not met.given
        met.credentials.map = worn([one])
        await until(met.rates, "a rate")
        met.credentials.map = worn([], version=2)
        await until(lambda: not len(met.carriers), "nobody wears it")
        had, ignored = len(met.given), met.counters.bands_unknown
        await until(lambda: met.counters.bands_unknown > ignored + 3, "it is ignored")
        assert len(met.given) <= had + 1


async def test_a_configured_device_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = band(1), band(2)
    async with (
        air(monkeypatch, [one, other]),
        meeting(worn([one, other]), bands=BANDS, devices=[device("band", one)]) as met,
    ):
        await until(lambda: len(met.rates()) == 2, "both")
    assert met.rates() == {"band-1": {RATE + 1}, "band#1": {RATE + 2}}


async def test_straps_are_connected_to_in_their_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, stranger = [strap(n) for n in (1, 2, 3)], strap(4)
    async with (
        air(monkeypatch, [*ours, stranger]),
        meeting(worn(ours), bands=STRAPS, links_max=2) as met,
    ):
        await until(lambda: len(met.rates()) == 3 and met.counters.bands_unknown, "all three")
        assert {rate for rates in met.rates().values() for rate in rates} == {RATE + n for n in (1, 2, 3)}


async def test_a_connection_ends_when_nobody_known_wears_the_strap_any_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one = strap(1)
    async with air(monkeypatch, [one]), meeting(worn([one]), bands=STRAPS) as met:
        await until(met.rates, "a rate")
        met.credentials.map = worn([], version=2)
        await until(lambda: not len(met.carriers), "nobody wears it")
        # Connected, it would not advertise.
        ignored = met.counters.bands_unknown
        await until(lambda: met.counters.bands_unknown > ignored, "it advertises again")


def overheard(count: int, **settings: Any) -> Overheard:
    people = [person(slot, {"sport": f"P-{slot}"}) for slot in range(count)]
    credentials = {normalise_band(address(slot)): slot for slot in range(count)}
    met = Kept()
    return Overheard(Credentials(make_map(people, credentials)), Carriers(), met.counters, **settings)


def address(number: int) -> str:
    return f"C1:00:00:00:00:{number:02X}"


def test_names_are_given_in_the_order_of_hearing_and_again_when_idle() -> None:
    names = overheard(9, bands_max=2, idle_s=600)
    assert [names.name(address(n), 0, NOW_MS) for n in (5, 3, 5)] == ["band#1", "band#2", "band#1"]
    assert names.name(address(4), 600, NOW_MS) is None, "there are as many as there may be"
    assert names.name(address(3), 500, NOW_MS) == "band#2"
    names.touch(address(5), 10)
    assert names.name(address(4), 610, NOW_MS) is None
    assert names.name(address(4), 611, NOW_MS) == "band#1"
    assert not names.knows(address(5), "band#1")
    assert names.knows(address(4), "band#1")
    assert names.name(address(5), 612, NOW_MS) is None


def test_a_band_that_is_not_on_the_map_has_no_name() -> None:
    assert overheard(1).name(address(7), 0, NOW_MS) is None
