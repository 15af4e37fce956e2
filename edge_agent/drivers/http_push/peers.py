"""What is known of the addresses that connect: how many connections, how many wrong credentials."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final

PEERS_MAX: Final = 1_024
FORGET_S: Final = 600.0
DELAY_FIRST_S: Final = 0.25
DELAY_S_MAX: Final = 5.0


class Peers:
    """Bounded: of more peers than it can keep, it forgets the one that failed longest ago."""

    def __init__(
        self,
        connections_max: int,
        connections_per_peer_max: int,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connections_max = connections_max
        self._per_peer_max = connections_per_peer_max
        self._clock_s = clock_s
        self._connections: Counter[str] = Counter()
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def admit(self, peer: str) -> bool:
        """A connection is there. True: it counts until `leave`; False: there are too many already."""
        full = self._connections.total() >= self._connections_max
        if full or self._connections[peer] >= self._per_peer_max:
            return False
        self._connections[peer] += 1
        return True

    def leave(self, peer: str) -> None:
        self._connections[peer] -= 1
        if self._connections[peer] <= 0:
            del self._connections[peer]

    def failed(self, peer: str) -> float:
        """A wrong credential. Seconds to wait before saying so: twice as long each time."""
        now_s = self._clock_s()
        count, last_s = self._failures.pop(peer, (0, now_s))
        count = 1 if now_s - last_s > FORGET_S else count + 1
        self._failures[peer] = (count, now_s)
        if len(self._failures) > PEERS_MAX:
            self._failures.popitem(last=False)
        return min(DELAY_S_MAX, DELAY_FIRST_S * 2.0 ** min(count - 1, 16))

    def succeeded(self, peer: str) -> None:
        self._failures.pop(peer, None)
