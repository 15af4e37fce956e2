"""The one command, `campus`. Sub-commands belong to their rooms; only the room that is asked for is
loaded, so that a gateway needs nothing of what only a collector uses.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

from foundation import memory

if TYPE_CHECKING:
    import typer


class _Room(NamedTuple):
    module: str
    help: str
    extra: str


_ROOMS: Final = {
    "demo": _Room("campus.demo.cli", "Run a whole simulated school on this machine.", "all"),
    "edge": _Room("edge_agent.cli", "The gateway: keygen, run, check, buffer, scan.", "edge"),
    "gateway": _Room(
        "edge_agent.enrolment.cli", "This gateway and its collector: enrol, rotate, status.", "edge"
    ),
    "collector": _Room(
        "collector.cli", "The collector: keygen, run, gateway add, revoke, list.", "collector"
    ),
    "profile": _Room("device_profiles.cli", "Device profiles: list, show, test, decode.", "edge"),
    "plugins": _Room("campus.plugins", "Plug-ins that are installed, and which are used.", "edge"),
    "vault": _Room(
        "identity_vault.cli",
        "The identity vault: names, consent, keys. init, import, run, consent, audit, export, erase.",
        "vault",
    ),
    "simulate": _Room("simulators.cli", "Simulated devices, for testers without hardware.", "simulators"),
}


_SHARED: Final = {"firmware_bridges", "foundation", "telemetry"}


def build(asked: str | None) -> typer.Typer:
    """The command line with the asked room loaded and the others as lines of the help."""
    import typer  # noqa: PLC0415  # a gateway that runs does without, see `_run_gateway`

    app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", add_completion=False)

    @app.callback()
    def top() -> None:
        """Campus Pulse 校园脉动: IoT gateway and telemetry backend for schools.

        Start with [bold]campus demo[/]: a whole simulated school on this machine.
        """

    for name, room in _ROOMS.items():
        if name == asked:
            app.add_typer(_load(name, room), name=name)
        else:
            app.command(name, help=room.help)(lambda: None)
    return app


def _load(name: str, room: _Room) -> typer.Typer:
    try:
        if room.module not in sys.modules:
            _load_for_good(room.module)
        app: typer.Typer = sys.modules[room.module].app
    except ModuleNotFoundError as error:
        _stop_without_library(error, name)
    return app


def _load_for_good(module: str) -> None:
    """Nothing that is loaded becomes garbage: to look through it is a sixth of a command's start, and would
    hold a server up again and again.
    """
    gc.disable()
    try:
        importlib.import_module(module)
    finally:
        gc.freeze()
        atexit.register(gc.unfreeze)  # DuckDB's library complains of what is not cleared at the end
        gc.enable()


def _stop_without_library(error: ModuleNotFoundError, name: str) -> NoReturn:
    """Says what to install. Raises the error again when what is missing is a part of this house."""
    rooms = {room.module.split(".")[0] for room in _ROOMS.values()}
    if error.name is None or error.name.split(".")[0] in rooms | _SHARED:
        raise error
    from rich.console import Console  # noqa: PLC0415  # as typer above

    Console(stderr=True).print(
        f"[red]error:[/] campus {name} needs {error.name}; install 'campus-pulse\\[{_ROOMS[name].extra}]'"
    )
    raise SystemExit(2) from error


def _run_gateway(config_file: Path) -> None:
    """`campus edge run`, as its room's command does, but without what command lines are made with: 5 MB of a
    gateway's little memory, for as long as it runs.
    """
    with memory.left_out("rich", "greenlet"):  # structlog takes both where they are installed
        from edge_agent.running import run  # noqa: PLC0415  # it is one of many commands
    run(config_file)


def main(arguments: Sequence[str] | None = None) -> None:
    given = list(sys.argv[1:] if arguments is None else arguments)
    asked = next((word for word in given if not word.startswith("-")), None)
    try:
        match given:
            case ["edge", "run", file] if not file.startswith("-"):
                _run_gateway(Path(file))
            case _:
                build(asked)(given, prog_name="campus")
    except ModuleNotFoundError as error:
        # Drivers and simulators load their libraries only where they are used.
        if asked not in _ROOMS:
            raise
        _stop_without_library(error, asked)
