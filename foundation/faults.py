"""A fault of a program told without its words, which may quote what somebody sent."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Final

PLACES_MAX: Final = 6


def leaf_of(error: BaseException) -> BaseException:
    """Of a group of errors the first one that is none."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def kind_of(error: BaseException) -> str:
    """Such as ``ValueError``."""
    return type(leaf_of(error)).__name__


def where_of(error: BaseException, places_max: int = PLACES_MAX) -> str:
    """Where it was raised, and from where that was called: ``bus.py:71 run < driver.py:55 run``."""
    frames = list(traceback.walk_tb(leaf_of(error).__traceback__))[-places_max:]
    places = [
        f"{Path(frame.f_code.co_filename).name}:{line} {frame.f_code.co_name}" for frame, line in frames
    ]
    return " < ".join(reversed(places))
