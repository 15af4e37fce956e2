"""A Modbus TCP host: a device, or a gateway with several units behind it."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from simulators.modbus.handler import PLACEHOLDER, TcpServer
from simulators.modbus.unit import SimulatedUnit, Units


class TcpHost:
    """Serves while the context lasts. Port 0 takes a free one, which `port` then tells."""

    def __init__(self, units: Iterable[SimulatedUnit], port: int = 0, host: str = "127.0.0.1") -> None:
        self.units = Units(units)
        self.host = host
        self.port = port
        self._server: TcpServer | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Raises RuntimeError when the port is taken."""
        server = TcpServer(PLACEHOLDER, address=(self.host, self.port))
        server.units = self.units
        await server.serve_forever(background=True)
        self.port = server.transport.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # an asyncio.Server
        self._server = server

    async def stop(self) -> None:
        """Every connection ends and the port is closed, as when the power goes."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]  # pymodbus leaves it so
            self._server = None
