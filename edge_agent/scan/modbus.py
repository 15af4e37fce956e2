"""Finds the units of a Modbus bus and guesses their models. Reads only, never writes.

Modbus has no way to ask a device what it is. A profile fits when the device answers the profile's
first read and everything in it is plausible; several may fit, a person has to choose.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final, NamedTuple

from device_profiles.modbus import ModbusDecoder, bind_modbus
from device_profiles.modbus_schema import ModbusProfile
from device_profiles.registry import Catalogue
from edge_agent.drivers.modbus import requests
from edge_agent.drivers.modbus.link import Link, NoReplyError, RefusedError
from telemetry.quality import Quality
from telemetry.readings import Chunk, SeriesTable

FITS_MAX: Final = 5
"""Candidates told of one unit, the best first."""
_KNOCKS: Final = (requests.read(3, 0, 1), requests.read(4, 0, 1))
"""Whoever answers one of these is there, if only by refusing."""
_FAULTS: Final = frozenset({"fault", "alarm"})


class Fit(NamedTuple):
    """A profile that may be a unit's, with what it read there."""

    profile: str
    values: tuple[tuple[str, float, str], ...]

    @property
    def share(self) -> float:
        """How many of its values are not 0: registers that a device lacks often read as 0."""
        return self.told_values / len(self.values)

    @property
    def told_values(self) -> int:
        return sum(value != 0 for _, value, _ in self.values)

    @property
    def rank(self) -> tuple[bool, int, float]:
        """The more it explains, the better; another device's number looks like a fault."""
        fault = any(quantity in _FAULTS and value != 0 for quantity, value, _ in self.values)
        return not fault, self.told_values, self.share

    @property
    def told(self) -> str:
        return ", ".join(f"{quantity} {value:g} {unit}" for quantity, value, unit in self.values)


class Found(NamedTuple):
    """A unit that answers, and the profiles that fit, the best first."""

    unit: int
    fits: tuple[Fit, ...]


async def scan(
    link: Link, units: Iterable[int], catalogue: Catalogue, *, timeout_s: float
) -> AsyncIterator[Found]:
    """The units that answer, in the order asked. The link must be open. Raises BusAwayError."""
    table = SeriesTable()
    decoders = [
        bind_modbus(profile, device="scan", place="scan/scan", table=table)
        for profile in catalogue.all()
        if isinstance(profile.spec, ModbusProfile)
    ]
    for unit in units:
        if await _is_there(link, unit, timeout_s):
            yield Found(unit, await _fits(link, unit, decoders, table, timeout_s))


async def _is_there(link: Link, unit: int, timeout_s: float) -> bool:
    for knock in _KNOCKS:
        try:
            await link.exchange(unit, knock, timeout_s)
        except RefusedError:
            return True
        except NoReplyError as error:
            if error.garbled:
                return True
            continue
        return True
    return False


async def _fits(
    link: Link, unit: int, decoders: Sequence[ModbusDecoder], table: SeriesTable, timeout_s: float
) -> tuple[Fit, ...]:
    fits = [fit for decoder in decoders if (fit := await _fit(link, unit, decoder, table, timeout_s))]
    fits.sort(key=lambda fit: fit.rank, reverse=True)
    return tuple(fits[:FITS_MAX])


async def _fit(
    link: Link, unit: int, decoder: ModbusDecoder, table: SeriesTable, timeout_s: float
) -> Fit | None:
    """The profile when its first read is answered and holds plausible values, one at least not 0."""
    read = decoder.reads[0]
    request = requests.read(read.fc, read.address, read.count)
    try:
        body = await link.exchange(unit, request, timeout_s)
    except RefusedError:
        return None
    except NoReplyError:
        if not link.numbered:
            # A late answer must not be taken for that to the next profile's read.
            await asyncio.sleep(timeout_s)
        return None
    chunk = Chunk()
    refused = decoder.decode(read, requests.values(request, body)[: read.count], 0, chunk)
    readings = chunk.readings(table)
    if refused or not any(one.value for one in readings):
        return None
    if any(one.quality is Quality.OUT_OF_RANGE for one in readings):
        return None
    units = {row.quantity: row.spec.unit for row in decoder.spec.fields}
    return Fit(
        decoder.model,
        tuple((one.series.quantity, one.value, units[one.series.quantity]) for one in readings),
    )
