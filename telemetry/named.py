"""A value as a device names it, before a profile says which quantity it is."""

from __future__ import annotations

from typing import NamedTuple

Value = int | float | bool | str | tuple[float, ...] | None
"""What a codec may find: None where the device says that there is none."""


class Named(NamedTuple):
    """A value in its natural unit (UCUM, as `telemetry.quantities` writes it)."""

    value: Value
    unit: str = "1"
