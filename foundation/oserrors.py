"""Why a port, a file or a connection does not open, in the system's own few words."""

from __future__ import annotations

import errno
import os
import ssl

__all__ = ["of_port", "why"]


def why(error: Exception, otherwise: str = "") -> str:
    """Such as "Permission denied". pyserial and asyncio put the port's name and more into their
    text, which stands beside it anyway. `otherwise`: where neither number nor text says anything.
    """
    if isinstance(error, ssl.SSLError):
        # Its number is one of TLS: as one of the system it would say something else.
        reason: str | None = getattr(error, "reason", None)
        return reason.replace("_", " ").lower() if reason else str(error)
    number = _number(error)
    if number > 0:
        return os.strerror(number)
    return str(error) or otherwise or type(error).__name__


def of_port(error: Exception, otherwise: str = "") -> str:
    """`why` a serial port does not open, with the remedy of the cause that installers meet first."""
    text = why(error, otherwise)
    return f"{text}; is this user in the group dialout?" if _number(error) == errno.EACCES else text


def _number(error: Exception) -> int:
    number = getattr(error, "errno", None)
    return number if isinstance(number, int) else 0
