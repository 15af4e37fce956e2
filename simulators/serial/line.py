"""A serial line on a pty, behind a stable name, as slow as a real wire.

A pty has no speed: bytes are written when a wire would have delivered them, and passed on to the
boards when a wire would have delivered them there. Whoever opened the port at another speed than the
line's hears rubbish, as with a real one.
"""

from __future__ import annotations

import asyncio
import os
import pty
import random
import termios
import tty
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

PIECE_BYTES_MAX: Final = 16
"""An adapter hands over what it has every few ms, not frame by frame."""
WAITING_BYTES_MAX: Final = 8_192
"""More does not wait for the wire; a board that sends faster loses what does not fit."""
SPEEDS: Final[dict[int, int]] = {
    getattr(termios, f"B{speed}"): speed
    for speed in (300, 600, 1_200, 2_400, 4_800, 9_600, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800)
}

Hear = Callable[[bytes], None]


class SerialLine:
    """The far end of a port. `path` is a symbolic link, as udev makes one for an adapter.

    paced: False delivers at once. Boards send with `send` and hear through `listen`. What was lost,
    because nobody read or the adapter was not plugged in, is counted in `lost_bytes` by reason.
    """

    def __init__(
        self, path: Path, *, baud: int = 9_600, bits_a_character: int = 10, paced: bool = True, seed: int = 1
    ) -> None:
        self.path = path
        self.baud = baud
        self.lost_bytes: Counter[str] = Counter()
        self._character_s = bits_a_character / baud if paced else 0.0
        self._listeners: list[Hear] = []
        self._ends: tuple[int, int] | None = None
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._sent_s = self._heard_s = 0.0
        self._random = random.Random(seed)  # noqa: S311  # noise, no secret

    async def __aenter__(self) -> Self:
        self.plug()
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.unplug()

    @property
    def is_plugged(self) -> bool:
        return self._ends is not None

    @property
    def opened_baud(self) -> int | None:
        """The speed that the port was set to last; None for one that is not in the list."""
        if self._ends is None:
            return None
        return SPEEDS.get(termios.tcgetattr(self._ends[1])[5])

    def listen(self, hear: Hear) -> None:
        self._listeners.append(hear)

    def plug(self) -> None:
        """The adapter is there (again), as another device behind the same name."""
        if self._ends is not None:
            return
        master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(slave))
        # The near end is held open too, so that a client may come and go.
        self._ends = master, slave
        asyncio.get_running_loop().add_reader(master, self._readable)

    def unplug(self) -> None:
        """The adapter is pulled out: whoever has it open sees an error, and its name is gone."""
        if self._ends is None:
            return
        master, slave = self._ends
        self._ends = None
        self.path.unlink(missing_ok=True)
        asyncio.get_running_loop().remove_reader(master)
        os.close(slave)
        os.close(master)
        self._drop("unplugged")

    def send(self, data: bytes) -> None:
        """Puts bytes onto the wire behind those that are on it."""
        if self._ends is None:
            self.lost_bytes["unplugged"] += len(data)
        elif self._waiting_bytes + len(data) > WAITING_BYTES_MAX:
            self.lost_bytes["too_fast"] += len(data)
        elif not self._character_s:
            self._put(data)
        else:
            for at in range(0, len(data), PIECE_BYTES_MAX):
                self._waiting.append(data[at : at + PIECE_BYTES_MAX])
            self._waiting_bytes += len(data)
            if self._timer is None:
                self._sent_s = max(self._sent_s, asyncio.get_running_loop().time())
                self._next()

    def _next(self) -> None:
        self._timer = None
        if self._waiting:
            self._sent_s += len(self._waiting[0]) * self._character_s
            self._timer = asyncio.get_running_loop().call_at(self._sent_s, self._deliver)

    def _deliver(self) -> None:
        piece = self._waiting.popleft()
        self._waiting_bytes -= len(piece)
        self._put(piece)
        self._next()

    def _put(self, data: bytes) -> None:
        if self._ends is None:
            return
        opened = self.opened_baud
        if opened != self.baud:
            data = self._garbled(data, opened or self.baud)
        try:
            sent = os.write(self._ends[0], data)
        except BlockingIOError:
            sent = 0
        # A pty that nobody reads is full some day; a real line would lose the bytes too.
        if sent < len(data):
            self.lost_bytes["nobody_reads"] += len(data) - sent

    def _garbled(self, data: bytes, speed: int) -> bytes:
        """What a port at another speed makes of it: wrong bytes, and more or fewer of them."""
        count = min(max(1, len(data) * speed // self.baud), 4 * len(data))
        return self._random.randbytes(count)

    def _readable(self) -> None:
        assert self._ends is not None
        try:
            data = os.read(self._ends[0], 1_024)
        except OSError:
            return
        if self.opened_baud != self.baud:
            data = self._garbled(data, self.baud)
        if not self._character_s:
            self._tell(data)
            return
        loop = asyncio.get_running_loop()
        self._heard_s = max(self._heard_s, loop.time()) + len(data) * self._character_s
        loop.call_at(self._heard_s, self._tell, data)

    def _tell(self, data: bytes) -> None:
        for hear in self._listeners:
            hear(data)

    def _drop(self, reason: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.lost_bytes[reason] += self._waiting_bytes
        self._waiting.clear()
        self._waiting_bytes = 0
