"""`campus simulate http`: a station that posts to a gateway's listener."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

import typer
from rich.console import Console

from foundation.commands import UsageError, errors_in_words
from foundation.keyfiles import read_secret
from foundation.oserrors import why
from simulators.http_push.devices import Post, Record, Terminal, Thermometer
from simulators.http_push.poster import Access, Poster
from simulators.pupils import Check, check_at, wecom_user
from simulators.school import DEFAULT_SEED, School

console = Console()

NO_LISTENER: Final = 1
HISTORY_MS: Final = 3_600_000
OVERSIZE_BYTES: Final = 8 * 1024 * 1024
SLOW_S: Final = 2.0
Fault = Literal["oversize", "slow", "cut-off", "rubbish", "history", "duplicate", "gap"]
FAULTS: Final[tuple[str, ...]] = get_args(Fault)


def http(
    url: Annotated[str, typer.Argument(help="Where to post, such as http://127.0.0.1:8090/gate-1.")],
    kind: Annotated[
        Literal["terminal", "thermometer"],
        typer.Option("--kind", help="A face terminal as Hikvision's, or a thermometer as WeCom's."),
    ] = "terminal",
    count: Annotated[int, typer.Option("--count", min=1, max=1_000_000, help="How many posts.")] = 10,
    interval_s: Annotated[float, typer.Option("--interval", min=0, help="Seconds between two.")] = 0.5,
    username: Annotated[str, typer.Option("--username", help="For Digest.")] = "",
    password_file: Annotated[Path | None, typer.Option("--password-file")] = None,
    token_file: Annotated[Path | None, typer.Option("--token-file", help="For a bearer token.")] = None,
    pictures: Annotated[
        int, typer.Option("--pictures", min=0, max=16, help="Picture parts beside each event of a terminal.")
    ] = 1,
    temperature_c: Annotated[
        float | None, typer.Option("--temperature", help="Of everybody; as the school says when left out.")
    ] = None,
    faults: Annotated[
        list[str] | None,
        typer.Option("--fault", help=f"Before every good post; repeatable: {', '.join(FAULTS)}."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed gives the same school.")] = DEFAULT_SEED,
) -> None:
    """Post as a station at a school's gate does, pupil after pupil."""
    with errors_in_words():
        if unknown := set(faults or ()).difference(FAULTS):
            raise UsageError(f"--fault {min(unknown)!r} is none of {', '.join(FAULTS)}")
        access = Access(username, _secret(password_file), _secret(token_file))
        try:
            poster = Poster(url, access)
        except ValueError as error:
            raise UsageError(f"{url!r} {error}") from None
    station = Station(kind, School(seed), pictures=pictures, temperature_c=temperature_c)
    try:
        answers = asyncio.run(_post(poster, station, count, interval_s, faults or []))
    except (OSError, TimeoutError) as error:
        Console(stderr=True).print(f"[red]error:[/] no listener at {url} ({why(error)})", soft_wrap=True)
        raise typer.Exit(NO_LISTENER) from None
    told = ", ".join(f"{number:,} × {status}" for status, number in sorted(answers.items()))
    console.print(f"Answered: {told}", highlight=False)


class Station:
    """Turns the checks of a school into posts."""

    def __init__(self, kind: str, school: School, *, pictures: int, temperature_c: float | None) -> None:
        self._school = school
        self._pictures = pictures
        self._temperature_c = temperature_c
        self._terminal = Terminal() if kind == "terminal" else None
        self._thermometer = Thermometer()

    def post(self, number: int, *, age_ms: int = 0) -> Post:
        """The post of a check; age_ms: it happened so long ago and is told only now."""
        check: Check = check_at(self._school.seed, self._school.pupils, number)
        temperature_c = check.temperature_c if self._temperature_c is None else self._temperature_c
        time_ms = time.time_ns() // 1_000_000 - age_ms
        if self._terminal is None:
            return self._thermometer.report([Record(wecom_user(check.card), temperature_c, time_ms)])
        return self._terminal.event(
            time_ms,
            card=check.card,
            temperature_c=temperature_c,
            replayed=age_ms > 0,
            pictures=self._pictures,
        )

    def heartbeat(self) -> Post:
        """A sign of life; of a thermometer an empty report."""
        if self._terminal is None:
            return self._thermometer.report([])
        return self._terminal.heartbeat(time.time_ns() // 1_000_000)

    def gap(self) -> None:
        """Events that are never posted."""
        if self._terminal is not None:
            self._terminal.skip(3)


async def _post(
    poster: Poster, station: Station, count: int, interval_s: float, faults: list[str]
) -> Counter[int]:
    answers: Counter[int] = Counter()
    async with poster:
        for number in range(count):
            if number:
                await asyncio.sleep(interval_s)
            for fault in faults:
                answers[await do_wrong(poster, station, number, fault)] += 1
            answers[await poster.post(station.post(number))] += 1
    del answers[0]
    return answers


async def do_wrong(
    poster: Poster, station: Station, number: int, fault: str, *, slow_s: float = SLOW_S
) -> int:
    """Commits a fault around the post of a check; the status of the answer, 0 where there is none."""
    if fault == "gap":
        station.gap()
        return 0
    post = station.post(number, age_ms=HISTORY_MS if fault == "history" else 0)
    if fault == "cut-off":
        await poster.cut_off(post)
        return 0
    if fault == "oversize":
        post = Post("application/json", b" " * OVERSIZE_BYTES)
    elif fault == "rubbish":
        post = Post("application/json", b'{"eventType": \xff')
    elif fault == "duplicate":
        await poster.post(post)
    return await poster.post(post, slow_s=slow_s if fault == "slow" else 0.0)


def _secret(file: Path | None) -> str:
    return "" if file is None else read_secret(file).decode("utf-8", "replace").strip()
