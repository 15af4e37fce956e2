"""A serial port on serialx, its errors mapped to one.

serialx tells an adapter that was pulled out as OSError(5), some other losses as the end of the
stream; both are `PortAwayError` here. It takes the port for itself alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final, NamedTuple

import serialx

from foundation.oserrors import of_port

OPEN_S_MAX: Final = 5.0
CLOSE_S_MAX: Final = 1.0
UNSENT_BYTES_MAX: Final = 4_096
"""An adapter that takes nothing for so long has gone without saying so."""
_PARITIES: Final = {
    "none": serialx.Parity.NONE,
    "even": serialx.Parity.EVEN,
    "odd": serialx.Parity.ODD,
}

# At its debug level serialx writes down every byte it reads, a card's number too.
logging.getLogger("serialx").setLevel(logging.WARNING)


class PortAwayError(Exception):
    """The port is not there, or no longer; the message says why. Opening it again is the remedy."""


class PortSettings(NamedTuple):
    """Where the port is and how it is set; its speed is given when it is opened."""

    path: str
    parity: str = "none"
    stop_bits: int = 1


class SerialPort:
    """One port. `hear` gets the bytes as they come; `stir` is called when the port was lost."""

    def __init__(
        self, settings: PortSettings, hear: Callable[[bytes], None], stir: Callable[[], None]
    ) -> None:
        self.settings = settings
        self._hear = hear
        self._stir = stir
        self._transport: serialx.BaseSerialTransport | None = None
        self._end: _End | None = None

    async def open(self, baud: int) -> None:
        """Raises PortAwayError."""
        settings = self.settings
        end = _End(self._hear, self._stir)
        try:
            async with asyncio.timeout(OPEN_S_MAX):
                self._transport, _ = await serialx.create_serial_connection(
                    asyncio.get_running_loop(),
                    lambda: end,
                    settings.path,
                    baud,
                    _PARITIES[settings.parity],
                    serialx.StopBits(settings.stop_bits),
                )
        except (OSError, ValueError, TimeoutError) as error:
            raise PortAwayError(_words(error)) from error
        self._end = end

    async def set_baud(self, baud: int) -> None:
        """Changes the speed, and forgets what was heard at the old one. Raises PortAwayError."""
        transport = self._opened()
        try:
            async with asyncio.timeout(OPEN_S_MAX):
                await transport.reconfigure_port(baudrate=baud)
        except (OSError, ValueError, TimeoutError) as error:
            raise PortAwayError(_words(error)) from error

    def write(self, data: bytes) -> None:
        """Sends bytes, without waiting for them. Raises PortAwayError."""
        transport = self._opened()
        if transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            raise PortAwayError("takes nothing")
        try:
            transport.write(data)
        except OSError as error:
            raise PortAwayError(_words(error)) from error

    def ensure_there(self) -> None:
        """Raises PortAwayError when the port has gone."""
        self._opened()

    async def close(self) -> None:
        transport, self._transport, self._end = self._transport, None, None
        if transport is not None:
            # A port that was pulled out may refuse even to be closed.
            with contextlib.suppress(OSError, TimeoutError):
                transport.abort()
                async with asyncio.timeout(CLOSE_S_MAX):
                    await transport.wait_closed()

    def _opened(self) -> serialx.BaseSerialTransport:
        if self._transport is None or self._end is None:
            raise PortAwayError("is not open")
        if self._end.lost is not None:
            raise PortAwayError(self._end.lost)
        return self._transport


class _End(asyncio.Protocol):
    def __init__(self, hear: Callable[[bytes], None], stir: Callable[[], None]) -> None:
        self.lost: str | None = None
        self._hear = hear
        self._stir = stir

    def data_received(self, data: bytes) -> None:
        self._hear(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = "closed" if exc is None else _words(exc)
        self._stir()


def _words(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "does not open in time"
    return of_port(error, "does not open")
