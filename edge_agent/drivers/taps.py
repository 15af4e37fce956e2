"""A card that lies on a reader is one tap."""

from __future__ import annotations

from device_profiles.cards import HELD_MS_MAX
from device_profiles.observations import TapObservation


class HeldCards:
    """A plain reader repeats a card while it lies there: the same one again so soon is no new tap."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[str | None, int]] = {}

    def is_new(self, tap: TapObservation) -> bool:
        last, last_ms = self._last.get(tap.device, (None, 0))
        self._last[tap.device] = (tap.credential, tap.time_ms)
        return tap.credential != last or not 0 <= tap.time_ms - last_ms <= HELD_MS_MAX
