"""Why a port, a file or a connection does not open, in the system's own few words."""

from __future__ import annotations

import os

__all__ = ["why"]


def why(error: Exception, otherwise: str = "") -> str:
    """Such as "Permission denied". pyserial and asyncio put the port's name and more into their
    text, which stands beside it anyway. `otherwise`: where neither number nor text says anything.
    """
    number = getattr(error, "errno", None)
    if isinstance(number, int) and number > 0:
        return os.strerror(number)
    return str(error) or otherwise or type(error).__name__
