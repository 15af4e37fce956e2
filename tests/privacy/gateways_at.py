"""Gateways in one process of their own, in a school's time that the test sets: run as a module.

Arguments: the first moment in ms UTC, then the gateways' files. Each line of standard input is a
JSON object, answered by one line: ``{"school_ms", "monotonic_s", "speed"}`` sets the clock; ``{}`` asks for
the counters; the end of the input stops all of them.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from edge_agent.agent import Agent
from edge_agent.config import load_config
from foundation import logs
from tests.privacy.sim_time import Moment, SchoolTime


async def serve(start_ms: int, files: list[Path]) -> None:
    time = SchoolTime(start_ms)
    agents = [Agent(load_config(file), time.gateway_clock()) for file in files]
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    async with asyncio.TaskGroup() as group:
        for agent in agents:
            group.create_task(agent.run(), name=agent.config.gateway.id)
        for agent in agents:
            await agent.running.wait()
        print(json.dumps({"running": len(agents)}), flush=True)
        while line := await reader.readline():
            said = json.loads(line)
            if said:
                time.moment = Moment(**said)
            print(json.dumps({one.config.gateway.id: _counters(one) for one in agents}), flush=True)
        for agent in agents:
            agent.stop()


def _counters(agent: Agent) -> dict[str, Any]:
    counters = agent.counters
    return {
        "dropped": dict(counters.dropped),
        "refused": {"/".join(key): count for key, count in counters.refused.items()},
        "map_version": counters.map_version,
        "checks_in": counters.checks_in,
        "records_buffered": counters.records_buffered,
        "records_stored": counters.records_stored,
        "map_failures": dict(counters.map_failures),
    }


if __name__ == "__main__":
    logs.configure("debug", "json")
    asyncio.run(serve(int(sys.argv[1]), [Path(argument) for argument in sys.argv[2:]]))
