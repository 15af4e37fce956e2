"""Less memory for a process on a small machine: settings of the C library (mallopt(3), malloc_trim(3)),
which does nothing where it has no such calls, and libraries that stay away.
"""

from __future__ import annotations

import contextlib
import ctypes
import sys
from collections.abc import Iterator
from typing import Any, Final

_M_TRIM_THRESHOLD: Final = -1
_M_TOP_PAD: Final = -2
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_LARGE_BYTES: Final = 128 * 1024
_SPARE_BYTES: Final = 16 * 1024


def use_little() -> None:
    """To be called before threads are started: all share one heap, and every large block is handed back
    to the system as soon as it is freed. Saves 5 MB of a gateway with 3,000 pupils on its map.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, _LARGE_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _SPARE_BYTES)
        mallopt(_M_TOP_PAD, _SPARE_BYTES)


def give_back() -> None:
    """What the heap keeps of freed memory goes back. After a rare large piece of work: it takes
    milliseconds.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@contextlib.contextmanager
def left_out(*libraries: str) -> Iterator[None]:
    """Until left these are as if not installed, for what is imported meanwhile and would load them for no
    other reason than that they are there. One that is loaded already stays.
    """
    modules: dict[str, Any] = sys.modules
    away = [name for name in libraries if name not in modules]
    modules.update(dict.fromkeys(away))
    try:
        yield
    finally:
        for name in away:
            del modules[name]
