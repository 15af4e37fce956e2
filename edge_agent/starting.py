"""What a gateway takes from the machine before it works: its buffer's file, and a port for metrics."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

from edge_agent.buffer import SqliteBuffer
from edge_agent.buffer.contract import BufferFullError, BufferStats
from edge_agent.config import GatewayConfig, MetricsSection
from edge_agent.counters import Counters
from foundation.oserrors import why


class StartError(Exception):
    """The gateway cannot start; the message names the cause and, where there is one, the remedy."""


async def open_buffer(config: GatewayConfig) -> SqliteBuffer:
    """Raises StartError."""
    folder, settings = config.gateway.data_dir, config.buffer
    try:
        return await SqliteBuffer.open(
            folder / "buffer.db",
            bytes_max=settings.bytes_max,
            disk_free_bytes_min=settings.disk_free_bytes_min,
        )
    except BufferFullError as error:
        raise StartError(f"{error}; make room on the disk") from error
    except OSError as error:
        raise StartError(f"gateway.data_dir {folder} cannot be used: {error}") from error


@contextlib.asynccontextmanager
async def metrics_served(
    settings: MetricsSection, counters: Counters, buffer: Callable[[], BufferStats]
) -> AsyncIterator[None]:
    """Serves Prometheus metrics until left, if a port is configured. Raises StartError."""
    if not settings.port:
        yield
        return
    # Loaded only where somebody asks: 3 MB of a gateway's little memory.
    from edge_agent.metrics import served  # noqa: PLC0415  # said above

    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(served(settings.host, settings.port, counters, buffer))
        except OSError as error:
            reason = f"metrics.port {settings.port} on {settings.host}: {why(error)}"
            raise StartError(reason) from error
        yield
