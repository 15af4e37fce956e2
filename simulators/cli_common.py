"""What the commands of `campus simulate` share."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Final

import typer
from pydantic import ValidationError
from rich.console import Console

from foundation.broker import BrokerSettings
from foundation.commands import UsageError
from simulators.plan_checks import load_plan
from simulators.school import DEFAULT_SEED, School

console = Console()

NO_BROKER: Final = 1
LOCAL: Final = "127.0.0.1:1883"

BrokerOption = Annotated[str, typer.Option("--broker", help="Address of the MQTT broker, host:port.")]
SeedOption = Annotated[int, typer.Option("--seed", help="The same seed gives the same school.")]
SchoolOption = Annotated[
    Path | None,
    typer.Option("--school", help="A school.toml of your own; without it the example school."),
]
SEED: Final = DEFAULT_SEED


def read_school(file: Path | None, seed: int) -> School:
    """The school in a file, or the default one. Raises FileProblems."""
    return School(seed, None if file is None else load_plan(file))


def parse_broker(text: str) -> BrokerSettings:
    """Raises UsageError for a text that is no host:port."""
    host, _, port = text.rpartition(":")
    try:
        return BrokerSettings(host=host.strip("[]"), port=int(port))
    except (ValueError, ValidationError):
        raise UsageError(f"--broker {text!r} is no address; expected host:port such as {LOCAL}") from None


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def stop_without_broker(settings: BrokerSettings, why: str) -> None:
    """Says so and ends the command."""
    Console(stderr=True).print(
        f"[red]error:[/] no broker at {settings.address} ({why}); is it running?", soft_wrap=True
    )
    raise typer.Exit(NO_BROKER)
