"""Memory that was needed for a moment and is not any more."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Hands what the C library keeps of freed memory back to the system (malloc_trim(3)); nothing where
    the library has no such call. For after the rare large piece of work: it takes milliseconds.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
