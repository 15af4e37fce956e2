"""A listener beside its devices, in one event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from device_profiles.registry import Catalogue
from edge_agent.clock import Clock
from edge_agent.drivers.http_push.config import HttpSource
from edge_agent.drivers.http_push.driver import HttpDriver
from tests.conftest import free_port
from tests.driver_rig import Kept

CATALOGUE = Catalogue()
WAIT_S_MAX = 20.0
USERNAME, PASSWORD = "terminal", "correct horse"
TOKEN = "0123456789abcdef0123"
ZONE = ZoneInfo("Asia/Shanghai")


class Rig(Kept):
    """A running driver: where it listens, what it gave, and what it counted."""

    def __init__(self, folder: Path, **source: Any) -> None:
        secrets = {"gate.password": PASSWORD, "thermometer.token": TOKEN}
        for name, text in secrets.items():
            (folder / name).write_text(text + "\n", "utf-8")
            (folder / name).chmod(0o600)
        devices = [
            {
                "id": "gate-1",
                "profile": "hikvision/isapi",
                "place": "main/gate",
                "username": USERNAME,
                "password_file": folder / "gate.password",
            },
            {
                "id": "thermometer-1",
                "profile": "wecom/temperature",
                "place": "main/lobby",
                "token_file": folder / "thermometer.token",
            },
            {
                "id": "air-1",
                "profile": "json/environment-http",
                "place": "main/301",
                "path": "/sensors/air-1",
                "token_file": folder / "thermometer.token",
            },
        ]
        self.port = free_port()
        super().__init__()
        self.source = HttpSource.model_validate(
            {"name": "stations", "port": self.port, "devices": devices, **source}
        )
        self.driver = HttpDriver(
            self.source,
            catalogue=CATALOGUE,
            table=self.table,
            zone=ZONE,
            clock=Clock("system"),
            counters=self.counters,
        )

    @property
    def url(self) -> str:
        return self.source.where

    async def raw(self, data: bytes, *, half_close: bool = False) -> bytes:
        """All that is answered until the listener ends the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(data)
            if half_close:
                writer.write_eof()
            async with asyncio.timeout(WAIT_S_MAX):
                return await reader.read()
        finally:
            writer.close()


@asynccontextmanager
async def running(folder: Path, **source: Any) -> AsyncIterator[Rig]:
    """The driver works while the context lasts; that it ends without an error is part of the test."""
    rig = Rig(folder, **source)
    task = asyncio.create_task(rig.driver.run(rig), name="driver")
    try:
        async with asyncio.timeout(WAIT_S_MAX):
            await rig.driver.listening.wait()
        yield rig
    finally:
        task.cancel()
        done, _ = await asyncio.wait({task}, timeout=WAIT_S_MAX)
        assert done, "the driver does not stop"
        if not task.cancelled():
            task.result()
