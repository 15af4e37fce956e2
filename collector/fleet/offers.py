"""Offers of configurations: what each gateway runs is compared with what it should run.

A gateway says with every status what it runs. Where that is another version than the newest here, it is
offered the difference, at once and then ever more seldom while nothing changes. A version that it has
refused is not offered again; one that is made anew is. Whoever is away is offered it when it is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

import structlog
from sqlalchemy import Connection

from collector.fleet.standing import as_running, runs
from collector.hub import Hub
from collector.intake.contract import Answer
from collector.intake.metrics import LineMetrics
from collector.intake.registry import REFRESH_S
from collector.records import Records, RecordsUnavailableError, RowsRefusedError, configurations
from collector.records.configurations import GatewayKey, State, Version
from foundation.logs import FirstOnly
from telemetry.configuration import (
    FORMAT,
    REASON_CHARS_MAX,
    Offer,
    Running,
    Sections,
    difference,
    encode_offer,
)
from telemetry.configuration import digest as digest_of
from telemetry.envelope import Kind, Signer
from telemetry.status import Status
from telemetry.topics import Address

AGAIN_S: Final = 10.0
"""So long an offer is given to be applied and told of: a status comes as often."""
AGAIN_S_MAX: Final = 300.0
SOONEST_S: Final = 1.0
"""Between two offers to one gateway, whatever it says meanwhile."""
TURN_S: Final = 0.1
"""Between two looks at all gateways: what came meanwhile is one transaction."""
HERE_S: Final = 60.0
"""Who has said nothing for so long is away."""
SEND_S_MAX: Final = 20.0
AT_ONCE: Final = 16
"""Offers in the making at a time: each may be half a megabyte."""

log = structlog.get_logger()


@dataclass
class _Heard:
    """A gateway of this start: what it runs, and where it is answered."""

    running: Running
    answer: Answer
    at_s: float
    now_ms: int
    offered: int = 0
    pause_s: float = AGAIN_S
    next_s: float = 0.0
    last_s: float = float("-inf")

    def tell(self, running: Running, answer: Answer, at_s: float, now_ms: int) -> None:
        if running != self.running:
            self.next_s, self.pause_s = 0.0, AGAIN_S
        self.running, self.answer, self.at_s, self.now_ms = running, answer, at_s, now_ms

    def is_due(self, wanted: Version | None, now_s: float) -> bool:
        if wanted is None or now_s - self.at_s > HERE_S or runs(self.running, wanted):
            return False
        if now_s - self.last_s < SOONEST_S:
            return False
        return self.running.refused != wanted.version and (
            self.offered != wanted.version or now_s >= self.next_s
        )


class _Due(NamedTuple):
    wanted: Version
    heard: _Heard


class Offers:
    """Those of all gateways. `heard` is cheap; `run` does the work."""

    def __init__(
        self, records: Records, signer: Signer, hub: Hub, metrics: LineMetrics, now_ms: Callable[[], int]
    ) -> None:
        self._records = records
        self._signer = signer
        self._hub = hub
        self._metrics = metrics
        self._now_ms = now_ms
        self._heard: dict[GatewayKey, _Heard] = {}
        self._wanted: dict[GatewayKey, Version] = {}
        self._told: dict[GatewayKey, Running] | None = None
        self._untold: set[GatewayKey] = set()
        self._read_s = float("-inf")
        self._woken = asyncio.Event()
        self._reported = FirstOnly()

    def heard(self, statuses: Iterable[Status], answer: Answer) -> None:
        """Takes what gateways said over this way; those whose program knows of no offers are left alone."""
        now_s = time.monotonic()
        for status in statuses:
            running = status.configuration
            if running is None:
                continue
            key = (status.school, status.gateway)
            one = self._heard.get(key)
            if one is None:
                one = self._heard[key] = _Heard(running, answer, now_s, self._now_ms())
            one.tell(running, answer, now_s, self._now_ms())
            if self._told is None or self._told.get(key) != running:
                self._untold.add(key)
            if key in self._untold or one.is_due(self._wanted.get(key), now_s):
                self._woken.set()

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_S):
                    await self._woken.wait()
            self._woken.clear()
            try:
                await self._turn()
            except RecordsUnavailableError as error:
                self._note_away(error)
                await asyncio.sleep(REFRESH_S)
            except Exception:  # the supervising boundary of offers: batches go on without them
                if self._reported.first("fault"):
                    log.exception("configurations could not be offered")
                await asyncio.sleep(REFRESH_S)
            await asyncio.sleep(TURN_S)

    def _note_away(self, error: RecordsUnavailableError) -> None:
        if self._reported.first("records"):
            log.warning("no configurations are offered meanwhile", error=str(error))

    async def _turn(self) -> None:
        if self._told is None:
            known = await self._records.look(configurations.states)
            self._told = {key: as_running(state) for key, state in known.items()}
        await self._write_down(self._told)
        if time.monotonic() - self._read_s >= REFRESH_S:
            wanted = await self._records.look(configurations.newest)
            self._read_s = time.monotonic()
            self._reported.forget("records")
            if wanted != self._wanted:
                self._wanted = wanted
                self._hub.publish("gateways")
        now_s = time.monotonic()
        due = [
            _Due(self._wanted[key], one)
            for key, one in self._heard.items()
            if one.is_due(self._wanted.get(key), now_s)
        ]
        for start in range(0, len(due), AT_ONCE):
            async with asyncio.TaskGroup() as group:
                for one in due[start : start + AT_ONCE]:
                    group.create_task(self._offer(one), name=f"offer-{one.wanted.gateway}")

    async def _write_down(self, told: dict[GatewayKey, Running]) -> None:
        """What gateways say otherwise than before. They go on talking while it is written: what they say
        then is compared with what is being written.
        """
        before = {key: told.get(key) for key in self._untold}
        news = {
            key: self._heard[key] for key, running in before.items() if self._heard[key].running != running
        }
        states = [_as_state(key, one.running, one.now_ms) for key, one in news.items()]
        told.update({key: one.running for key, one in news.items()})
        self._untold.clear()
        if not news:
            return
        try:
            await self._records.run(lambda connection: configurations.save_states(connection, states))
        except RowsRefusedError:
            log.warning("what gateways run cannot be kept", gateways=len(states))
        except RecordsUnavailableError:
            self._untold.update(news)
            for key in news:
                del told[key]
            raise
        for state in states:
            self._tell_log(state.key, before[state.key], as_running(state))
        self._hub.publish("gateways")

    @staticmethod
    def _tell_log(key: GatewayKey, before: Running | None, now: Running) -> None:
        place = {"school": key[0], "gateway": key[1]}
        if now.refused is not None and (before is None or before.refused != now.refused):
            # Without its words, which may quote a setting; the page shows them.
            log.warning("configuration refused by its gateway", version=now.refused, **place)
        if before is not None and (before.version, before.digest) != (now.version, now.digest):
            log.info("gateway runs another configuration", version=now.version, **place)

    async def _offer(self, due: _Due) -> None:
        wanted, heard = due
        now_s = time.monotonic()
        heard.pause_s = AGAIN_S if heard.offered != wanted.version else min(heard.pause_s * 2, AGAIN_S_MAX)
        heard.offered, heard.next_s, heard.last_s = wanted.version, now_s + heard.pause_s, now_s
        base = heard.running.digest

        def read(connection: Connection) -> tuple[Sections | None, Sections | None]:
            known = configurations.sections_of_digest(connection, wanted.key, base) if base else None
            return configurations.sections(connection, wanted.key, wanted.version), known

        try:
            after, before = await self._records.look(read)
        except RecordsUnavailableError as error:
            heard.offered = 0
            self._note_away(error)
            return
        if after is None:
            return
        envelope = await asyncio.to_thread(self._wrap, wanted, after, before)
        self._metrics.offers.inc()
        log.info(
            "configuration offered", school=wanted.school, gateway=wanted.gateway, version=wanted.version
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SEND_S_MAX):
                await heard.answer(Address(wanted.school, wanted.gateway, "config"), envelope)

    def _wrap(self, wanted: Version, after: Sections, before: Sections | None) -> bytes:
        offer = make_offer(wanted, after, before, self._now_ms())
        return self._signer.wrap(Kind.CONFIGURATION, encode_offer(offer))


def make_offer(wanted: Version, after: Sections, before: Sections | None, now_ms: int) -> Offer:
    """before: the sections that the gateway runs; None where they are not known."""
    changed, removed = difference(before or {}, after)
    return Offer(
        FORMAT,
        wanted.school,
        wanted.gateway,
        wanted.version,
        now_ms,
        digest_of(before or {}),
        changed,
        removed,
        wanted.digest,
    )


def _as_state(key: GatewayKey, running: Running, now_ms: int) -> State:
    # PostgreSQL has no text with NUL in it.
    reason = running.reason.replace("\0", "")[:REASON_CHARS_MAX] or None
    return State(*key, running.version, running.digest, running.refused, reason, now_ms)
