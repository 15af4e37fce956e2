"""Our own boards keep an event until it is acknowledged, and send it again until then."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from firmware_bridges.boards import wire

REMEMBERED_MAX: Final = 1_024
"""Events by which a repeated one is known; a board keeps far fewer."""

_Event = tuple[bytes, int, int]


class Acknowledger:
    """Knows which events of the boards were handed over, and makes the answers to them."""

    def __init__(self) -> None:
        self._seen: OrderedDict[_Event, None] = OrderedDict()

    def event(self, payload: bytes) -> _Event | None:
        """Board, boot and sequence of an event that wants an answer; None for everything else."""
        try:
            kind, serial, boot, values, _ = wire.unpack_message(payload)
        except wire.WireError:
            return None
        return (serial, boot, values[0]) if kind in wire.EVENT_TYPES else None

    def is_repeat(self, event: _Event) -> bool:
        return event in self._seen

    def acknowledge(self, event: _Event) -> bytes:
        """The bytes that tell the board that this event need not be sent again."""
        self._seen[event] = None
        self._seen.move_to_end(event)
        if len(self._seen) > REMEMBERED_MAX:
            self._seen.popitem(last=False)
        _, boot, sequence = event
        return wire.encode_frame(wire.pack_command(wire.ACK, boot, sequence))
