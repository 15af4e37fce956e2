"""A private D-Bus of our own: a dbus-daemon that nobody else talks to, in place of the system bus."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from types import TracebackType
from typing import Final, Self

READY_S_MAX: Final = 20.0
STOP_S_MAX: Final = 10.0
_UNDERTAKER: Final = '"$@" & exec >&- 2>&-; read -r _; kill $!; wait'
"""A shell between us and the daemon: when we end, however it may be, its standard input does, and it
ends the daemon. A daemon that outlives a killed test would stay for ever.
"""
_CONFIG: Final = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
  </policy>
  <limit name="max_connections_per_user">1024</limit>
</busconfig>
"""


class NoDbusError(Exception):
    """There is no dbus-daemon here, or it does not start. The message names the remedy."""


class PrivateBus:
    """A dbus-daemon with its socket in `folder`, whose path should be short (107 bytes at most).

    Its `address` goes into DBUS_SYSTEM_BUS_ADDRESS of whoever shall meet the simulated adapters.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = folder / "dbus.sock"
        self._process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        return f"unix:path={self._socket}"

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
        """Returns once connections are taken. Raises NoDbusError."""
        binary = shutil.which("dbus-daemon")
        if binary is None:
            raise NoDbusError("no dbus-daemon here; install the Debian package dbus-daemon")
        self._folder.mkdir(parents=True, exist_ok=True)
        self._socket.unlink(missing_ok=True)
        config = self._folder / "dbus.conf"
        config.write_text(_CONFIG.format(socket=self._socket), "utf-8")
        process = await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _UNDERTAKER, "sh", binary, f"--config-file={config}"),
            *("--nofork", "--nopidfile", "--nosyslog", "--print-address"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the simulator, which ends its bus last
        )
        self._process = process
        assert process.stdout is not None
        try:
            async with asyncio.timeout(READY_S_MAX):
                told = await process.stdout.readline()
        except TimeoutError:
            told = b""
        if not told:
            assert process.stderr is not None
            await self.stop()
            why = (await process.stderr.read()).decode("utf-8", "replace").strip()
            raise NoDbusError(f"dbus-daemon does not start: {why or 'it says nothing'}")

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(STOP_S_MAX):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        self._socket.unlink(missing_ok=True)
