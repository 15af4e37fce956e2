"""Whatever comes out of a port, in whatever pieces: nothing raises, and what is good comes through."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_profiles.observations import CheckObservation, TapObservation
from device_profiles.registry import Catalogue, Profile
from device_profiles.serial import bind_serial
from device_profiles.serial_schema import SerialProfile
from edge_agent.clock import Clock
from edge_agent.counters import Counters, DeviceCounters
from edge_agent.drivers.serial.acks import REMEMBERED_MAX, Acknowledger
from edge_agent.drivers.serial.board import Board
from edge_agent.drivers.serial.conversation import Conversation
from edge_agent.drivers.serial.port import PortAwayError
from edge_agent.drivers.serial.speeds import SpeedTrial
from firmware_bridges.boards import wire
from simulators.serial.content import example_frames
from telemetry.readings import Chunk, SeriesTable

PROFILES = [one for one in Catalogue().all() if isinstance(one.spec, SerialProfile)]


class _Ear:
    """A conversation that goes nowhere, and what it gave."""

    def __init__(self, profile: Profile, *, candidates: Sequence[int] = (9_600,)) -> None:
        self.given = 0
        self.reasons: list[str] = []
        spec = profile.spec
        assert isinstance(spec, SerialProfile)
        address = "1" if spec.is_addressed else ""
        decoder = bind_serial(profile, device="board", place="main/301", table=SeriesTable(), address=address)
        board = Board(decoder, interval_s=None, counters=DeviceCounters(), driver="port")
        self.talk = Conversation(
            [board],
            SpeedTrial(candidates, patience_s=1),
            write=self._write,
            stir=lambda: None,
            clock=Clock("system"),
            counters=Counters(),
            sink=self,
        )

    def _write(self, data: bytes) -> None:
        raise PortAwayError("gone in this moment")

    def readings(self, chunk: Chunk) -> None:
        self.given += len(chunk)

    def check(self, observation: CheckObservation) -> None:
        self.given += 1

    def tap(self, observation: TapObservation) -> None:
        self.given += 1

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        assert device in {"board", "unknown"}
        assert reason.replace("_", "").isalpha()
        self.reasons.append(reason)

    def hear(self, pieces: Sequence[bytes]) -> None:
        async def run() -> None:
            for piece in pieces:
                self.talk.hear(piece)

        asyncio.run(run())


@pytest.mark.parametrize("profile", PROFILES, ids=[one.id for one in PROFILES])
@settings(max_examples=15, deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=20))
def test_any_bytes(profile: Profile, pieces: list[bytes]) -> None:
    for candidates in ((9_600,), (9_600, 19_200)):
        _Ear(profile, candidates=candidates).hear(pieces)


@pytest.mark.parametrize("profile", PROFILES, ids=[one.id for one in PROFILES])
def test_good_frames_in_any_pieces(profile: Profile) -> None:
    spec = profile.spec
    assert isinstance(spec, SerialProfile)
    if spec.polls or not (spec.fields or spec.check or spec.card):
        return
    data = b"".join(example_frames(profile))
    wholly, bit_by_bit = _Ear(profile), _Ear(profile)
    wholly.hear([data])
    bit_by_bit.hear([data[at : at + 1] for at in range(len(data))])
    assert wholly.given
    assert bit_by_bit.given == wholly.given


def test_what_was_acknowledged_is_known_for_long_but_not_for_ever() -> None:
    acks = Acknowledger()
    for sequence in range(REMEMBERED_MAX + 10):
        event = (b"SIMBOARD", 1, sequence)
        assert not acks.is_repeat(event)
        acks.acknowledge(event)
        assert acks.is_repeat(event)
    assert acks.is_repeat((b"SIMBOARD", 1, 10))
    assert not acks.is_repeat((b"SIMBOARD", 1, 9))


def test_only_events_want_an_answer() -> None:
    acks = Acknowledger()
    hello = wire.pack_message(wire.HELLO, b"SIMBOARD", 3, (2, 1, 0, 0, 17))
    tap = wire.pack_message(wire.TAP, b"SIMBOARD", 3, (9, 0, 2, 1, 26), b"\x01\x02\x03")
    assert acks.event(hello) is None
    assert acks.event(b"rubbish") is None
    assert acks.event(tap) == (b"SIMBOARD", 3, 9)
