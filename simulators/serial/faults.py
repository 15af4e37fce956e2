"""What can go wrong with a simulated board; every setting may be changed while it runs."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field


@dataclass
class BoardFaults:
    """silent: it says nothing. latency_s: it speaks so much later; late_s: seconds of delay of the next
    frames, one each. corrupt: one byte of every frame is wrong. noise_bytes: so many stray bytes before
    every frame. duplicate: every frame comes twice. truncate: the end of every frame is missing.
    """

    silent: bool = False
    latency_s: float = 0.0
    late_s: deque[float] = field(default_factory=deque)
    corrupt: bool = False
    noise_bytes: int = 0
    duplicate: bool = False
    truncate: bool = False

    def delay_s(self) -> float:
        """Of the next frame; uses up what is set for it alone."""
        return self.late_s.popleft() if self.late_s else self.latency_s

    def spoil(self, frame: bytes, chance: random.Random) -> bytes:
        """The frame as it goes out."""
        if self.corrupt:
            at = len(frame) // 2
            frame = frame[:at] + bytes((frame[at] ^ 0x55,)) + frame[at + 1 :]
        if self.truncate:
            frame = frame[: len(frame) * 2 // 3]
        if self.noise_bytes:
            frame = chance.randbytes(self.noise_bytes) + frame
        return frame * 2 if self.duplicate else frame
