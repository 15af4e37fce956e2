"""Against programs that others wrote: mbpoll asks our simulator, a libmodbus server answers us.

libmodbus is loaded by ctypes; Debian's mbpoll brings both.
"""

from __future__ import annotations

import asyncio
import ctypes
import ctypes.util
import os
import pty
import shutil
import socket
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent.drivers.modbus import requests
from edge_agent.drivers.modbus.link import NoReplyError, RefusedError
from edge_agent.drivers.modbus.rtu import RtuLink, SerialLine
from edge_agent.drivers.modbus.tcp import TcpLink
from simulators.modbus import RtuBus, TcpHost
from simulators.modbus.unit import COILS, HOLDING_REGISTERS
from tests.driver_rig import until
from tests.modbus.rig import unit

MAPPED = 20


def _libmodbus() -> Any:
    if shutil.which("mbpoll") is None:
        pytest.fail("no mbpoll here; install the Debian package: apt-get install mbpoll", pytrace=False)
    library = ctypes.CDLL("libmodbus.so.5", use_errno=True)
    for name in ("modbus_new_tcp", "modbus_new_rtu", "modbus_mapping_new"):
        getattr(library, name).restype = ctypes.c_void_p
    return library


class _Mapping(ctypes.Structure):
    """``modbus_mapping_t`` of libmodbus 3.1."""

    _fields_ = (
        ("counts", ctypes.c_int * 8),
        ("bits", ctypes.POINTER(ctypes.c_uint8)),
        ("input_bits", ctypes.POINTER(ctypes.c_uint8)),
        ("input_registers", ctypes.POINTER(ctypes.c_uint16)),
        ("registers", ctypes.POINTER(ctypes.c_uint16)),
    )


@contextmanager
def _serving(library: Any, context: Any, listening: int | None) -> Iterator[_Mapping]:
    """A libmodbus server in a thread, for one client; registers 0 to 19 hold 100 to 119."""
    mapping = _Mapping.from_address(library.modbus_mapping_new(MAPPED, MAPPED, MAPPED, MAPPED))
    for at in range(MAPPED):
        mapping.registers[at] = 100 + at
        mapping.input_registers[at] = 200 + at
        mapping.bits[at] = at % 2
        mapping.input_bits[at] = at % 3 == 0
    stop = threading.Event()

    def serve() -> None:
        if listening is not None:
            library.modbus_tcp_accept(context, ctypes.byref(ctypes.c_int(listening)))
        query = (ctypes.c_uint8 * 260)()
        library.modbus_set_indication_timeout(context, 0, 50_000)
        while not stop.is_set():
            size = library.modbus_receive(context, query)
            if size > 0:
                library.modbus_reply(context, query, size, ctypes.byref(mapping))
            elif listening is not None and ctypes.get_errno() != 110:  # ETIMEDOUT: nobody asked
                return

    thread = threading.Thread(target=serve, name="libmodbus")
    thread.start()
    try:
        yield mapping
    finally:
        stop.set()
        thread.join(10)
        library.modbus_close(context)
    assert not thread.is_alive()


async def _ask_everything(link: RtuLink | TcpLink, mapping: _Mapping) -> None:
    async def ask(request: requests.Request) -> tuple[int, ...]:
        return requests.values(request, await link.exchange(1, request, 2))

    assert await ask(requests.read(3, 2, 10)) == tuple(range(102, 112))
    assert await ask(requests.read(4, 0, 3)) == (200, 201, 202)
    assert (await ask(requests.read(1, 0, 9)))[:9] == (0, 1, 0, 1, 0, 1, 0, 1, 0)
    assert (await ask(requests.read(2, 0, 4)))[:4] == (1, 0, 0, 1)
    await ask(requests.write_coil(0, True))
    await ask(requests.write_register(0, 4_711))
    await ask(requests.write_coils(2, [True, True, False]))
    await ask(requests.write_registers(4, [1, 2, 65_535]))
    await ask(requests.mask_write(8, 0xF0, 0x05))
    assert await ask(requests.read_write(4, 3, 10, [9, 8])) == (1, 2, 65_535)
    assert mapping.bits[0] == 1
    assert mapping.registers[0] == 4_711
    assert list(mapping.bits[2:5]) == [1, 1, 0]
    assert mapping.registers[8] == 108 & 0xF0 | 0x05
    assert list(mapping.registers[10:12]) == [9, 8]
    with pytest.raises(RefusedError, match="exception 2"):
        await ask(requests.read(3, 15, 10))


async def test_our_tcp_link_against_a_libmodbus_server() -> None:
    library = _libmodbus()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = ctypes.c_void_p(library.modbus_new_tcp(b"127.0.0.1", port))
    listening = library.modbus_tcp_listen(context, 1)
    assert listening >= 0
    link = TcpLink("127.0.0.1", port)
    with _serving(library, context, listening) as mapping:
        await link.open()
        await _ask_everything(link, mapping)
        await link.close()
    os.close(listening)


async def test_our_rtu_link_against_a_libmodbus_server(tmp_path: Path) -> None:
    """Two ptys back to back: libmodbus opens one, our link the other."""
    library = _libmodbus()
    (near, near_slave), (far, far_slave) = pty.openpty(), pty.openpty()
    for end in (near_slave, far_slave):
        tty.setraw(end)
    loop = asyncio.get_running_loop()
    for source, target in ((near, far), (far, near)):
        os.set_blocking(source, False)
        loop.add_reader(source, lambda source=source, target=target: os.write(target, os.read(source, 512)))  # type: ignore[misc]
    context = ctypes.c_void_p(
        library.modbus_new_rtu(os.ttyname(far_slave).encode(), 19_200, ctypes.c_char(b"N"), 8, 1)
    )
    library.modbus_set_slave(context, 1)
    assert library.modbus_connect(context) == 0
    link = RtuLink(SerialLine(os.ttyname(near_slave), 19_200))
    with _serving(library, context, None) as mapping:
        await link.open()
        await _ask_everything(link, mapping)
        with pytest.raises(NoReplyError):
            await link.exchange(2, requests.read(3, 0, 1), 0.05)
        await link.close()
    for end in (near, far):
        loop.remove_reader(end)
    for end in (near, near_slave, far, far_slave):
        os.close(end)


async def _mbpoll(*arguments: str) -> tuple[int, str]:
    _libmodbus()
    process = await asyncio.create_subprocess_exec(
        "mbpoll", "-1", "-0", "-o", "5", *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


def _values(output: str) -> list[str]:
    return [line.split()[1] for line in output.splitlines() if line.startswith("[")]


async def test_mbpoll_reads_and_writes_our_simulated_units(tmp_path: Path) -> None:
    climate, relay = unit(1), unit(2, "relay")
    serial = ("-m", "rtu", "-b", "19200", "-P", "none", str(tmp_path / "bus"))
    async with (
        TcpHost([climate, relay]) as host,
        RtuBus(tmp_path / "bus", [climate, relay], baud=19_200),
    ):
        for where in (("-m", "tcp", "-p", str(host.port), host.host), serial):
            *options, address = where
            code, said = await _mbpoll(*options, "-a", "1", "-r", "0", "-c", "2", "-t", "4", address)
            assert (code, _values(said)) == (0, ["215", "400"]), said
            code, said = await _mbpoll(*options, "-a", "1", "-r", "8", "-c", "1", "-t", "4:float", address)
            assert (code, _values(said)) == (0, ["247"]), said
            code, said = await _mbpoll(*options, "-a", "2", "-r", "3", "-c", "1", "-t", "0", address)
            assert (code, _values(said)) == (0, ["1"]), said
            code, said = await _mbpoll(*options, "-a", "2", "-r", "2", "-c", "1", "-t", "3", address)
            assert (code, _values(said)) == (0, ["321"]), said
            code, said = await _mbpoll(*options, "-a", "1", "-r", "50", "-c", "1", "-t", "4", address)
            assert code, "there is no such register"
            assert "Illegal data address" in said
            code, said = await _mbpoll(*options, "-a", "2", "-r", "20", "-t", "4", address, "7")
            assert code == 0, said
        await until(lambda: relay.written.get((HOLDING_REGISTERS, 20)) == 7, "the written register")
    assert (COILS, 3) not in relay.written
