"""Offers that come in any order, more than once, or from somebody else; what becomes of a version."""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.configuring import overlay as overlay_module
from edge_agent.configuring.beginning import begin
from edge_agent.configuring.kept import KeptFile
from edge_agent.configuring.overlay import overlay
from edge_agent.drivers import sources_of
from edge_agent.drivers.modbus.driver import ModbusDriver
from telemetry.ack import FORMAT as ACK_FORMAT
from telemetry.ack import Ack, encode_ack
from telemetry.configuration import Running, digest, encode_offer
from telemetry.envelope import Kind, Signer, open_envelope
from tests.conftest import free_port
from tests.edge.configuring_parts import CollectorDouble, bus, local_config, sections
from tests.edge.configuring_rig import Rig, configuring
from tests.edge.edge_parts import GATEWAY, SCHOOL, eventually, item

LOCAL = "[batch]\ninterval_s = 7.0\n" + bus("hall", 1)
GOOD = [
    {},
    sections("[batch]\ninterval_s = 3.0\n"),
    sections(bus("hall", 2)),
    sections(bus("lab", 3) + "[uplink]\nresend_s = 5.0\n"),
    sections(bus("hall", 1, 1, 2) + bus("lab", 3) + "[[report]]\nmode = 'every'\n"),
]
BAD = [sections("[batch]\ninterval_s = 0.0\n"), sections(bus("lab", 1))]


def is_in_force(rig: Rig, version: int) -> None:
    """The version, and all of it: in memory, on the disk, in the parts, in what is told."""
    wanted = rig.collector.versions[version]
    assert rig.running.version == version == rig.counters.configuration_version
    assert rig.running.digest == digest(wanted)
    config = overlay(rig.local, wanted)
    assert rig.switch.config == config
    assert rig.drivers._sources == sources_of(config)
    assert set(rig.drivers._tasks) == set(sources_of(config))
    assert not any(task.done() for task in rig.drivers._tasks.values())
    assert set(rig.counters.devices) == {device.id for device in config.devices}
    assert rig.batcher._interval_s == config.batch.interval_s
    assert rig.outlook.forwarder._resend_s == config.uplink.resend_s
    assert begin(rig.local, rig.file, look_only=True).config == config


def listener(port: int, host: str = "127.0.0.1") -> str:
    return (
        f'[[http]]\nname = "posts"\nport = {port}\nhost = "{host}"\n'
        'devices = [{ id = "gate-9", profile = "hikvision/isapi", place = "main/gate", token_file = "gate.token" }]\n'
    )


Delivery = tuple[int, int]
"""Version and base, as numbers that are taken modulo what there is."""


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.sampled_from([*GOOD, *BAD]), min_size=1, max_size=5),
    st.lists(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=4), max_size=4),
)
def test_however_offers_come_the_gateway_ends_where_the_collector_meant(
    versions: Sequence[dict[str, str]], bursts: Sequence[Sequence[Delivery]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_any_order(Path(folder), versions, bursts))


async def _any_order(
    folder: Path, versions: Sequence[dict[str, str]], bursts: Sequence[Sequence[Delivery]]
) -> None:
    collector = CollectorDouble()
    for wanted in versions:
        collector.put(wanted)
    count = len(versions)
    async with configuring(local_config(folder, LOCAL), collector) as rig:
        for burst in bursts:
            before = rig.running.version
            await rig.offers([(1 + number % count, base % (count + 1)) for number, base in burst])
            assert rig.running.version >= before, "never back to an older one by an offer"
            is_in_force(rig, rig.running.version)
        # The collector's side of it: what runs is told, and the newest is offered from there.
        meant = collector.newest
        told = rig.running
        if meant not in {told.version, told.refused}:
            await rig.offer(meant, told.version)
        if collector.versions[meant] in BAD:
            assert rig.running.refused == meant
            assert rig.running.reason
            assert rig.running.version < meant
        else:
            assert rig.running == Running(meant, digest(collector.versions[meant]))
        is_in_force(rig, rig.running.version)


async def test_what_is_not_the_collectors_for_this_gateway_changes_nothing(tmp_path: Path) -> None:
    collector = CollectorDouble()
    version = collector.make(bus("lab", 3))
    offer = collector.offer(version)
    stranger = Signer(Ed25519PrivateKey.generate())
    huge = {f"modbus/{number}": "[]" for number in range(501)}
    cases = {
        "not_signed": stranger.wrap(Kind.CONFIGURATION, encode_offer(offer)),
        "other_gateway": collector.wrap(msgspec.structs.replace(offer, gateway="gw-other")),
        "other_format": collector.wrap(msgspec.structs.replace(offer, format=2)),
        "unreadable": collector.wrap(msgspec.structs.replace(offer, changed=huge)),
        "too_large": collector.wrap(msgspec.structs.replace(offer, changed={"batch": "x" * 700_000})),
        "other_base": collector.wrap(msgspec.structs.replace(offer, base="0" * 64)),
    }
    async with configuring(local_config(tmp_path, LOCAL), collector) as rig:
        for number, (reason, data) in enumerate(cases.items(), start=1):
            rig.configurator.offered(open_envelope(data))
            await eventually(lambda: sum(rig.counters.configuration_offers.values()) == number, reason)  # noqa: B023  # awaited here
            assert rig.outcome(reason) == 1
        assert rig.running == Running(0, "")
        is_in_force(rig, 0)
        await rig.offer(version)
        is_in_force(rig, version)
        await rig.offer(version)
        assert rig.outcome("repeated") == 1


async def test_an_offer_that_lies_about_its_outcome_is_refused(tmp_path: Path) -> None:
    collector = CollectorDouble()
    version = collector.make(bus("lab", 3))
    offer = msgspec.structs.replace(collector.offer(version), digest="0" * 64)
    async with configuring(local_config(tmp_path, LOCAL), collector) as rig:
        rig.configurator.offered(open_envelope(collector.wrap(offer)))
        await eventually(lambda: rig.outcome("refused"), "refused")
        assert rig.running == Running(0, "", version, "the offer does not come out as it says")
        await rig.offer(version)
        assert rig.running.version == version, "the good one under the same number is none that was refused"


async def test_a_reset_by_hand_stays_until_there_is_a_newer_version(tmp_path: Path) -> None:
    collector, local = CollectorDouble(), local_config(tmp_path, LOCAL)
    first, second = collector.make(bus("lab", 3)), collector.make(bus("lab", 4))
    async with configuring(local, collector) as rig:
        await rig.offer(first)
        await rig.offer(second, first)
        rig.file.write(rig.file.read().reset("by hand"))
    async with configuring(local, collector) as rig:
        assert rig.running == Running(0, "", second, "by hand")
        for version in (first, second):
            await rig.offer(version)
            is_in_force(rig, 0)
        assert rig.outcome("older") == 2
        third = collector.make(bus("lab", 5))
        await rig.offer(third)
        is_in_force(rig, third)
        assert rig.running.refused is None


async def test_a_disk_that_takes_nothing_leaves_the_version_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = CollectorDouble()
    first, second = collector.make(bus("lab", 3)), collector.make(bus("lab", 4))
    fsync = os.fsync

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    async with configuring(local_config(tmp_path, LOCAL), collector) as rig:
        await rig.offer(first)
        monkeypatch.setattr(os, "fsync", full)
        await rig.offer(second, first)
        monkeypatch.setattr(os, "fsync", fsync)
        assert rig.running.refused == second
        assert "cannot be kept" in rig.running.reason
        assert "No space left" in rig.running.reason
        is_in_force(rig, first)


async def test_a_configuration_never_makes_the_gateway_give_up_what_waits(tmp_path: Path) -> None:
    collector = CollectorDouble()
    async with configuring(local_config(tmp_path, LOCAL), collector) as rig:
        buffer = rig.outlook.buffer
        big = item()._replace(body=bytes(1_100_000))
        await buffer.append([big])
        await rig.offer(collector.make("[buffer]\nbytes_max = 1_048_576\n"))
        assert "buffer: bytes_max 1,048,576 is less than the" in rig.running.reason
        await rig.offer(collector.make(f"[buffer]\ndisk_free_bytes_min = {10**18}\n"))
        assert "buffer: disk_free_bytes_min" in rig.running.reason
        assert buffer.stats().batches == 1
        await rig.offer(good := collector.make("[buffer]\nbytes_max = 2_000_000\n"))
        is_in_force(rig, good)
        await buffer.append([item(), big])
        assert buffer.stats().given_up, "the new bound holds from then on"


async def test_a_port_that_another_program_has_is_refused(tmp_path: Path) -> None:
    collector = CollectorDouble()
    port = free_port()
    (tmp_path / "device-secrets").mkdir()
    (tmp_path / "device-secrets" / "gate.token").write_text("x")
    server = await asyncio.start_server(lambda _r, _w: None, "127.0.0.1", port)
    async with server, configuring(local_config(tmp_path, LOCAL), collector) as rig:
        await rig.offer(collector.make(listener(port)))
        assert f"http/posts: port {port} on 127.0.0.1 is taken by another program" in rig.running.reason
        is_in_force(rig, 0)
        server.close()
        await rig.offer(good := collector.make(listener(port)))
        is_in_force(rig, good)


async def test_a_fault_of_the_program_is_a_refusal_and_not_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = CollectorDouble()
    version = collector.make(bus("lab", 3))

    def fault(_: object) -> object:
        raise KeyError("a fault of the program")

    async with configuring(local_config(tmp_path, LOCAL), collector) as rig:
        with monkeypatch.context() as patch:
            patch.setattr(overlay_module, "find_problems", fault)
            await rig.offer(version)
        assert rig.running.refused == version
        assert rig.running.reason == "the gateway's program failed on it (KeyError); its log has the place"
        is_in_force(rig, 0)


async def test_an_address_that_is_none_is_the_drivers_to_say(tmp_path: Path) -> None:
    collector = CollectorDouble()
    (tmp_path / "device-secrets").mkdir()
    (tmp_path / "device-secrets" / "gate.token").write_text("x")
    version = collector.make(listener(1_234, host="a\\u0000b"))
    async with configuring(local_config(tmp_path, LOCAL), collector) as rig:
        await rig.offer(version)
        await eventually(lambda: rig.outcome("taken_back"), "its driver has ended by a fault")
        await eventually(lambda: rig.counters.configuration_version == 0, "the file runs again")
        assert "http/posts: its driver ended by a fault (ValueError)" in rig.running.reason
        is_in_force(rig, 0)


async def test_a_driver_that_cannot_be_made_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = CollectorDouble()
    version = collector.make(bus("lab", 3) + bus("hall", 2))
    make_bus = ModbusDriver._make_bus

    def fault(self: ModbusDriver, counters: object) -> object:
        if self.name == "lab":
            raise RuntimeError("a fault of the program")
        return make_bus(self, counters)  # type: ignore[arg-type]  # as it was called

    async with configuring(local_config(tmp_path, LOCAL), collector) as rig:
        monkeypatch.setattr(ModbusDriver, "_make_bus", fault)
        await rig.offer(version)
        assert rig.running.refused == version
        assert "modbus/lab: its driver cannot be made (RuntimeError)" in rig.running.reason
        is_in_force(rig, 0)


async def test_a_driver_that_ends_by_a_fault_ends_a_version_on_probation_and_not_the_gateway(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collector = CollectorDouble()
    first, second = collector.make(bus("lab", 3)), collector.make(bus("hall", 2) + bus("yard", 4))
    run = ModbusDriver.run

    async def fault(self: ModbusDriver, sink: object) -> None:
        if self.name == "yard":
            raise RuntimeError("a fault of the program")
        await run(self, sink)  # type: ignore[arg-type]  # as it was called

    async with configuring(local_config(tmp_path, LOCAL), collector, probation_s=0.05) as rig:
        await rig.offer(first)
        await eventually(lambda: not rig.file.read().on_probation, "it has proven itself")
        monkeypatch.setattr(ModbusDriver, "run", fault)
        rig.configurator._probation_s = 3_600
        await rig.offer(second, first)
        await eventually(lambda: rig.outcome("taken_back"), "it is taken back")
        await eventually(lambda: rig.running.version == first, "the one before runs again")
        assert rig.running.refused == second
        assert "modbus/yard: its driver ended by a fault (RuntimeError)" in rig.running.reason
        is_in_force(rig, first)
    # And it stays so over a restart: the collector is not to offer it again.
    told = begin(rig.local, rig.file, look_only=True).kept
    assert (told.used.version, told.refused, told.newest) == (first, second, second)


@pytest.mark.parametrize(
    ("waits", "comes_back", "another"),
    [(True, True, False), (True, False, False), (False, False, False), (True, False, True)],
)
async def test_an_uplink_that_does_not_come_back_takes_the_version_back(
    tmp_path: Path, *, waits: bool, comes_back: bool, another: bool
) -> None:
    """Where nothing waits for the collector, that it says nothing means nothing. Another version that comes
    meanwhile takes nothing from what has to be proven.
    """
    collector = CollectorDouble()
    version = collector.make("[uplink]\nresend_s = 3600.0\n")
    async with configuring(local_config(tmp_path, LOCAL), collector, probation_s=0.3) as rig:

        async def answer() -> None:
            ack = Ack(ACK_FORMAT, SCHOOL, GATEWAY, "bulk", rig.outlook.buffer.generation, received=((1, 1),))
            data = rig.outlook.collector.wrap(Kind.ACK, encode_ack(ack))
            await rig.outlook.forwarder.answered(data)

        await answer()
        if waits:
            await rig.outlook.buffer.append([item()])
        await rig.offer(version)
        if another:
            version = collector.make("[uplink]\nresend_s = 3600.0\n" + bus("lab", 3))
            await rig.offer(version)
        assert rig.running.version == version
        if comes_back:
            await answer()
        if comes_back or not waits:
            await eventually(lambda: not rig.file.read().on_probation, "it has proven itself")
            is_in_force(rig, version)
            assert rig.running.refused is None
        else:
            await eventually(lambda: rig.outcome("taken_back"), "it is taken back")
            await eventually(lambda: rig.running.version == 0, "the file runs again")
            assert rig.running.refused == version
            assert "uplink: the collector was not heard" in rig.running.reason
            is_in_force(rig, 0)


def test_a_version_with_which_the_gateway_does_not_stay_up_is_left(tmp_path: Path) -> None:
    collector, local = CollectorDouble(), local_config(tmp_path, LOCAL)
    version = collector.make(bus("lab", 3))

    async def use() -> None:
        async with configuring(local, collector) as rig:
            await rig.offer(version)

    asyncio.run(use())
    file = KeptFile(local.gateway.data_dir, local.collector.public_key)
    versions = [begin(local, file).kept.used.version for _ in range(4)]
    assert versions == [version, version, 0, 0]
    found = begin(local, file)
    assert found.config == local
    assert found.kept.refused == version
    assert "did not stay up" in found.kept.reason


async def test_memory_and_figures_do_not_grow_with_versions(tmp_path: Path) -> None:
    collector = CollectorDouble()
    async with configuring(local_config(tmp_path, LOCAL), collector) as rig:
        for number in range(12):
            version = collector.make(bus(f"lab-{number}", 3) + f"[batch]\ninterval_s = {number + 1}\n")
            await rig.offer(version)
            rig.counters.refused[f"lab-{number}-1", "for_the_test"] += 1
            is_in_force(rig, version)
        assert len(rig.counters.refused) <= 2
        assert rig.counters.drops({})["for_the_test"] == 12
        assert len(rig.drivers) == 2
        assert rig.file.path.stat().st_size < 4_096
