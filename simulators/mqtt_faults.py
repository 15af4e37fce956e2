"""What goes wrong with MQTT devices: a pure function of seed, device and time."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, Literal, NamedTuple, get_args

from simulators.devices import Message
from simulators.signals import chance

Fault = Literal["silence", "duplicate", "corrupt", "late", "disconnect"]
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)
OF_MESSAGES: Final[tuple[Fault, ...]] = ("corrupt", "late", "duplicate")
"""Those that strike a message by itself; several may."""

SPAN_MS: Final = 30_000
"""A device that falls silent is so for a span of the wall clock."""
SILENT_SHARE: Final = 0.25
SHARE: Final = 0.1
"""Of the messages, for each of the other faults."""
LATE_MS: Final = 10_000
CONNECTED_MS: Final = 20_000
"""After this the connection breaks, as when a radio is far or a bridge restarts."""


class Sent(NamedTuple):
    """What comes of a message: sent `delay_ms` after it was due."""

    delay_ms: int
    message: Message


class Faults:
    """The faults of a run. `of` says what becomes of a message; the same each time it is asked."""

    def __init__(self, kinds: Collection[Fault], seed: int) -> None:
        self.kinds = frozenset(kinds)
        self._seed = seed

    def of(self, message: Message) -> tuple[tuple[Fault, ...], tuple[Sent, ...]]:
        """The faults that a message meets, and what is sent instead of it: nothing, or once, or twice."""
        if self._meets("silence", message):
            return ("silence",), ()
        met = tuple(one for one in OF_MESSAGES if self._meets(one, message))
        if "corrupt" in met:
            message = _corrupted(message)
        sent = Sent(LATE_MS if "late" in met else 0, message)
        return met, (sent, sent) if "duplicate" in met else (sent,)

    def _meets(self, kind: Fault, message: Message) -> bool:
        if kind not in self.kinds:
            return False
        if kind == "silence":
            span = message.due_ms // SPAN_MS
            return chance(self._seed, message.device.id, kind, span) < SILENT_SHARE
        return chance(self._seed, message.device.id, kind, message.due_ms) < SHARE


def _corrupted(message: Message) -> Message:
    """Cut off and with a byte that no UTF-8 text has: it gives nothing."""
    payload = message.payload[: len(message.payload) // 2] + b"\xff"
    return message._replace(payload=payload, readings={}, within={}, check=None)
