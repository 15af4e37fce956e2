"""One program a data folder: a second one would hand out the same numbers twice."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from foundation.commands import UsageError


@contextlib.contextmanager
def folder_locked(folder: Path) -> Iterator[None]:
    """Makes the folder, its owner's alone, and holds it until left; the system lets go of it when the
    process dies.

    Raises UsageError when another process holds it, or when it cannot be written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "lock").open("ab")
    except OSError as error:
        raise UsageError(f"gateway.data_dir {folder} cannot be used: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"{folder} is in use: another gateway works with it; stop that one, or use another data_dir"
            ) from None
        yield
