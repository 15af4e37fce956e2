"""A school of 800 pupils as real processes: vault, gateways in a time of their own, collector.

The days lie in the past, so that the collector may keep the machine's time; gateways and vault live in
the school's.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import httpx

from collector.records import Gateway, Records
from foundation.broker import BrokerSettings
from foundation.keyfiles import create_signing_key, public_text, write_secret
from identity_vault.calendar.days import CalendarDay, put_days, replace_lessons
from identity_vault.config import load_config
from identity_vault.exchange.registry import add_gateway
from identity_vault.imports.headers import load_headers
from identity_vault.imports.problems import Problems
from identity_vault.imports.roster_apply import import_roster, read_roster
from identity_vault.imports.tables import read_tables
from identity_vault.imports.timetable_file import NEEDED, read_timetable
from identity_vault.roster import bump
from identity_vault.vault import create_vault
from simulators.gateway_file import gateway_tables, mqtt_served
from simulators.hosts import Served
from simulators.larger_school import plan_of
from simulators.roster_files import write_all
from simulators.school import School
from simulators.timetable import day_of, start_of
from telemetry.envelope import key_id
from telemetry.purposes import PURPOSE_NAMES
from tests.conftest import Mosquitto, free_port
from tests.privacy.captures import Heard, Wire, listening, tapped
from tests.privacy.sim_time import SchoolTime

PUPILS: Final = 800
SCHOOL_DAYS: Final = 5
MEAL_READERS: Final = ("canteen-hall-tap", "canteen-hall-terminal")
PASSPHRASE: Final = "an example passphrase of the week"
START_S_MAX: Final = 30.0
_START_MIN: Final = 7 * 60


class Gateways:
    """All gateways of the school, in one process that lives in the school's time."""

    def __init__(self, school_time: SchoolTime) -> None:
        self.time = school_time
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, files: Sequence[Path], log_file: Path, environment: Mapping[str, str]) -> None:
        with log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *_guarded(log_file, "tests.privacy.gateways_at"),
                str(self.time.now_ms()),
                *map(str, files),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                env=os.environ | environment,
            )
        assert (await self._read())["running"] == len(files), _tail(log_file)
        await self.set_time(self.time.now_ms())

    async def set_time(self, school_ms: int, speed: float = 1.0) -> dict[str, Any]:
        """Returns the gateways' counters."""
        return await self._ask(self.time.set(school_ms, speed)._asdict())

    async def counters(self) -> dict[str, Any]:
        return await self._ask({})

    async def until(self, holds: Callable[[dict[str, Any]], bool], wait_s: float) -> dict[str, Any]:
        """The counters as soon as something holds of them. Raises TimeoutError."""
        async with asyncio.timeout(wait_s):
            while not holds(told := await self.counters()):  # noqa: ASYNC110  # another process's
                await asyncio.sleep(0.1)
        return told

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question).encode() + b"\n")
        return await self._read()

    async def _read(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        assert line, "the gateways' process has ended"
        found: dict[str, Any] = json.loads(line)
        return found

    async def stop(self) -> int:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        return await self._process.wait()

    def kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


class WeekSite:
    """Where everything of the school is. `devices`: the broker of the devices; `uplink`: the one between
    gateways and collector.
    """

    def __init__(self, folder: Path, devices: Mosquitto, uplink: Mosquitto) -> None:
        self.folder = folder
        self.devices = devices
        self.uplink = uplink
        self.school = School(7, plan_of(PUPILS))
        self.today = day_of(time.time_ns() // 1_000_000)
        self.days = [self.today - 6 + at for at in range(SCHOOL_DAYS)]
        """Local days counted from 1970: they follow the timetable of Monday to Friday."""
        self.free_day = self.today - 1
        self.time = SchoolTime(self.moment(self.days[0], _START_MIN))
        self.gateways = Gateways(self.time)
        self.web_port, self.vault_port = free_port(), free_port()
        self.metrics_ports: dict[str, int] = {}
        self.gateway_log = folder / "gateways.log"
        self.collector_log = folder / "collector.log"
        self.vault_log = folder / "vault.log"
        self.heard_uplink = Heard()
        self.heard_devices = Heard()
        self.wire = Wire()
        self._collector: asyncio.subprocess.Process | None = None

    @staticmethod
    def moment(day: int, minute: float) -> int:
        """Ms UTC of a minute of a local day."""
        return start_of(day) + int(minute * 60_000)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    async def stop_collector(self) -> int:
        """An orderly end; the exit code."""
        assert self._collector is not None
        self._collector.terminate()
        return await self._collector.wait()

    @asynccontextmanager
    async def running(self, served: Sequence[Served], environment: Mapping[str, str]) -> AsyncIterator[None]:
        """served: the devices besides those on MQTT."""
        async with AsyncExitStack() as stack:
            collector_key = create_signing_key(self.folder / "collector" / "collector.key").public_key()
            keys = {
                one.id: create_signing_key(self.folder / one.id / "gateway.key").public_key()
                for one in self.school.plan.gateways
            }
            vault_key = self._make_vault(public_text(collector_key), keys)
            await self._start_vault(stack)
            self.wire = await stack.enter_async_context(tapped(self.vault_port))
            self.heard_uplink = await stack.enter_async_context(listening(self.uplink, "#"))
            self.heard_devices = await stack.enter_async_context(listening(self.devices, "campus/#"))
            stack.callback(self._kill_collector)
            await self._start_collector(public_text(vault_key), keys)
            files = [
                self._write_gateway(one.id, public_text(collector_key), public_text(vault_key), served)
                for one in self.school.plan.gateways
            ]
            stack.callback(self.gateways.kill)
            await self.gateways.start(files, self.gateway_log, environment)
            yield

    def _make_vault(self, collector_key: str, keys: Mapping[str, Any]) -> Any:
        """A vault with the school's roster, timetable and calendar; its public key."""
        home = self.folder / "vault"
        home.mkdir()
        agreed_on = date(1970, 1, 1) + timedelta(days=self.days[0] - 10)
        write_all(self.school, home / "roster", agreed_on=agreed_on)
        (home / "vault.toml").write_text(
            f'[vault]\nschool = "{self.school.id}"\nkey_file = "vault.key"\ndata_dir = "data"\n'
            f'[web]\nport = {self.vault_port}\norigins = ["{self.url}"]\n'
            f'[collector]\npublic_key = "{collector_key}"\n[log]\nlevel = "debug"\n',
            "utf-8",
        )
        write_secret(home / "passphrase", PASSPHRASE.encode() + b"\n")
        titles = load_headers()
        with create_vault(load_config(home / "vault.toml"), PASSPHRASE, self.time.now_ms) as vault:
            name = "roster-gb18030.csv"
            read = read_roster(vault, [(name, (home / "roster" / name).read_bytes())], titles["roster"])
            import_roster(vault, read)
            problems = Problems()
            table = read_tables("timetable.csv", (home / "roster" / "timetable.csv").read_bytes())
            content = titles["timetable"].locate(table, NEEDED)
            lessons = list(read_timetable(content, {}, self.school.class_ids, problems))
            problems.raise_if_any()
            with vault.begin() as connection:
                replace_lessons(connection, self.school.class_ids, lessons)
                put_days(connection, self._calendar())
                for gateway, key in keys.items():
                    add_gateway(connection, gateway, key, PURPOSE_NAMES, vault.now_ms())
                bump(connection)
            return vault.signer.public_key

    def _calendar(self) -> list[CalendarDay]:
        """Five days that follow Monday to Friday, whatever they are, and one that is free."""
        dates = [date(1970, 1, 1) + timedelta(days=day) for day in (*self.days, self.free_day)]
        return [
            *(
                CalendarDay(one.isoformat(), "school", 1 + at, "")
                for at, one in enumerate(dates[:SCHOOL_DAYS])
            ),
            CalendarDay(dates[-1].isoformat(), "holiday", None, ""),
        ]

    async def _start_vault(self, stack: AsyncExitStack) -> None:
        shift_ms = self.time.now_ms() - time.time_ns() // 1_000_000
        home = self.folder / "vault"
        with self.vault_log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *_guarded(self.vault_log, "tests.privacy.vault_at"),
                *(str(home / "vault.toml"), str(home / "passphrase"), str(shift_ms)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        stack.push_async_callback(_ended, process)
        assert process.stdout is not None
        assert await process.stdout.readline() == b"running\n", _tail(self.vault_log)

    async def _start_collector(self, vault_key: str, keys: Mapping[str, Any]) -> None:
        home = self.folder / "collector"
        file = home / "collector.toml"
        file.write_text(
            f'mqtt = {{ host = "127.0.0.1", port = {self.uplink.port} }}\n'
            f'[collector]\nkey_file = "collector.key"\ndata_dir = "data"\n[web]\nport = {self.web_port}\n'
            "[accounts]\nrequired = false\n"
            f'[vault]\nschool = "{self.school.id}"\nurl = "http://127.0.0.1:{self.wire.port}"\n'
            f'public_key = "{vault_key}"\nrefresh_s = 1\n[log]\nlevel = "debug"\nformat = "json"\n',
            "utf-8",
        )
        records = Records.open(home / "data" / "records.db")
        try:
            for gateway, key in keys.items():
                records.add_gateway(
                    Gateway(self.school.id, gateway, public_text(key), key_id(key).hex(), "active", 1)
                )
        finally:
            records.close_now()
        with self.collector_log.open("ab") as log:
            self._collector = await asyncio.create_subprocess_exec(
                *_guarded(self.collector_log, "campus"),
                *("collector", "run", str(file)),
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(START_S_MAX), httpx.AsyncClient(timeout=5) as client:
            while not await self._collector_answers(client):  # noqa: ASYNC110  # another process's
                await asyncio.sleep(0.1)

    async def _collector_answers(self, client: httpx.AsyncClient) -> bool:
        assert self._collector is not None
        assert self._collector.returncode is None, _tail(self.collector_log)
        try:
            return (await client.get(f"{self.url}/healthz")).status_code == 200
        except httpx.TransportError:
            return False

    def _kill_collector(self) -> None:
        if self._collector is not None and self._collector.returncode is None:
            self._collector.kill()

    def _write_gateway(
        self, gateway: str, collector_key: str, vault_key: str, served: Sequence[Served]
    ) -> Path:
        file = self.folder / gateway / "gateway.toml"
        port = self.metrics_ports[gateway] = free_port()
        devices = BrokerSettings(host="127.0.0.1", port=self.devices.port)
        sources = gateway_tables((*mqtt_served(self.school, devices), *served), gateway)
        known = {device.id for device in self.school.devices if device.gateway == gateway}
        meals = [one for one in MEAL_READERS if one in known]
        file.write_text(
            f'[gateway]\nid = "{gateway}"\nschool = "{self.school.id}"\nkey_file = "gateway.key"\n'
            'data_dir = "data"\nclock = "system"\n'
            f'[collector]\npublic_key = "{collector_key}"\n'
            f'mqtt = {{ host = "127.0.0.1", port = {self.uplink.port} }}\n'
            f'[personal]\nvault = "http://127.0.0.1:{self.wire.port}"\nvault_public_key = "{vault_key}"\n'
            f"refresh_s = 5\nmeals = {json.dumps(meals)}\n"
            f'[uplink]\nstatus_interval_s = 2.0\n[metrics]\nport = {port}\n[log]\nlevel = "debug"\n\n{sources}',
            "utf-8",
        )
        return file


def calls_of(log_file: Path) -> Path:
    """Where the addresses stand that a process of the week has asked for."""
    return log_file.with_suffix(".calls")


def _guarded(log_file: Path, module: str) -> tuple[str, ...]:
    return sys.executable, "-m", "tests.privacy.guarded", str(calls_of(log_file)), module


async def _ended(process: asyncio.subprocess.Process) -> None:
    """The end of its input tells a process to stop."""
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


def _tail(log_file: Path) -> str:
    return log_file.read_text("utf-8")[-3_000:]
