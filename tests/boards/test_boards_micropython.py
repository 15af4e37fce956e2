"""Our firmware on a real MicroPython: the same bytes as on CPython, and alive on a pty."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import subprocess
import tty
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TypeVar

import pytest

from edge_agent.drivers.serial.acks import Acknowledger
from firmware_bridges.boards import messages
from firmware_bridges.boards.messages import Check, Heartbeat, Hello, Message
from firmware_bridges.frames import CODECS, FrameReader
from tests.boards import vectors
from tests.boards.parts import ANA, SCENES, SOURCE, card, temperature_frame

Heard = TypeVar("Heard", bound=Message)
RUNNER = Path(__file__).with_name("micropython.mjs")


def _run(mode: str, given: str = "") -> str:
    done = subprocess.run(["node", RUNNER, mode], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_codec_gives_the_same_bytes() -> None:
    assert _run("vectors").strip() == vectors.results()


@pytest.fixture(scope="module")
def played() -> dict[str, object]:
    """Every scene on MicroPython, in one start of it."""
    asked = [
        [
            scene.kind,
            sorted(scene.doings, key=lambda doing: doing[0]),
            scene.until_ms,
            scene.boot,
            scene.has_indicator,
        ]
        for scene in SCENES.values()
    ]
    return dict(zip(SCENES, json.loads(_run("play", json.dumps(asked))), strict=True))


@pytest.mark.parametrize("name", SCENES)
def test_the_firmware_does_the_same(name: str, played: dict[str, object]) -> None:
    assert played[name] == [list(doing) for doing in SCENES[name].play()]


class LiveBoard:
    """A desk on MicroPython in its own time; its line to the gateway is a pty's master."""

    def __init__(self, process: asyncio.subprocess.Process, master: int) -> None:
        self._process = process
        self.master = master
        self.is_plugged = True
        self.into_the_void: asyncio.Queue[Message] = asyncio.Queue(1_000)

    async def carry_from_board(self) -> None:
        lost = FrameReader(CODECS["cobs"]())
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            data = bytes.fromhex(line.decode().split()[1])
            if self.is_plugged:
                with contextlib.suppress(BlockingIOError):
                    os.write(self.master, data)
            else:
                for frame in lost.feed(data):
                    self.into_the_void.put_nowait(messages.parse_message(frame.payload))

    def carry_to_board(self) -> None:
        data = os.read(self.master, 1_024)
        if self.is_plugged:
            self.put("host", data)

    def put(self, port: str, data: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{port} {data.hex()}\n".encode())

    async def show_forehead(self, object_c: float) -> None:
        """Ten times a second, for ever."""
        while True:
            self.put("sensor", temperature_frame(object_c))
            await asyncio.sleep(0.1)


class Gateway:
    """The other end of the pty, read as a driver reads it."""

    def __init__(self, slave: int) -> None:
        self._slave = slave
        self._reader = FrameReader(CODECS["cobs"]())
        self._messages: asyncio.Queue[Message] = asyncio.Queue(1_000)
        self.faults = self._reader.faults

    def readable(self) -> None:
        for frame in self._reader.feed(os.read(self._slave, 7)):
            self._messages.put_nowait(messages.parse_message(frame.payload))

    def send(self, frame: bytes) -> None:
        os.write(self._slave, frame)

    async def hear(self, kind: type[Heard]) -> Heard:
        """The next message of a kind."""
        return await _next(self._messages, kind)


async def _next(queue: asyncio.Queue[Message], kind: type[Heard]) -> Heard:
    while True:
        message = await queue.get()
        if isinstance(message, kind):
            return message


@contextlib.asynccontextmanager
async def live_desk() -> AsyncIterator[tuple[LiveBoard, Gateway]]:
    """A desk that has just started, and the gateway at the other end of its cable."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    process = await asyncio.create_subprocess_exec(
        "node",
        RUNNER,
        "serve",
        "morning-desk",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    board, gateway = LiveBoard(process, master), Gateway(slave)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, board.carry_to_board)
    loop.add_reader(slave, gateway.readable)
    carrying = asyncio.create_task(board.carry_from_board(), name="from board")
    try:
        async with asyncio.timeout(60):
            yield board, gateway
            assert process.returncode is None
    finally:
        loop.remove_reader(master)
        loop.remove_reader(slave)
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await carrying
        os.close(slave)
        os.close(master)


async def test_a_check_made_while_the_cable_is_out_arrives_once() -> None:
    acks = Acknowledger()
    async with live_desk() as (board, gateway):
        assert (await gateway.hear(Hello)).kind == "morning-desk"
        gateway.send(messages.set_parameter("retry_ms", 50))
        gateway.send(messages.request_hello())
        await gateway.hear(Hello)
        board.is_plugged = False
        forehead = asyncio.create_task(board.show_forehead(36.6), name="forehead")
        board.put("reader", bytes.fromhex(card(0, ANA)[2]))
        lost = await _next(board.into_the_void, Check)
        board.is_plugged = True
        first = await gateway.hear(Check)
        again = await gateway.hear(Check)
        assert first[:2] == again[:2] == lost[:2] == (SOURCE, 1)
        assert first[3:] == again[3:] == ("forehead", 36.6, 21.5, ANA)
        assert lost.age_ms < first.age_ms < again.age_ms
        event, repeated = ((*check.source, check.sequence) for check in (first, again))
        assert not acks.is_repeat(event)
        gateway.send(acks.acknowledge(event))
        assert acks.is_repeat(repeated)
        gateway.send(messages.set_parameter("heartbeat_s", 1))
        while (await gateway.hear(Heartbeat)).waiting:
            pass
        forehead.cancel()
    assert not gateway.faults


async def test_noise_on_the_cable_costs_no_check() -> None:
    async with live_desk() as (board, gateway):
        await gateway.hear(Hello)
        gateway.send(messages.set_parameter("retry_ms", 50))
        os.write(board.master, b"\x00\x07noise\xff")
        board.put("reader", bytes.fromhex(card(0, ANA)[2]))
        forehead = asyncio.create_task(board.show_forehead(38.4), name="forehead")
        check = await gateway.hear(Check)
        assert (check.object_c, check.card) == (38.4, ANA)
        forehead.cancel()
    assert sum(gateway.faults.values()) == 1
