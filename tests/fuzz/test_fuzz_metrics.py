"""Rubbish, and a crowd that says nothing, at the port where a gateway tells its metrics."""

from __future__ import annotations

import asyncio
import logging
import random

import httpx
import pytest
from structlog.testing import capture_logs

from edge_agent import metrics
from edge_agent.buffer.contract import BufferStats
from edge_agent.counters import Counters
from tests.collector.conftest import eventually
from tests.conftest import free_port
from tests.fuzz.conftest import rounds
from tests.fuzz.raw_requests import SHAPES, say

STATS = BufferStats(0, 0, 0, None, {}, 0)
WORDS = "card 04A1B2C3"


async def test_the_metrics_of_a_gateway_stand_rubbish_and_a_silent_crowd(
    chance: random.Random, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(metrics, "IDLE_S_MAX", 1.0)
    port, before = free_port(), asyncio.all_tasks()
    with caplog.at_level(logging.WARNING), capture_logs() as said:
        async with metrics.served("127.0.0.1", port, Counters(), lambda: STATS):
            for _ in range(rounds(1)):
                for shape in SHAPES:
                    answer = await asyncio.to_thread(say, port, chance, shape)
                    assert answer[:12] in {
                        b"",
                        b"HTTP/1.1 200",
                        b"HTTP/1.1 400",
                        b"HTTP/1.1 405",
                        b"HTTP/1.1 431",
                    }
            crowd = [
                await asyncio.open_connection("127.0.0.1", port) for _ in range(metrics.CONNECTIONS_MAX + 20)
            ]
            for reader, writer in crowd:
                assert await reader.read() == b"", "sent away unheard, or for its silence"
                writer.transport.abort()
            async with httpx.AsyncClient() as client:
                found = await client.get(f"http://127.0.0.1:{port}/metrics")
            assert found.status_code == 200
            refused = next(
                line
                for line in found.text.splitlines()
                if line.startswith("campus_edge_metrics_refused_total")
            )
            assert float(refused.split()[1]) >= 20
            assert "campus_edge_messages_total 0.0" in found.text
            open_still = await asyncio.open_connection("127.0.0.1", port)
    open_still[1].transport.abort()
    await eventually(lambda: asyncio.all_tasks() == before, "nothing is left running")
    assert caplog.records == []
    assert said == []


async def test_a_fault_ends_a_connection_and_is_told_once_without_its_words() -> None:
    port, faulty = free_port(), True

    def stats() -> BufferStats:
        if faulty:
            raise RuntimeError(WORDS)
        return STATS

    with capture_logs() as said:
        async with metrics.served("127.0.0.1", port, Counters(), stats), httpx.AsyncClient() as client:
            for _ in range(2):
                with pytest.raises(httpx.RemoteProtocolError):
                    await client.get(f"http://127.0.0.1:{port}/metrics")
            faulty = False
            assert (await client.get(f"http://127.0.0.1:{port}/metrics")).status_code == 200
    (one,) = said
    assert (one["event"], one["error"]) == ("metrics could not be told", "RuntimeError")
    assert WORDS not in str(said)
