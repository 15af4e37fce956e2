"""Finds the speed of a line by trying: the right one gives good frames and nothing else.

At a wrong speed a port hears rubbish, in which a weak check sum may see a frame now and then; so a
speed is believed only after several good frames with no fault between them. Until then the frames
are held back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from firmware_bridges.frames import Frame

GOOD_FRAMES: Final = 2
"""So many in a row, without a fault between, settle the speed."""
RUBBISH_BYTES_MAX: Final = 160
"""More without a good frame, and the next speed is tried at once."""
DOUBT_BYTES: Final = 1_024
"""More without a good frame puts even a settled speed on trial again: the board was exchanged."""
DOUBT_QUESTIONS: Final = 6
"""As many questions in a row without an answer do so too."""


class SpeedTrial:
    """The speeds a line may have, and which one is tried. Times are monotonic, in seconds.

    A line that says nothing is given `patience_s` a speed; one whose boards are asked (None), as long
    as they answer. With one candidate there is no trial.
    """

    def __init__(self, candidates: Sequence[int], *, patience_s: float | None) -> None:
        self._candidates = tuple(candidates)
        self._patience_s = patience_s
        self._at = 0
        self._since_s = 0.0
        self._held: list[Frame] = []
        self._bytes_without = 0
        self._unanswered = 0
        self._tried = 0
        self.settled = len(candidates) == 1

    @property
    def baud(self) -> int:
        return self._candidates[self._at]

    @property
    def heard_bytes(self) -> int:
        """Since the last good frame, or since the speed is tried."""
        return self._bytes_without

    def start(self, now_s: float) -> None:
        """The port was opened, or set to the speed that is tried now."""
        self._since_s = now_s
        self._held.clear()
        self._bytes_without = 0
        self._unanswered = 0

    def heard(self, count: int, *, faulty: bool) -> None:
        """Bytes came; faulty: something in them was no good frame. Before their frames are told."""
        self._bytes_without += count
        if faulty:
            self._held.clear()
        self._doubt()

    def unanswered(self) -> None:
        """A question got no good answer."""
        self._unanswered += 1
        self._doubt()

    def _doubt(self) -> None:
        if len(self._candidates) > 1 and (
            self._bytes_without > DOUBT_BYTES or self._unanswered >= DOUBT_QUESTIONS
        ):
            self.settled = False

    def good(self, frame: Frame) -> tuple[Frame, ...]:
        """A good frame came. The frames that may be believed: those held back too, once settled."""
        self._bytes_without = 0
        self._unanswered = self._tried = 0
        if self.settled:
            return (frame,)
        self._held.append(frame)
        if len(self._held) < GOOD_FRAMES:
            return ()
        self.settled = True
        held, self._held = tuple(self._held), []
        return held

    def gives_up_at_s(self) -> float | None:
        """When the next speed is to be tried; None while there is no reason to."""
        if self.settled:
            return None
        if self._bytes_without > RUBBISH_BYTES_MAX or self._unanswered:
            return self._since_s
        return None if self._patience_s is None else self._since_s + self._patience_s

    def next(self) -> int:
        """The next speed to try, round and round."""
        self._at = (self._at + 1) % len(self._candidates)
        self._tried += 1
        return self.baud

    @property
    def round_over(self) -> bool:
        """Every speed was tried as often as the others since the last good frame."""
        return self._tried % len(self._candidates) == 0
