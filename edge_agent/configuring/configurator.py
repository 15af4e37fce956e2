"""Takes the collector's offers into use, one after another, and takes back what does not prove itself.

An offer is judged, laid over gateway.toml, checked as a whole, its drivers made; then it is written to the
disk, and only then put to use and told of. Until the writing nothing has changed, after it nothing can fail:
whenever the gateway dies, it begins with the old version or with the new one.

A version is on probation for `PROBATION_S`. It is taken back when a driver fails whose source it has changed,
when the gateway does not stay up with it (`beginning`), and, where it changes [uplink], when the collector
that was heard before is not heard again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final, TypeVar

import structlog

from edge_agent.config import GatewayConfig
from edge_agent.configuring.beginning import Beginning
from edge_agent.configuring.kept import Kept, KeptFile, KeptFileError, Version
from edge_agent.configuring.offers import Offers, reason_to_pass_over
from edge_agent.configuring.overlay import overlay
from edge_agent.configuring.refusal import RefusedError
from edge_agent.configuring.switch import Switch
from edge_agent.counters import Counters
from foundation.memory import give_back
from telemetry.configuration import REASON_CHARS_MAX, ConfigurationError, Offer, Running, apply
from telemetry.envelope import Envelope

PROBATION_S: Final = 300.0
OVERTIME: Final = 0.2
"""Of probation, for an answer that is under way when it ends."""
T = TypeVar("T")

log = structlog.get_logger()


class Configurator:
    """local: gateway.toml alone. beginning: what the gateway has begun with."""

    def __init__(
        self,
        local: GatewayConfig,
        beginning: Beginning,
        file: KeptFile,
        offers: Offers,
        counters: Counters,
        *,
        probation_s: float = PROBATION_S,
    ) -> None:
        self._local = local
        self._kept = beginning.kept
        self._file = file
        self._offers = offers
        self._counters = counters
        self._probation_s = probation_s
        self._refused = beginning.refused
        self._refused_digest = ""
        self._fault = ""
        self._is_stuck = False
        """What ran before the version on probation cannot be used either."""
        self._tuned_s: float | None = None
        """Since when the uplink of a version on probation has to prove itself."""
        self._wake = asyncio.Event()
        self._note_version()

    def offered(self, envelope: Envelope) -> None:
        """An envelope of the kind CONFIGURATION, from whomever."""
        if self._offers.put(envelope):
            self._wake.set()

    def running(self) -> Running:
        """For the gateway's status."""
        used = self._kept.used
        refused, reason = self._refused or (self._kept.refused, self._kept.reason)
        return Running(used.version, used.digest, refused, reason[:REASON_CHARS_MAX])

    def driver_failed(self, section: str, kind: str) -> None:
        """It is started again; of a version on probation that has changed its source, it ends the version."""
        used, proven = self._kept.used, self._kept.proven
        if proven is None or self._is_stuck or used.sections.get(section) == proven.sections.get(section):
            return
        self._fault = f"{section}: its driver ended by a fault ({kind}); see the gateway's log"
        self._wake.set()

    async def run(self, switch: Switch) -> None:
        """Until cancelled."""
        self._begin_probation()
        while True:
            if not await self._step(switch):
                await self._rest()

    async def _step(self, switch: Switch) -> bool:
        """Whether there was something to do."""
        if self._kept.on_probation and self._fault:
            await self._go_back(switch, self._fault)
        elif (offer := self._offers.take()) is not None:
            await self._consider(switch, offer)
        elif self._is_over():
            await self._conclude(switch)
        else:
            return False
        return True

    async def _rest(self) -> None:
        """Until something is offered or has happened, or probation is over."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._ends_s):
                await self._wake.wait()
        self._wake.clear()

    def _begin_probation(self) -> None:
        now_s = asyncio.get_running_loop().time()
        self._is_overtime = False
        self._ends_s = now_s + self._probation_s if self._kept.on_probation else None

    def _is_over(self) -> bool:
        return self._ends_s is not None and asyncio.get_running_loop().time() >= self._ends_s

    async def _consider(self, switch: Switch, offer: Offer) -> None:
        refused = None if self._refused is None else (self._refused[0], self._refused_digest)
        if reason := reason_to_pass_over(self._kept, refused, offer):
            self._counters.configuration_offers[reason] += 1
            log.debug("configuration passed over", version=offer.version, reason=reason)
            return
        try:
            await self._use(switch, offer)
        except RefusedError as error:
            self._refuse(offer, error)
        else:
            self._counters.configuration_offers["used"] += 1
            self._refused = None
        switch.tell()
        del offer
        give_back()

    async def _use(self, switch: Switch, offer: Offer) -> None:
        """Raises RefusedError; then nothing has changed."""
        try:
            sections = apply(self._kept.used.sections, offer)
        except ConfigurationError as error:
            raise RefusedError([str(error)]) from None
        version = Version(offer.version, sections)
        uplink, was_heard_s = switch.config.uplink, switch.heard_s
        await self._change(switch, self._kept.take(version))
        if switch.config.uplink != uplink and was_heard_s is not None:
            self._tuned_s = asyncio.get_running_loop().time()
        log.info("configuration in use", version=version.version, sections=len(sections))

    async def _change(self, switch: Switch, kept: Kept) -> None:
        """From the version in use to that of `kept`. Raises RefusedError; then nothing has changed."""
        # Apart from the loop: a poll of a device must not wait for it.
        config = await _in_thread(lambda: overlay(self._local, kept.used.sections))
        prepared = await switch.prepare(config)
        try:
            await _in_thread(lambda: self._file.write(kept))
        except KeptFileError as error:
            switch.discard(prepared)
            raise RefusedError([f"it cannot be kept: {error}"]) from error
        self._kept = kept
        await switch.carry_out(prepared)
        self._fault, self._is_stuck = "", False
        self._note_version()
        self._begin_probation()

    def _refuse(self, offer: Offer, error: RefusedError) -> None:
        self._counters.configuration_offers["refused"] += 1
        self._refused = (offer.version, str(error))
        self._refused_digest = offer.digest
        log.error("configuration refused, the one before runs on", version=offer.version, reason=str(error))

    async def _conclude(self, switch: Switch) -> None:
        """Probation is over. Where the collector was not heard although something waits for it, that may
        have come a moment ago: it is given a little longer.
        """
        if self._tuned_s is None or _is_heard_since(self._tuned_s, switch) or not switch.waiting:
            await self._prove()
        elif not self._is_overtime:
            self._is_overtime = True
            self._ends_s = asyncio.get_running_loop().time() + self._probation_s * OVERTIME
        else:
            minutes = round(self._probation_s / 60)
            await self._go_back(
                switch, f"uplink: the collector was not heard for {minutes} minutes after the change"
            )

    async def _prove(self) -> None:
        self._tuned_s = self._ends_s = None
        self._kept = self._kept.prove()
        await self._keep()

    async def end(self) -> None:
        """The gateway is told to stop: what is on probation has not ended it. After `run`."""
        if self._kept.on_probation:
            self._kept = self._kept.forgive()
            await self._keep()

    async def _keep(self) -> None:
        """On a disk that takes nothing a version proves itself again after the next start."""
        try:
            await _in_thread(lambda: self._file.write(self._kept))
        except KeptFileError as error:
            log.error("cannot be kept how a configuration has done", error=str(error))

    async def _go_back(self, switch: Switch, reason: str) -> None:
        failed = self._kept.used.version
        log.error("configuration taken back", version=failed, reason=reason)
        self._counters.configuration_offers["taken_back"] += 1
        self._tuned_s = None
        try:
            await self._change(switch, self._kept.go_back(reason))
        except RefusedError as error:
            # What ran before cannot run any more; it is tried again with the next start.
            log.error("the configuration before cannot be used either", reason=str(error))
            self._refused, self._ends_s = (failed, reason), None
            self._fault, self._is_stuck = "", True
        switch.tell()

    def _note_version(self) -> None:
        self._counters.configuration_version = self._kept.used.version


def _is_heard_since(then_s: float, switch: Switch) -> bool:
    heard_s = switch.heard_s
    return heard_s is not None and heard_s >= then_s


async def _in_thread(work: Callable[[], T]) -> T:
    """Waits for the work also when cancelled: what is being written is written then."""
    task = asyncio.create_task(asyncio.to_thread(work), name="configuration-work")
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
