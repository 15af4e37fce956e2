"""Which devices people wear or stand on: where and when one is heard says where somebody is."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from telemetry.quantities import QUANTITIES, Lane

HOUSEKEEPING: Final = frozenset(
    {"battery", "battery_low", "battery_voltage", "external_power", "link_quality", "rssi", "snr"}
)
"""What a device says of itself."""
_AT_HAND: Final = HOUSEKEEPING | {"panic", "panic_test", "button"}
"""What a band may give besides what it measures."""


def is_worn(quantities: Iterable[str]) -> bool:
    """Whether a device gives what is measured at a body and, besides, only what it says of itself and
    what its wearer's finger does.
    """
    given = set(quantities)
    at_body = {name for name in given if is_personal(name)}
    return bool(at_body) and given - at_body <= _AT_HAND


def is_personal(name: str) -> bool:
    quantity = QUANTITIES.get(name)
    return quantity is not None and quantity.lane is Lane.PERSONAL
