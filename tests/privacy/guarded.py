"""Runs a module and writes down every address that its process connects, sends or looks up.

``python -m tests.privacy.guarded FILE MODULE ARGUMENT…``: one line a call, ``event<TAB>host``. It sees what
Python's own sockets do (PEP 578), which is all that our programs connect with.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any, Final

EVENTS: Final = frozenset(
    {"socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname"}
)


def watch(file: Path) -> None:
    """From now on, for the life of the process."""
    out = file.open("a", encoding="utf-8", buffering=1)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in EVENTS:
            asked = (
                arguments[1]
                if event in {"socket.connect", "socket.sendto", "socket.sendmsg"}
                else arguments[0]
            )
            host = asked[0] if isinstance(asked, tuple) else asked
            out.write(f"{event}\t{host}\n")

    sys.addaudithook(hook)


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
    sys.argv = sys.argv[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
