"""A bus that goes away comes back by itself: a gateway restarts, an adapter is pulled out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from simulators.modbus import RtuBus, TcpHost
from tests.driver_rig import until
from tests.modbus.rig import Rig, device, running, unit


async def _goes_on(rig: Rig, name: str) -> None:
    had = len(rig.values(name, "temperature"))
    await until(lambda: len(rig.values(name, "temperature")) > had + 2, f"readings of {name}")


async def test_an_adapter_that_is_pulled_out_and_put_in_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bus = RtuBus(tmp_path / "adapter", [unit(1), unit(2)], paced=False)
    async with bus, running(serial={"port": str(bus.path)}, devices=[device(1), device(2)]) as rig:
        for _ in range(2):
            await _goes_on(rig, "climate-1")
            await bus.stop()
            await until(lambda: not rig.driver._bus._link.is_open, "the loss is noticed")
            await bus.start()
        await _goes_on(rig, "climate-1")
        await _goes_on(rig, "climate-2")
    said = capsys.readouterr().out
    assert said.count("bus is away") == 2, "once each time, however often it is tried"
    assert said.count("bus is there again") == 2
    assert "device silent" not in said, "the devices are not to blame"
    assert set(rig.values("climate-1", "temperature")) == {21.5}


async def test_an_adapter_that_is_not_there_at_the_start(tmp_path: Path) -> None:
    bus = RtuBus(tmp_path / "adapter", [unit(1)], paced=False)
    async with running(serial={"port": str(bus.path)}, devices=[device(1)]) as rig:
        await until(lambda: rig.driver._bus._away, "it is missed")
        async with bus:
            await _goes_on(rig, "climate-1")
    assert rig.polls("climate-1")


async def test_a_gateway_that_restarts() -> None:
    host = TcpHost([unit(1), unit(2)])
    await host.start()
    tcp = {"host": host.host, "port": host.port}
    async with running(tcp=tcp, devices=[device(1), device(2)]) as rig:
        await _goes_on(rig, "climate-1")
        await host.stop()
        await until(lambda: rig.driver._bus._away, "the loss is noticed")
        await host.start()
        await _goes_on(rig, "climate-1")
        await _goes_on(rig, "climate-2")
        await host.stop()
    assert not rig.of("climate-1").quarantines


async def test_dead_units_do_not_end_the_connection_of_their_gateway() -> None:
    dead, absent = unit(2), 9
    dead.faults.silent = True
    async with TcpHost([unit(1), dead]) as host:
        tcp = {"host": host.host, "port": host.port}
        devices = [device(1), device(2), device(absent)]
        # Long enough for a machine that has other things to do: a living unit is never late.
        async with running(tcp=tcp, timeout_s=0.5, devices=devices) as rig:
            await _goes_on(rig, "climate-1")
            connection = rig.driver._bus._link._connection  # type: ignore[attr-defined]  # a TcpLink
            await until(lambda: rig.of("climate-2").polls > 4, "the dead unit was probed")
            await until(
                lambda: rig.of("climate-9").silent, "an answer of the gateway for it is none of the unit"
            )
            await _goes_on(rig, "climate-1")
            assert rig.driver._bus._link._connection is connection  # type: ignore[attr-defined]  # as above
    assert not rig.of("climate-1").timeouts
    assert rig.of("climate-9").exceptions == 0


async def test_a_gateway_that_has_gone_without_saying_so_is_connected_anew() -> None:
    only = unit(1)
    async with TcpHost([only]) as host:
        tcp = {"host": host.host, "port": host.port}
        async with running(tcp=tcp, devices=[device(1, interval_s=0.1)]) as rig:
            await _goes_on(rig, "climate-1")
            first = rig.driver._bus._link._connection  # type: ignore[attr-defined]  # a TcpLink
            only.faults.silent = True
            await until(lambda: first.lost, "after some requests the connection is given up")
            only.faults.silent = False
            await _goes_on(rig, "climate-1")


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        bytes.fromhex("0001 0001 0003 01 83 02"),
        bytes.fromhex("0001 0000 0001 01 83 02"),
    ],
)
async def test_bytes_that_are_not_modbus_end_the_connection_only(said: bytes) -> None:
    heard_after: list[bytes] = []

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(said)
        heard_after.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    tcp = {"host": "127.0.0.1", "port": port}
    # No request is late: only what was said ends the connection.
    async with server, running(tcp=tcp, timeout_s=5, devices=[device(1)]) as rig:
        await until(lambda: len(heard_after) >= 2, "it is tried again")
    assert not rig.chunks
    assert heard_after[0] == b"", "nothing is asked on a connection that is out of step"


async def test_an_adapter_with_echo(tmp_path: Path) -> None:
    async with (
        RtuBus(tmp_path / "bus", [unit(1), unit(2, "relay")], paced=False, echo=True) as bus,
        running(
            serial={"port": str(bus.path), "echo": True},
            timeout_s=0.5,
            devices=[device(1), device(2, "relay")],
        ) as rig,
    ):
        await _goes_on(rig, "climate-1")
        await rig.driver.command("relay-2", "level", 5)
    assert not rig.of("climate-1").timeouts
