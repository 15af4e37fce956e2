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
from typing import TypeVar

import pytest

from edge_agent.drivers.serial.acks import Acknowledger
from firmware_bridges.boards import messages
from firmware_bridges.boards.messages import Check, Heartbeat, Hello, Message
from firmware_bridges.frames import CODECS, FrameReader
from tests.boards import vectors
from tests.boards.live import RUNNER, LiveDesk, live_desk
from tests.boards.parts import ANA, SCENES, SOURCE

Heard = TypeVar("Heard", bound=Message)


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


class Cable:
    """A pty's master, between the board and the gateway. What the board says while it is out is kept."""

    def __init__(self, master: int) -> None:
        self.master = master
        self.is_plugged = True
        self.into_the_void: asyncio.Queue[Message] = asyncio.Queue(1_000)
        self._lost = FrameReader(CODECS["cobs"]())

    def from_board(self, data: bytes) -> None:
        if self.is_plugged:
            with contextlib.suppress(BlockingIOError):
                os.write(self.master, data)
            return
        for frame in self._lost.feed(data):
            self.into_the_void.put_nowait(messages.parse_message(frame.payload))

    def to_board(self, desk: LiveDesk) -> None:
        data = os.read(self.master, 1_024)
        if self.is_plugged:
            desk.host(data)


@contextlib.asynccontextmanager
async def desk_on_a_cable() -> AsyncIterator[tuple[LiveDesk, Cable, Gateway]]:
    """A desk that has just started, and the gateway at the other end of its cable."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    cable, gateway = Cable(master), Gateway(slave)
    loop = asyncio.get_running_loop()
    try:
        async with live_desk(cable.from_board) as desk:
            loop.add_reader(master, cable.to_board, desk)
            loop.add_reader(slave, gateway.readable)
            yield desk, cable, gateway
    finally:
        loop.remove_reader(master)
        loop.remove_reader(slave)
        os.close(slave)
        os.close(master)


async def test_a_check_made_while_the_cable_is_out_arrives_once() -> None:
    acks = Acknowledger()
    async with desk_on_a_cable() as (desk, cable, gateway):
        assert (await gateway.hear(Hello)).kind == "morning-desk"
        gateway.send(messages.set_parameter("retry_ms", 50))
        gateway.send(messages.request_hello())
        await gateway.hear(Hello)
        cable.is_plugged = False
        desk.show(36.6)
        desk.hold(ANA)
        lost = await _next(cable.into_the_void, Check)
        cable.is_plugged = True
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
    assert not gateway.faults


async def test_noise_on_the_cable_costs_no_check() -> None:
    async with desk_on_a_cable() as (desk, cable, gateway):
        await gateway.hear(Hello)
        os.write(cable.master, b"\x00\x07noise\xff")
        desk.hold(ANA)
        desk.show(38.4)
        check = await gateway.hear(Check)
        assert (check.object_c, check.card) == (38.4, ANA)
    assert sum(gateway.faults.values()) == 1
