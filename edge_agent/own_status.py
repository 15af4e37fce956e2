"""What a gateway says of itself, in the contract's words."""

from __future__ import annotations

from importlib.metadata import version

from edge_agent.buffer.contract import BufferStats
from edge_agent.clock import Clock
from edge_agent.config import GatewaySection
from edge_agent.counters import Counters
from telemetry.configuration import Running
from telemetry.status import FORMAT, Status


def own_status(
    gateway: GatewaySection,
    clock: Clock,
    counters: Counters,
    stats: BufferStats,
    configuration: Running,
    *,
    started_ms: int,
) -> Status:
    """As it is at this moment."""
    return Status(
        format=FORMAT,
        school=gateway.school,
        gateway=gateway.id,
        time_ms=clock.now_ms(),
        clock=clock.quality,
        software=version("campus-pulse"),
        started_ms=started_ms,
        buffer_batches=stats.batches,
        buffer_bytes=stats.size_bytes,
        buffer_oldest_ms=stats.oldest_ms,
        readings_in=counters.readings_in,
        readings_stored=counters.readings_stored,
        dropped=counters.drops(stats.given_up),
        configuration=configuration,
    )
