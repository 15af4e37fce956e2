"""The desk's firmware on MicroPython, on a pty, read by the gateway's serial driver and its profile."""

from __future__ import annotations

from pathlib import Path

from firmware_bridges.boards import messages
from firmware_bridges.boards.messages import Check
from firmware_bridges.frames import CODECS, FrameReader
from simulators.serial import SerialLine
from tests.boards.live import live_desk
from tests.boards.parts import ANA, BEN
from tests.driver_rig import until
from tests.serial.serial_rig import running


async def test_a_fever_measured_while_the_adapter_was_out_reaches_the_gateway(tmp_path: Path) -> None:
    wires = SerialLine(tmp_path / "adapter", baud=115_200)
    lost, unheard = FrameReader(CODECS["cobs"]()), list[Check]()

    def hear(data: bytes) -> None:
        if wires.is_plugged:
            wires.send(data)
            return
        found = (messages.parse_message(frame.payload) for frame in lost.feed(data))
        unheard.extend(message for message in found if isinstance(message, Check))

    devices = [{"id": "desk", "profile": "campus/morning-desk", "place": "main/gate"}]
    async with live_desk(hear) as desk, wires, running(port=str(wires.path), devices=devices) as rig:
        wires.listen(desk.host)
        desk.host(messages.set_parameter("retry_ms", 200))
        desk.hold(ANA)
        desk.show(36.6)
        await until(lambda: rig.checks, "the first check")
        wires.unplug()
        desk.look_away()
        desk.hold(BEN)
        desk.show(38.4)
        await until(lambda: any(check.card == BEN for check in unheard), "a check into the void")
        wires.plug()
        await until(lambda: len(rig.checks) == 2, "the second check")
    first, second = rig.checks
    assert (first.credential, first.temperature_c, first.site) == (ANA.hex().upper(), 36.6, "forehead")
    assert (second.credential, second.temperature_c, second.ambient_c) == (BEN.hex().upper(), 38.4, 21.5)
    assert not rig.reasons
