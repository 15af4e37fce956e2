"""Runs the demo's parts together, shows progress, and counts at the end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final, NamedTuple

from sqlalchemy import Connection, func, select

from campus.demo.broker import embedded_broker
from campus.demo.site import Site
from campus.demo.vault import open_demo_vault
from collector.config import load_config as load_collector
from collector.records.tables import RECORD_TABLES, alerts
from collector.service import Service
from edge_agent.agent import Agent
from edge_agent.config import load_config as load_gateway
from foundation.broker import BrokerSettings
from identity_vault.service import Service as VaultService
from simulators.devices import Simulation
from simulators.publisher import Publisher

REPORT_S: Final = 0.5
SETTLE_S: Final = 1.0
"""How long devices' last messages may take through the broker."""


class Progress(NamedTuple):
    """What the demo shows while it runs."""

    url: str
    elapsed_s: float
    messages: int
    readings_in: int
    buffered: int
    acknowledged: int
    alerts: int
    records: int


class Outcome(NamedTuple):
    """What was acknowledged and what the stores hold at the end; `waiting` is still in a buffer."""

    acknowledged_readings: int
    stored_readings: int
    acknowledged_records: int
    stored_records: int
    alerts: int
    waiting_batches: int
    by_type: dict[str, int]
    """Stored records by type."""

    @property
    def complete(self) -> bool:
        """Every acknowledged reading and record is in its store, and nothing is there twice."""
        kept = (self.stored_readings, self.stored_records)
        told = (self.acknowledged_readings, self.acknowledged_records)
        if self.waiting_batches:
            # Stored, but its acknowledgement has not come back: more may be there than was told.
            return all(have >= said for have, said in zip(kept, told, strict=True))
        return kept == told


async def run_demo(
    site: Site,
    simulation: Simulation,
    *,
    duration_s: float | None,
    stop: asyncio.Event,
    report: Callable[[Progress], None],
) -> Outcome:
    """Runs until `stop` is set or the time is over; returns when everything has stopped cleanly."""
    service = Service(load_collector(site.collector))
    agents = [Agent(load_gateway(file)) for file in site.gateways]
    broker = BrokerSettings(host="127.0.0.1", port=site.broker_port)
    publisher = Publisher(simulation, broker)
    loop = asyncio.get_running_loop()
    started_s = loop.time()
    async with (
        embedded_broker(site.broker_port),
        _running_vault(site),
        asyncio.TaskGroup() as group,
    ):
        group.create_task(service.run(), name="collector")
        await service.running.wait()
        running = [group.create_task(agent.run(), name=agent.config.gateway.id) for agent in agents]
        for agent in agents:
            await agent.running.wait()
        publishing = group.create_task(publisher.run(), name="school")

        def progress() -> Progress:
            return Progress(
                url=service.url,
                elapsed_s=loop.time() - started_s,
                messages=sum(publisher.totals.messages.values()),
                readings_in=sum(agent.counters.readings_in for agent in agents),
                buffered=sum(agent.counters.readings_buffered for agent in agents),
                acknowledged=sum(agent.counters.readings_stored for agent in agents),
                alerts=service.alerts_raised,
                records=sum(agent.counters.records_stored for agent in agents),
            )

        end_s = None if duration_s is None else started_s + duration_s
        while not stop.is_set() and (end_s is None or loop.time() < end_s):
            report(progress())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REPORT_S):
                    await stop.wait()
        publishing.cancel()
        await asyncio.wait([publishing])
        await asyncio.sleep(SETTLE_S)
        waiting = 0
        for agent in agents:
            agent.stop()
        await asyncio.wait(running)
        waiting = sum(agent.batches_left for agent in agents)
        report(progress())
        outcome = await _count(service, agents, waiting)
        service.stop()
    return outcome


@contextlib.asynccontextmanager
async def _running_vault(site: Site) -> AsyncIterator[None]:
    with open_demo_vault(site.vault) as vault:
        service = VaultService(vault)
        async with asyncio.TaskGroup() as group:
            group.create_task(service.run(), name="vault")
            await service.running.wait()
            yield
            service.stop()


async def _count(service: Service, agents: list[Agent], waiting: int) -> Outcome:
    assert service.store is not None
    assert service.records is not None

    def count(connection: Connection) -> tuple[dict[str, int], int]:
        stored = {
            name: connection.scalar(select(func.count()).select_from(table)) or 0
            for name, table in RECORD_TABLES.items()
        }
        return stored, connection.scalar(select(func.count()).select_from(alerts)) or 0

    by_type, raised = await service.records.run(count)
    return Outcome(
        acknowledged_readings=sum(agent.counters.readings_stored for agent in agents),
        stored_readings=await service.store.point_count(),
        acknowledged_records=sum(agent.counters.records_stored for agent in agents),
        stored_records=sum(by_type.values()),
        alerts=raised,
        waiting_batches=waiting,
        by_type=by_type,
    )
