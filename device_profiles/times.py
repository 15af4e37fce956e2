"""The device's own time: read strictly, believed only where it is plausible."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Final, NamedTuple

from device_profiles.values import to_number

UNSET_BEFORE_MS: Final = 1_577_836_800_000
"""2020-01-01. Boards without a set clock count from 1970 or 2000; no device here is older."""
FUTURE_MS_MAX: Final = 5 * 60_000
STALE_AFTER_MS: Final = 15 * 60_000
_TEXT_CHARACTERS: Final = range(16, 41)


class TimeLimits(NamedTuple):
    """How far a device's clock may be ahead of the gateway's, and from what age a reading is stale."""

    future_ms_max: int = FUTURE_MS_MAX
    stale_after_ms: int = STALE_AFTER_MS


def read_time_ms(raw: object, unit: str | None, zone: tzinfo) -> int | str:
    """Time in ms UTC of a number (in `unit` since 1970) or an ISO 8601 text (without a zone: in
    `zone`), or the reason why it is none.
    """
    if isinstance(raw, str):
        return _from_text(raw, zone)
    number = to_number(raw)
    if isinstance(number, str) or unit is None:
        return "bad_device_time"
    return round(number * 1000 if unit == "s" else number)


def _from_text(text: str, zone: tzinfo) -> int | str:
    # A date alone, or a week date, is no time of a reading.
    if len(text) not in _TEXT_CHARACTERS or text[10] not in "T ":
        return "bad_device_time"
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        return "bad_device_time"


def doubt_time(time_ms: int, received_ms: int, limits: TimeLimits) -> str | None:
    """Why a device's time is not believed, or None."""
    if time_ms > received_ms + limits.future_ms_max:
        return "device_time_in_future"
    if time_ms < UNSET_BEFORE_MS:
        return "device_time_unset"
    return None


def device_time(
    raw: object, unit: str | None, zone: tzinfo, received_ms: int, limits: TimeLimits
) -> tuple[int, str | None]:
    """The time of a reading, and why the device's own was not taken for it."""
    time_ms = read_time_ms(raw, unit, zone)
    doubt = time_ms if isinstance(time_ms, str) else doubt_time(time_ms, received_ms, limits)
    if doubt is not None or isinstance(time_ms, str):
        return received_ms, doubt
    return time_ms, None
