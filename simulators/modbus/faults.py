"""What can go wrong with a simulated unit; every setting may be changed while it runs."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass
class Faults:
    """silent: it does not answer. latency_s: it answers so much later. late_s: seconds of delay of
    the next answers, one each. corrupt: one byte of every answer is wrong. duplicate: every answer
    comes twice. exception: it refuses with this code.
    """

    silent: bool = False
    latency_s: float = 0.0
    late_s: deque[float] = field(default_factory=deque)
    corrupt: bool = False
    duplicate: bool = False
    exception: int | None = None

    def delay_s(self) -> float:
        """Of the next answer; uses up what is set for it alone."""
        return self.late_s.popleft() if self.late_s else self.latency_s

    def spoil(self, frame: bytes) -> bytes:
        """The answer as it goes out."""
        if self.corrupt:
            at = len(frame) // 2
            frame = frame[:at] + bytes((frame[at] ^ 0x55,)) + frame[at + 1 :]
        return frame * 2 if self.duplicate else frame
