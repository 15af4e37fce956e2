"""A power cut at any moment, one after the other."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any

_CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.symlink", "os.rmdir", "os.chmod", "shutil.rmtree"}


def killed_before(changes: int, work: Callable[[], object]) -> bool:
    """Runs `work` in a process of its own, which dies as by kill -9 in the place of its next change to files
    after so many of them. False: it came to its end.
    """
    child = os.fork()
    if child == 0:
        left = [changes]

        def count(event: str, arguments: tuple[Any, ...]) -> None:
            if event in _CHANGES or (event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(count)
            work()
        except BaseException:  # noqa: BLE001  # whatever it is, this process must not go on as a test
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)
