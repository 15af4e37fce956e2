"""The devices of a school that post: they wait for the gateway's listener and post to it."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

import msgspec

from foundation.keyfiles import KeyFileError, write_secret
from simulators.drive import Drive
from simulators.hosts import HostError, Served, Table, row
from simulators.http_push.devices import Post, Record, Terminal, Thermometer
from simulators.http_push.poster import Access, Poster
from simulators.pupils import Check, wecom_user
from simulators.station import check_payload
from simulators.world import Device

USERNAME: Final = "station"
_NUMBERS: Final = 2_000_000
"""The checks of these devices are others than those of stations on MQTT and of desks."""
Say = Callable[[Check, int], Post]


class HttpHost:
    """Every posting device of the school, each with a password of its own in `folder`.

    A gateway's listener is told a port that was free; nothing is served here. answers: the status codes
    that were answered, 0 where nobody listened.
    """

    def __init__(self, drive: Drive, folder: Path) -> None:
        self.environment: dict[str, str] = {}
        self.answers: list[int] = []
        self._drive = drive
        self._folder = folder
        self._served: list[Served] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def served(self) -> Sequence[Served]:
        return self._served

    async def __aenter__(self) -> Self:
        says = {device.id: _sayer(device, self._drive) for device in self._drive.school.on("http")}
        try:
            for gateway in self._drive.school.plan.gateways:
                devices = self._drive.school.on("http", gateway.id)
                if devices:
                    self._serve(gateway.id, devices, says)
        except (KeyFileError, OSError) as error:
            await self.__aexit__()
            raise HostError(f"cannot simulate posting devices: {error}") from error
        return self

    async def __aexit__(self, *_exception: object) -> None:
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._served.clear()

    def _serve(self, gateway: str, devices: Sequence[Device], says: Mapping[str, Say]) -> None:
        port = _free_port()
        rows: list[Table] = []
        for device in devices:
            assert device.plan.http is not None
            password = secrets.token_hex(8)
            file = self._folder / f"{device.id}.password"
            file.unlink(missing_ok=True)
            write_secret(file, password.encode() + b"\n")
            path = device.plan.http.path
            rows.append(
                row(
                    device.id,
                    device.profile,
                    device.place,
                    path=path,
                    username=USERNAME,
                    password_file=str(file),
                )
            )
            poster = Poster(f"http://127.0.0.1:{port}{path}", Access(USERNAME, password))
            self._tasks.append(
                asyncio.create_task(self._post(poster, says[device.id]), name=f"posts of {device.id}")
            )
        table: Table = {"name": "school-http", "host": "127.0.0.1", "port": port, "devices": rows}
        ids = tuple(device.id for device in devices)
        self._served.append(Served(gateway, "http", f"posting to 127.0.0.1:{port}", ids, table))

    async def _post(self, poster: Poster, say: Say) -> None:
        number = _NUMBERS
        async with poster:
            while True:
                await asyncio.sleep(self._drive.pupil_every_s)
                if not self._drive.checks_now:
                    continue
                try:
                    status = await poster.post(say(self._drive.school.check(number), self._drive.clock_ms()))
                except (OSError, TimeoutError):
                    status = 0
                    await poster.close()
                self.answers = [*self.answers[-999:], status]
                number += 1


def _sayer(device: Device, drive: Drive) -> Say:
    """How a model tells a check. Raises HostError for one that cannot be simulated."""
    if device.profile.startswith("hikvision/"):
        terminal = Terminal()
        return lambda check, now_ms: terminal.event(
            now_ms, card=check.card, temperature_c=check.temperature_c, pictures=1
        )
    if device.profile.startswith("wecom/"):
        thermometer = Thermometer()
        return lambda check, now_ms: thermometer.report(
            [Record(wecom_user(check.card), check.temperature_c, now_ms)]
        )
    if device.profile == "campus/morning-check-http":
        truth = drive.truth(device)
        return lambda check, now_ms: Post(
            "application/json",
            msgspec.json.encode(
                check_payload(
                    device.id,
                    check.card,
                    temperature_c=round(check.temperature_c, 1),
                    ambient_c=round(truth("temperature"), 1),
                    site=check.site,
                    symptoms=check.symptoms,
                    time_ms=now_ms,
                )
            ),
        )
    raise HostError(f"device {device.id}: {device.profile} cannot be simulated over HTTP")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
