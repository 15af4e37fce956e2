"""A simulated board: speaks by itself each interval, or answers what it is asked."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from device_profiles.registry import Profile, serial_spec
from firmware_bridges.frames import FrameReader, shdlc
from firmware_bridges.frames.dlt645 import ANY_ADDRESS, Dlt645Codec
from simulators.serial.content import Frames, Truth, frames_of, meter_answer
from simulators.serial.faults import BoardFaults
from simulators.serial.line import SerialLine

INTERVAL_S: Final = 1.0
RESTART_S: Final = 0.5
HEARD_BYTES_MAX: Final = 256
METERS: Final = "dlt645"


class SimulatedBoard:
    """A board of a profile's model on a line, its frames made of the truth.

    It streams every `interval_s` where the profile asks nothing, else it answers; an SHDLC sensor only
    after it was started, and with waits_for_start any board that is to be told so. `said` counts its
    frames, `asked` the requests it understood. address: a meter's own, on a line with several.
    """

    def __init__(
        self,
        profile: Profile,
        truth: Truth,
        *,
        interval_s: float = INTERVAL_S,
        address: str = "",
        frames: Frames | None = None,
        waits_for_start: bool = False,
        seed: int = 1,
    ) -> None:
        spec = serial_spec(profile)
        self.profile = profile
        self.faults = BoardFaults()
        self.said = 0
        self.asked: Counter[str] = Counter()
        self._interval_s = interval_s
        self._address = address.zfill(12)
        self._line: SerialLine | None = None
        self._random = random.Random(seed)  # noqa: S311  # noise, no secret
        self._heard = bytearray()
        self._reader = FrameReader(Dlt645Codec())
        self._timer: asyncio.TimerHandle | None = None
        self._is_meter = spec.frame == METERS
        self._streams = not spec.polls
        self._answer: Callable[[str], bytes] = meter_answer(profile, self._address, truth)
        self._frames: Frames = _nothing if self._is_meter else frames or frames_of(profile, truth)
        self._starts = [bytes.fromhex(text) for text in spec.start_up]
        self._is_shdlc = spec.frame == "shdlc"
        self._must_be_started = bool(self._starts) and (waits_for_start or self._is_shdlc)
        self._started = not self._must_be_started
        self._requests: Mapping[bytes, str] = {
            bytes.fromhex(poll.request): poll.request for poll in spec.polls if poll.request is not None
        }

    def attach(self, line: SerialLine) -> None:
        """Puts the board on a line, switched on."""
        self._line = line
        line.listen(self._hear)
        self.switch_on()

    def switch_on(self) -> None:
        if self._streams and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._interval_s, self._stream)

    def switch_off(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def restart(self) -> None:
        """Off, and on again a little later, in the middle of what it was saying."""
        assert self._line is not None
        self.switch_off()
        self._line.send(self._frames()[:5])
        self._started = not self._must_be_started
        self._heard.clear()
        asyncio.get_running_loop().call_later(RESTART_S, self.switch_on)

    def say(self, frame: bytes) -> None:
        """Sends a frame, with what is wrong with this board."""
        if self.faults.silent or self._line is None:
            return
        self.said += 1
        spoilt = self.faults.spoil(frame, self._random)
        delay_s = self.faults.delay_s()
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, self._line.send, spoilt)
        else:
            self._line.send(spoilt)

    def _stream(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._interval_s, self._stream)
        if self._started:
            self.say(self._frames())

    def _hear(self, data: bytes) -> None:
        if self._is_meter:
            for frame in self._reader.feed(data):
                values = frame.values
                mine = values["meter_address"].value in {self._address, ANY_ADDRESS}
                if "request" in values and "data_identifier" in values and mine:
                    identifier = str(values["data_identifier"].value)
                    self.asked[identifier] += 1
                    self.say(self._answer(identifier))
            return
        self._heard += data
        for start in self._starts:
            if self._heard.endswith(start):
                self._heard.clear()
                self._started = True
                if self._is_shdlc:
                    self.say(shdlc.encode(b"", command=start[2]))
        for request, name in self._requests.items():
            if self._heard.endswith(request):
                self._heard.clear()
                self.asked[name] += 1
                self.say(
                    self._frames() if self._started else shdlc.encode(b"", state=shdlc.NOT_IN_THIS_STATE)
                )
        del self._heard[:-HEARD_BYTES_MAX]


def _nothing() -> bytes:
    """A meter says nothing unasked."""
    return b""
