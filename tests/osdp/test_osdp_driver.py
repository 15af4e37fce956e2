"""The OSDP driver and its panel against simulated readers on a pty."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from device_profiles.observations import CheckObservation, TapObservation
from edge_agent.clock import Clock
from edge_agent.counters import Counters
from edge_agent.drivers.osdp.config import OsdpSource
from edge_agent.drivers.osdp.driver import OsdpDriver
from firmware_bridges.osdp_keys import create_key
from simulators.osdp.reader import SimulatedReader
from simulators.serial import SerialLine
from telemetry.readings import Chunk
from tests.driver_rig import until

CARD = bytes.fromhex("04A1B2C3D4E5F6")


class OsdpRig:
    """A driver on a simulated line: what it gave, and what it counted."""

    def __init__(self, folder: Path, count: int = 1, *, paced: bool = False) -> None:
        self.wires = SerialLine(folder / "adapter", paced=paced)
        self.heard = bytearray()
        self.wires.listen(self.heard.extend)
        self.keys = [create_key(folder / f"{address}.key") for address in range(1, count + 1)]
        readers = [
            {
                "id": f"reader-{address}",
                "place": "main/gate",
                "address": address,
                "key_file": folder / f"{address}.key",
                "door": address,
            }
            for address in range(1, count + 1)
        ]
        self.counters = Counters()
        self.taps: list[TapObservation] = []
        self.reasons: Counter[tuple[str, str]] = Counter()
        source = OsdpSource(name="readers", port=str(self.wires.path), readers=readers)  # type: ignore[arg-type]  # pydantic's to parse
        self.driver = OsdpDriver(source, clock=Clock("system"), counters=self.counters)

    def reader(self, address: int = 1, key: bytes | None = None) -> SimulatedReader:
        made = SimulatedReader(address, key or self.keys[address - 1])
        made.attach(self.wires)
        return made

    def readings(self, chunk: Chunk) -> None:
        raise AssertionError("a card reader gives no readings")

    def check(self, observation: CheckObservation) -> None:
        raise AssertionError("a card reader gives no checks")

    def tap(self, observation: TapObservation) -> None:
        self.taps.append(observation)

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        self.reasons[device, reason] += 1

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with self.wires:
            task = asyncio.create_task(self.driver.run(self), name="driver")
            try:
                yield
            finally:
                task.cancel()
                done, _ = await asyncio.wait({task}, timeout=10)
                assert done, "the driver does not stop"
                if not task.cancelled():
                    task.result()

    async def holds(self, reader: SimulatedReader, card: bytes = CARD, **options: Any) -> TapObservation:
        """A card is held to the reader; returns the tap."""
        had = len(self.taps)
        await until(lambda: reader.is_secure, "the secure channel")
        reader.hold_card(card, **options)
        await until(lambda: len(self.taps) > had, "a tap")
        return self.taps[-1]


async def test_a_card_over_the_secure_channel(tmp_path: Path) -> None:
    rig = OsdpRig(tmp_path)
    async with rig.running():
        reader = rig.reader()
        sent = bytearray()
        put = rig.wires.send

        def send(data: bytes) -> None:
            sent.extend(data)
            put(data)

        rig.wires.send = send  # type: ignore[method-assign]  # listens on the wire
        tap = await rig.holds(reader)
        assert (tap.device, tap.place, tap.door, tap.credential) == (
            "reader-1",
            "main/gate",
            1,
            CARD.hex().upper(),
        )
        await until(lambda: rig.counters.devices["reader-1"].last_seen_ms, "last seen")
        reader.switch_off()
    assert sent
    assert CARD not in sent, "nobody on the wire can read the card"
    assert not rig.reasons


async def test_the_formats_of_wiegand_readers(tmp_path: Path) -> None:
    rig = OsdpRig(tmp_path)
    async with rig.running():
        reader = rig.reader()
        short = await rig.holds(reader, bytes.fromhex("86F444"), wiegand_bits=26)
        long = await rig.holds(reader, bytes.fromhex("0086F445"), wiegand_bits=34)
        reader.switch_off()
    assert (short.credential, long.credential) == ("86F444", "0086F445")


async def test_a_card_that_stays_is_one_tap(tmp_path: Path) -> None:
    rig = OsdpRig(tmp_path)
    async with rig.running():
        reader = rig.reader()
        await rig.holds(reader)
        reader.hold_card(CARD)
        await rig.holds(reader, bytes.fromhex("0086F445"))
        reader.switch_off()
    assert len(rig.taps) == 2


async def test_a_reader_with_another_key_gives_nothing_and_is_counted(tmp_path: Path) -> None:
    rig = OsdpRig(tmp_path)
    async with rig.running():
        reader = rig.reader(key=secrets.token_bytes(16))
        await until(lambda: rig.reasons["reader-1", "secure_channel_refused"] >= 2, "it is tried again")
        reader.hold_card(CARD)
        assert not reader.is_secure
        assert rig.counters.devices["reader-1"].exceptions >= 2
        assert rig.counters.devices["reader-1"].last_seen_ms is None
        reader.key = rig.keys[0]
        reader.restart()
        await rig.holds(reader, bytes.fromhex("0086F445"))
        reader.switch_off()
    assert [tap.credential for tap in rig.taps] == ["0086F445"]


async def test_a_reader_without_a_key_gives_nothing(tmp_path: Path) -> None:
    rig = OsdpRig(tmp_path)
    async with rig.running():
        reader = SimulatedReader(1, None)
        reader.attach(rig.wires)
        await until(lambda: rig.reasons["reader-1", "secure_channel_refused"], "it is counted")
        reader.hold_card(CARD)
        await until(lambda: rig.reasons["reader-1", "secure_channel_refused"] >= 2, "and again")
        reader.switch_off()
    assert not rig.taps


async def test_a_reader_that_restarts_comes_back_by_itself(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig = OsdpRig(tmp_path)
    async with rig.running():
        reader = rig.reader()
        for number in range(1, 3):
            await rig.holds(reader, bytes.fromhex(f"0086F44{number}"))
            reader.restart()
        await rig.holds(reader)
        reader.switch_off()
    assert rig.counters.devices["reader-1"].quarantines == 2
    said = capsys.readouterr().out
    assert said.count("reader lost") == 2
    assert said.count("reader is secure") == 3
    assert "0086F44" not in said


@pytest.mark.parametrize("paced", [True, False])
async def test_several_readers_on_a_line_one_of_them_dead(tmp_path: Path, paced: bool) -> None:  # noqa: FBT001
    rig = OsdpRig(tmp_path, count=3, paced=paced)
    async with rig.running():
        readers = [rig.reader(address) for address in (1, 3)]
        for number, reader in enumerate(readers):
            await rig.holds(reader, bytes.fromhex(f"0086F44{number}"))
        late = rig.reader(2)
        await rig.holds(late)
        for reader in (*readers, late):
            reader.switch_off()
    assert [tap.device for tap in rig.taps] == ["reader-1", "reader-3", "reader-2"]


async def test_an_adapter_that_is_pulled_out_and_put_in_again(tmp_path: Path) -> None:
    rig = OsdpRig(tmp_path)
    async with rig.running():
        reader = rig.reader()
        await rig.holds(reader)
        rig.wires.unplug()
        await until(lambda: rig.counters.devices["reader-1"].silent, "the loss is noticed")
        rig.wires.plug()
        await until(lambda: not rig.counters.devices["reader-1"].silent, "it is back")
        await rig.holds(reader, bytes.fromhex("0086F445"))
        reader.switch_off()
    assert len(rig.taps) == 2


async def test_noise_on_the_line_costs_no_reader(tmp_path: Path) -> None:
    rig = OsdpRig(tmp_path)
    async with rig.running():
        reader = rig.reader()
        await rig.holds(reader)
        for _ in range(20):
            rig.wires.send(secrets.token_bytes(300))
            await asyncio.sleep(0)

        def is_read() -> bool:
            # While the channel is being made anew, a real reader forgets a card too.
            reader.hold_card(bytes.fromhex("0086F445"))
            return len(rig.taps) > 1

        await until(is_read, "a tap after the noise")
        reader.switch_off()
    assert {tap.credential for tap in rig.taps} == {CARD.hex().upper(), "0086F445"}


async def test_check_tells_of_each_reader(tmp_path: Path) -> None:
    rig = OsdpRig(tmp_path, count=3)
    async with rig.wires:
        readers = [rig.reader(1), rig.reader(2, key=secrets.token_bytes(16))]
        reports = {one.device: one async for one in rig.driver.check(2.0)}
        for reader in readers:
            reader.switch_off()
    assert [reports[f"reader-{number}"].ok for number in (1, 2, 3)] == [True, False, False]
    assert "its key is another one" in reports["reader-2"].text
    assert "does not answer" in reports["reader-3"].text
    away = [one async for one in rig.driver.check(0.5)]
    assert not any(one.ok for one in away)
    assert "No such file" in away[0].text
