"""Starts gateways and collectors by fork, so that a kill a second costs no second of imports.

A program: it loads everything once, then takes one request a line on standard input and answers
with one line. What it forks is a process like any other: `campus … run` with its own log, which
dies by kill -9 as a process does. The nursery has one thread only, so a fork copies no lock that
somebody holds.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from tests.chaos import hooks

ROOMS = ("campus.cli", "edge_agent.cli", "collector.cli", "collector.service", "uvicorn.logging")


def main() -> None:
    for room in ROOMS:
        importlib.import_module(room)
    gc.freeze()  # to look for garbage in it, each child would copy all of this
    assert len(list(Path("/proc/self/task").iterdir())) == 1, "a thread that a fork would lose"
    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            answer: dict[str, int | None] = {"pid": start(request["start"], request["log"], request["hooks"])}
        else:
            pid, status = os.waitpid(request["wait"], 0 if request["block"] else os.WNOHANG)
            answer = {"code": os.waitstatus_to_exitcode(status) if pid else None}
        print(json.dumps(answer), flush=True)
    gc.unfreeze()


def start(arguments: list[str], log_file: str, wanted: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        nothing, log = os.open(os.devnull, os.O_RDONLY), os.open(log_file, os.O_WRONLY | os.O_APPEND)
        for old, new in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(old, new)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        hooks.install(wanted)
        sys.argv = ["campus", *arguments]
        importlib.import_module("campus.cli").main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001  # the last boundary of a process
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main()
