"""Who may connect now: an adapter holds a few connections, more devices than that take turns.

Pure but for the times it is given. Whoever has waited longest comes first. A device that is not there,
or not due, takes nobody's turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from edge_agent.drivers.ble.device import Device
from foundation.backoff import Backoff

CONNECT_S: Final = 2.0
"""What a connection takes, services and all, more or less: for the estimate of a gap."""


class Seat:
    """A device that wants a connection: since when it waits, and when it may have one at the earliest."""

    def __init__(self, device: Device, turn_s: float) -> None:
        self.device = device
        self.turn_s = turn_s
        self.waits_s = 0.0
        self.due_s = 0.0
        self.busy = False
        self.gone = False
        """Nobody wants its values any more."""
        self.left_s: float | None = None
        self.backoff = Backoff(1.0, 60.0)


class Turns:
    """The seats of one adapter; `links_max` of them may be busy at a time. turn_s_max: turns are no longer.

    They outlive a restart of bluetoothd: whoever waited before it comes first after it.
    """

    def __init__(
        self, devices: Sequence[Device], links_max: int, *, turn_s_max: float = float("inf")
    ) -> None:
        self._turn_s_max = turn_s_max
        self.seats: list[Seat] = []
        for device in devices:
            if device.wants_link:
                self.add(device)
        self.links_max = links_max

    def add(self, device: Device) -> None:
        """One more who wants a connection."""
        self.seats.append(Seat(device, min(device.turn_s, self._turn_s_max)))

    def dismiss(self, device: Device) -> None:
        """It gets no further turn, and the one it has ends soon."""
        for seat in self.seats:
            if seat.device is device:
                seat.gone = True
        self.seats = [seat for seat in self.seats if seat.busy or not seat.gone]

    @property
    def crowded(self) -> bool:
        return len(self.seats) > self.links_max

    @property
    def gap_s(self) -> float:
        """How long a device is without a connection between two turns, when all are there."""
        if not self.crowded:
            return 0.0
        others_s = sum(seat.turn_s + CONNECT_S for seat in self.seats) / self.links_max
        longest_s = max(seat.turn_s for seat in self.seats)
        return max(others_s - longest_s, CONNECT_S)

    def next(self, now_s: float) -> Seat | None:
        """Who shall be connected to now; None: nobody, or there is no room."""
        if sum(seat.busy for seat in self.seats) >= self.links_max:
            return None
        ready = [seat for seat in self.seats if self._is_ready(seat, now_s)]
        return min(ready, key=lambda seat: seat.waits_s, default=None)

    def somebody_waits(self, now_s: float) -> bool:
        """Whether a turn that is over should end, because there is somebody for whom it would."""
        full = sum(seat.busy for seat in self.seats) >= self.links_max
        return full and any(self._is_ready(seat, now_s) for seat in self.seats)

    def begin(self, seat: Seat, now_s: float) -> None:
        seat.busy = True
        counters = seat.device.counters
        counters.turns += 1
        if seat.left_s is not None:
            counters.gap_s = now_s - seat.left_s

    def end(self, seat: Seat, now_s: float, rest_s: float) -> None:
        """It goes to the end of the line, and comes again after `rest_s` at the earliest."""
        seat.busy = False
        seat.waits_s = now_s
        seat.due_s = now_s + rest_s
        if seat.gone and seat in self.seats:
            self.seats.remove(seat)

    @staticmethod
    def _is_ready(seat: Seat, now_s: float) -> bool:
        return not seat.busy and not seat.gone and seat.device.peer is not None and seat.due_s <= now_s
