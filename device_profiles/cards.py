"""Reads a card held to a reader out of a JSON message."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from device_profiles.named_people import read_card
from device_profiles.observations import NOTHING_REFUSED, Outcome, TapObservation
from device_profiles.paths import ABSENT, walk

if TYPE_CHECKING:
    from device_profiles.schema import JsonCard

HELD_MS_MAX: Final = 3_000
"""A reader repeats a card while it lies there: the same one again within this time is no new tap."""


class CardReader:
    """Turns a reader's message into a tap. Keeps the last card in memory, to know it again."""

    def __init__(self, row: JsonCard, device: str, place: str) -> None:
        self._row = row
        self._device = device
        self._place = place
        self._last: tuple[str, int] = ("", 0)

    def read(self, payload: object, received_ms: int, *, retained: bool) -> Outcome:
        found = walk(payload, self._row.path)
        if found is ABSENT or isinstance(found, dict | list):
            return Outcome(("no_known_field",))
        if found is None or (type(found) in {int, str} and found in self._row.missing):
            return NOTHING_REFUSED
        if retained:
            return Outcome(("retained_event",))
        refused: list[str] = []
        value = found if isinstance(found, str | int) else None
        card = read_card(value, self._row.notation, refused)
        if card is None:
            return Outcome(tuple(refused))
        last, last_ms = self._last
        self._last = (card, received_ms)
        if card == last and 0 <= received_ms - last_ms <= HELD_MS_MAX:
            return NOTHING_REFUSED
        return Outcome(taps=(TapObservation(received_ms, self._device, self._place, card),))
