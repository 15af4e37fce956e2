"""Decides what may pass from the drivers to the buffer, and in which form. Default: nothing."""

from __future__ import annotations

from typing import Final, Protocol

import msgspec
import structlog

from device_profiles.observations import CheckObservation, TapObservation
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.gate.credentials import Credentials, Lookup
from edge_agent.gate.worn import is_personal, is_worn
from foundation.logs import FirstOnly
from telemetry.fever import find_fever
from telemetry.limits import Limits
from telemetry.quantities import QUANTITIES
from telemetry.readings import Chunk, SeriesTable
from telemetry.records import RECORD_TYPES, MorningCheck

HEALTH: Final = RECORD_TYPES["morning_check"].purpose

log = structlog.get_logger()


class Outlet(Protocol):
    """What stands behind the gate."""

    def bulk(self, chunk: Chunk) -> None: ...

    def urgent(self, chunk: Chunk | None, record: MorningCheck | None, *, alarm: bool) -> None: ...


class Gate:
    """The drivers' sink. Ambient readings pass if their quantity is registered, safety events among
    them on the urgent stream; a morning check passes as a typed record under a pseudonym.
    """

    def __init__(
        self,
        table: SeriesTable,
        clock: Clock,
        credentials: Credentials,
        outlet: Outlet,
        counters: Counters,
        limits: Limits,
    ) -> None:
        self._table = table
        self._clock = clock
        self.credentials = credentials
        self._outlet = outlet
        self._counters = counters
        self._limits = limits
        self._reported = FirstOnly()
        self._judged = 0
        self._special: set[int] = set()
        """Series that do not simply pass: safety events, and what is not registered."""
        self._given: dict[str, set[str]] = {}
        """What each device gives."""
        self._refused: dict[int, str] = {}
        """Series that never pass, and why."""

    def readings(self, chunk: Chunk) -> None:
        if self._judged < len(self._table):
            self._judge_new_series()
        if self._special.isdisjoint(chunk.series):
            self._outlet.bulk(chunk)
        else:
            self._sort(chunk)

    def _judge_new_series(self) -> None:
        for key in (self._table[index] for index in range(self._judged, len(self._table))):
            self._given.setdefault(key.device, set()).add(key.quantity)
        for index in range(self._judged, len(self._table)):
            key = self._table[index]
            quantity = QUANTITIES.get(key.quantity)
            reason = ""
            if quantity is None:
                reason = "quantity_not_registered"
                log.error("series refused", reason=reason, quantity=key.quantity, device=key.device)
            elif is_personal(key.quantity) or is_worn(self._given[key.device]):
                reason = "quantity_is_personal" if is_personal(key.quantity) else "device_is_worn"
                if self._reported.first(reason):
                    log.info("what people wear is read, and no policy lets it pass", reason=reason)
            if reason:
                self._refused[index] = reason
            if reason or (quantity and quantity.urgent):
                self._special.add(index)
        self._judged = len(self._table)

    def _sort(self, chunk: Chunk) -> None:
        bulk, urgent = Chunk(), Chunk()
        columns = (chunk.series, chunk.time_ms, chunk.value, chunk.quality)
        for row in zip(*columns, strict=True):
            series, _, value, _ = row
            if series in self._refused:
                self._counters.dropped[self._refused[series]] += 1
            elif series in self._special and value == 1:
                urgent.append(*row)
            else:
                bulk.append(*row)
        if bulk:
            self._outlet.bulk(bulk)
        if urgent:
            self._outlet.urgent(urgent, None, alarm=True)

    def check(self, observation: CheckObservation) -> None:
        self._counters.checks_in += 1
        record = MorningCheck(
            time_ms=observation.time_ms,
            device=observation.device,
            place=observation.place,
            site=observation.site,
            temperature_c=observation.temperature_c,
            ambient_c=observation.ambient_c,
            symptoms=observation.symptoms,
        )
        fever = find_fever(record, self._limits) is not None
        found = self.credentials.find(observation.credential, self._clock.now_ms())
        if isinstance(found, Lookup):
            # Without a pupil only a fever is worth telling: somebody must go and look.
            if found is Lookup.MAP_UNUSABLE and self._reported.first(found):
                log.error("no usable credential map: of morning checks only fevers pass, anonymously")
            if not fever:
                self._counters.dropped[found.value] += 1
                return
        elif HEALTH in found.pseudonyms:
            record = msgspec.structs.replace(
                record, pseudonym=found.pseudonyms[HEALTH], class_id=found.class_id
            )
        else:
            self._counters.dropped["no_consent"] += 1
            return
        self._outlet.urgent(None, record, alarm=fever)

    def tap(self, observation: TapObservation) -> None:
        """No policy permits access events yet: they are counted and go no further."""
        del observation
        self._counters.dropped["access_not_permitted"] += 1

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        self._counters.refused[device, reason] += 1
        if self._reported.first((device, reason)):
            log.warning("device input refused", device=device, reason=reason, size_bytes=size_bytes)
