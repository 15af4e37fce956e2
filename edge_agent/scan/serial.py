"""Finds out what speaks on a serial port. Listens first, and asks only what profiles ask.

A framing tells itself: its check sum comes out right, frame after frame. Which model it is often does
not stand in the frame; several profiles may fit, a person has to choose.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from device_profiles.registry import Catalogue, Profile
from device_profiles.serial import ADDRESS, bind_serial
from device_profiles.serial_schema import SerialProfile
from edge_agent.drivers.serial.conversation import REFUSALS
from edge_agent.drivers.serial.port import PortSettings, SerialPort
from firmware_bridges.frames import CODECS, REQUESTS, Frame, FrameReader
from telemetry.quality import Quality
from telemetry.readings import Chunk, SeriesTable

FITS_MAX: Final = 5
"""Candidates told of one port, the best first."""
FRAMES_MIN: Final = 2
"""So many good frames of what speaks by itself; rubbish may look like one."""
SAYS_SO: Final = "says so itself"
PEOPLE: Final = "a card or a check; what it says is not shown"
REFUSES: Final = "answers, but has no values before it is started"
OWN_BOARDS: Final = "cobs"
"""Their check has 16 bits, and they say which board they are: one frame is enough."""
ANYBODY: Final = "AAAAAAAAAAAA"
"""The address that every meter answers to."""


class LineSettings(NamedTuple):
    """How a port is opened."""

    baud: int
    parity: str
    stop_bits: int


class SerialFit(NamedTuple):
    """A profile that may be a board's, with what it read there."""

    profile: str
    values: tuple[tuple[str, float, str], ...]
    note: str = ""
    """Instead of values: those of a person are not shown, others are not there yet."""

    @property
    def told(self) -> str:
        return self.note or ", ".join(f"{quantity} {value:g} {unit}" for quantity, value, unit in self.values)


class SerialFound(NamedTuple):
    """What speaks on a port: its framing, the settings, and the profiles that fit, the best first.
    `addresses` of meters that answered.
    """

    settings: LineSettings
    frame: str
    fits: tuple[SerialFit, ...]
    addresses: tuple[str, ...] = ()


class _Ears:
    """Everything heard at one setting, through every framing at once."""

    def __init__(self) -> None:
        self._readers: dict[str, FrameReader] = {}
        self.frames: dict[str, list[Frame]] = {}
        self.heard_bytes = 0

    def listen(self, framings: Iterable[str]) -> None:
        self._readers = {name: FrameReader(CODECS[name]()) for name in framings}
        self.frames = {name: [] for name in self._readers}

    def hear(self, data: bytes) -> None:
        self.heard_bytes += len(data)
        for name, reader in self._readers.items():
            self.frames[name] += [frame for frame in reader.feed(data) if "request" not in frame.values]

    def faults(self, name: str) -> int:
        return self._readers[name].faults.total()

    def refused(self, name: str) -> bool:
        return not REFUSALS.isdisjoint(self._readers[name].faults)


class SerialScan:
    """Scans ports for the boards that the catalogue knows.

    listen_s: how long it listens at each setting; what speaks every few seconds needs more. tell: is
    given a line about what is tried.
    """

    def __init__(self, catalogue: Catalogue, *, listen_s: float, tell: Callable[[str], None]) -> None:
        self._listen_s = listen_s
        self._tell = tell
        self._table = SeriesTable()
        self._profiles = [one for one in catalogue.all() if isinstance(one.spec, SerialProfile)]

    def settings(self) -> list[LineSettings]:
        """Those of all profiles, the usual ones first."""
        counted: dict[LineSettings, int] = {}
        for profile in self._profiles:
            for setting in _settings(profile):
                counted[setting] = counted.get(setting, 0) + 1
        return sorted(counted, key=lambda one: (-counted[one], one))

    async def port(self, path: str) -> SerialFound | None:
        """What speaks on a port; None where nothing known does. Raises PortAwayError."""
        for setting in self.settings():
            profiles = [one for one in self._profiles if setting in _settings(one)]
            ears = _Ears()
            port = SerialPort(PortSettings(path, setting.parity, setting.stop_bits), ears.hear, lambda: None)
            await port.open(setting.baud)
            try:
                found = await self._listen(port, ears, setting, profiles)
                found = found or await self._ask(port, ears, setting, profiles)
            finally:
                await port.close()
            self._tell(f"{setting.baud} Bd, parity {setting.parity}: {ears.heard_bytes} bytes heard")
            if found is not None:
                return found
        return None

    async def _listen(
        self, port: SerialPort, ears: _Ears, setting: LineSettings, profiles: Sequence[Profile]
    ) -> SerialFound | None:
        ears.listen({_spec(one).frame for one in profiles})
        await asyncio.sleep(self._listen_s)
        port.ensure_there()
        good = [
            name
            for name, frames in ears.frames.items()
            if len(frames) >= (1 if name == OWN_BOARDS else FRAMES_MIN) and len(frames) > ears.faults(name)
        ]
        if not good:
            return None
        # One that reads numbers out of what another only passes on knows it better.
        found = [self._found(setting, name, ears.frames[name], profiles) for name in good]
        return max(found, key=lambda one: (len(one.fits), len(ears.frames[one.frame])))

    async def _ask(
        self, port: SerialPort, ears: _Ears, setting: LineSettings, profiles: Sequence[Profile]
    ) -> SerialFound | None:
        asked: set[bytes] = set()
        for profile in profiles:
            spec = _spec(profile)
            for request in _requests(profile):
                if request in asked:
                    continue
                asked.add(request)
                ears.listen({spec.frame})
                port.write(request)
                await asyncio.sleep(spec.answer_s)
                port.ensure_there()
                # An adapter may give back what was sent.
                echoes = {frame.payload for frame in FrameReader(CODECS[spec.frame]()).feed(request)}
                answers = [frame for frame in ears.frames[spec.frame] if frame.payload not in echoes]
                same = [one for one in profiles if request in _requests(one)]
                if answers:
                    return self._found(setting, spec.frame, answers, same)
                if ears.refused(spec.frame):
                    fits = tuple(SerialFit(one.id, (), REFUSES) for one in same)
                    return SerialFound(setting, spec.frame, fits[:FITS_MAX])
        return None

    def _found(
        self, setting: LineSettings, name: str, frames: Sequence[Frame], profiles: Sequence[Profile]
    ) -> SerialFound:
        fits = [
            fit
            for profile in profiles
            if _spec(profile).frame == name and (fit := self._fit(profile, frames)) is not None
        ]
        fits.sort(key=lambda fit: (-_share(fit), -len(fit.values), fit.profile))
        told = dict.fromkeys(str(frame.values[ADDRESS].value) for frame in frames if ADDRESS in frame.values)
        return SerialFound(setting, name, tuple(fits[:FITS_MAX]), tuple(told))

    def _fit(self, profile: Profile, frames: Sequence[Frame]) -> SerialFit | None:
        """The profile when it reads something of the frames, and all that is plausible."""
        decoder = bind_serial(profile, device="scan", place="scan/scan", table=self._table)
        chunk = Chunk()
        people = False
        refused: set[str] = set()
        for frame in frames:
            outcome = decoder.decode(frame, 0, chunk)
            people = people or bool(outcome.checks or outcome.taps)
            refused.update(outcome.refused)
        kinds = {frame.values["kind"].value for frame in frames if "kind" in frame.values}
        if kinds:
            return SerialFit(profile.id, (), SAYS_SO) if profile.id.partition("/")[2] in kinds else None
        readings = {one.series.quantity: one for one in chunk.readings(self._table)}
        if any(one.quality is Quality.OUT_OF_RANGE for one in readings.values()):
            return None
        if not people and (not readings or refused):
            return None
        units = {row.quantity: row.spec.unit for row in decoder.spec.fields}
        values = tuple((name, one.value, units[name]) for name, one in readings.items())
        return SerialFit(profile.id, values, PEOPLE if people else "")


def _share(fit: SerialFit) -> float:
    """How many of its values are not 0: what a model lacks often reads as 0."""
    return sum(value != 0 for _, value, _ in fit.values) / max(len(fit.values), 1)


def _spec(profile: Profile) -> SerialProfile:
    assert isinstance(profile.spec, SerialProfile)
    return profile.spec


def _settings(profile: Profile) -> Iterator[LineSettings]:
    line = _spec(profile).line
    for baud in line.baud:
        yield LineSettings(baud, line.parity, line.stop_bits)


def _requests(profile: Profile) -> Iterator[bytes]:
    """What a profile asks; of a framing with addresses its first question, to whomever it concerns."""
    spec = _spec(profile)
    for poll in spec.polls:
        if poll.request is not None:
            yield bytes.fromhex(poll.request)
        elif poll.identifier is not None:
            yield REQUESTS[spec.frame](ANYBODY, poll.identifier)
            return
