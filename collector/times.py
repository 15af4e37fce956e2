"""Times as the API and exports write them."""

from __future__ import annotations

from datetime import UTC, datetime


def iso(time_ms: int) -> str:
    """ISO 8601 in UTC, with milliseconds; a time outside the calendar is said in milliseconds."""
    try:
        moment = datetime.fromtimestamp(time_ms / 1_000, UTC)
    except (OverflowError, ValueError, OSError):
        return f"{time_ms} ms"
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
