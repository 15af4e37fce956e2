"""A site whose processes are killed all the time, and the balance that must hold at the end."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from collector.records.tables import alerts as alert_rows
from collector.records.tables import morning_checks
from tests.chaos.ledger import Ledger, StreamName
from tests.chaos.publisher import CARD, READINGS_A_TICK, Publisher, check, reading
from tests.chaos.stores import Embedded, Stores, rows_of
from tests.conftest import Mosquitto, free_port
from tests.line.running_site import WAIT_S_MAX, Process, Site, eventually
from tests.line.site_vault import Holder

BUNDLED = Path(__file__).parents[2] / "edge_agent" / "gate" / "policy.toml"

LONG = os.environ.get("CAMPUS_CHAOS") == "long"
ROOT = Path(__file__).resolve().parents[2]


def rounds(in_ci: int, times: int = 10) -> int:
    """How many rounds to run: `times` as many in the long form."""
    return in_ci * times if LONG else in_ci


class Nursery:
    """The other end of nursery.py."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.nursery"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"},
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def close(self) -> None:
        self._process.communicate()


class Nurseling(Process):
    """A process that the nursery forked."""

    def __init__(self, nursery: Nursery, log_file: Path, hooks: dict[str, Any], *arguments: str) -> None:
        self.log_file = log_file
        log_file.touch()
        self.forget_log()
        self._nursery = nursery
        self.pid: int = nursery.ask(start=arguments, log=str(log_file), hooks=hooks)["pid"]
        self.code: int | None = None

    def said(self, event: str) -> bool:
        """Whether this life has logged it, since `forget_log`."""
        return event.encode() in self.log_file.read_bytes()[self._log_before :]

    def forget_log(self) -> None:
        self._log_before = self.log_file.stat().st_size

    def await_death(self) -> None:
        """By the hand of its hook."""
        eventually(lambda: not self.running, f"a death: {self.log_file}")
        assert self.code == -signal.SIGKILL, self.log()[-3000:]

    def _wait(self, *, block: bool) -> int | None:
        if self.code is None:
            self.code = self._nursery.ask(wait=self.pid, block=block)["code"]
        return self.code

    @property
    def running(self) -> bool:
        return self._wait(block=False) is None

    def kill(self) -> None:
        if self.running:
            os.kill(self.pid, signal.SIGKILL)
            self._wait(block=True)

    def stop(self) -> int:
        os.kill(self.pid, signal.SIGTERM)
        eventually(lambda: not self.running, f"an orderly end: {self.log_file}")
        assert self.code is not None
        return self.code


class RestlessSite(Site):
    """Gateways with an air sensor and a check station each, under load from one publisher. The
    `slow` ones make batches of a second, ten times as large as the others'.
    """

    def __init__(
        self,
        folder: Path,
        broker: Mosquitto,
        nursery: Nursery,
        *,
        gateways: Sequence[str] = ("a",),
        slow: Sequence[str] = (),
        collector_broker: Mosquitto | None = None,
        ways: Mapping[str, str] | None = None,
        stores: Stores | None = None,
        readings_a_tick: int = READINGS_A_TICK,
    ) -> None:
        """ways: of gateways that do not reach the collector over the broker. stores: the collector's, if
        not in its folder.
        """
        super().__init__(folder, broker)
        self._stores = stores or Embedded()
        with self.collector_file.open("a", encoding="utf-8") as file:
            file.write(self._stores.settings())
        self._ways = ways or {}
        self._nursery = nursery
        if collector_broker:
            text = self.collector_file.read_text("utf-8")
            text = text.replace(f"port = {broker.port} }}", f"port = {collector_broker.port} }}")
            self.collector_file.write_text(text, "utf-8")
        self.cards[CARD] = Holder({"health": "HH7KQ2MZW5XNR4TP3VD6YB8CFA"}, "3-2")
        self.gateways, self._slow = tuple(gateways), frozenset(slow)
        self.metrics_ports = {name: free_port() for name in gateways}
        self.files = {name: self._add(name) for name in gateways}
        self.agents: dict[str, Nurseling] = {}
        self.publisher = Publisher(broker.port, self.gateways, readings_a_tick)
        self.kills: Counter[str] = Counter()

    def _add(self, name: str) -> Path:
        devices = [
            {"id": f"air-{name}", "profile": "json/environment", "place": f"main/{name}"},
            {"id": f"st-{name}", "profile": "campus/morning-check-v1", "place": f"gate/{name}"},
        ]
        interval_s = 1.0 if name in self._slow else 0.1
        tables = (
            f"[batch]\ninterval_s = {interval_s}\n[uplink]\nresend_s = 1\nstatus_interval_s = 1\n"
            # VictoriaMetrics has 20 s of them in memory before they are acknowledged.
            "window_batches = 500\n"
            f"[metrics]\nport = {self.metrics_ports[name]}\n"
        )
        file = self.add_gateway(f"gw-{name}", devices, tables=tables, way=self._ways.get(name, ""))
        # Each check has a temperature of its own, by which it is known again: nothing is rounded.
        policy = BUNDLED.read_text("utf-8").replace("temperature_c = 0.1 ", "temperature_c = 0 ")
        assert policy != BUNDLED.read_text("utf-8")
        file.with_name("exact.toml").write_text(policy, "utf-8")
        text = file.read_text("utf-8")
        file.write_text(text.replace("[personal]\n", '[personal]\npolicy = "exact.toml"\n'), "utf-8")
        return file

    def witness(self, name: str) -> Path:
        return self.folder / f"witness-{name}.jsonl"

    def ledger(self, name: str) -> Ledger:
        return Ledger.read(self.witness(name))

    def witnessed_bytes(self) -> int:
        """Grows with every append of any gateway, when it begins and when it is promised."""
        return sum(self.witness(name).stat().st_size for name in self.gateways if self.witness(name).exists())

    def launch_gateway(self, name: str = "a", **hooks: Any) -> Nurseling:
        """Starts a gateway and waits for nothing."""
        file = self.files[name]
        agent = Nurseling(
            self._nursery,
            file.parent / "gateway.log",
            {"witness": str(self.witness(name)), **hooks},
            "edge", "run", str(file),
        )  # fmt: skip
        self._processes.append(agent)
        self.agents[name] = agent
        return agent

    def launch_collector(self, **hooks: Any) -> Nurseling:
        """Starts a collector and waits for nothing."""
        log_file = self.folder / "collector.log"
        process = Nurseling(self._nursery, log_file, hooks, "collector", "run", str(self.collector_file))
        self._processes.append(process)
        self.collector = process
        return process

    def kill_collector(self) -> None:
        assert self.collector is not None
        self.collector.kill()
        self.kills["collector"] += 1

    def kill_gateway(self, name: str = "a") -> None:
        self.agents[name].kill()
        self.kills["gateway"] += 1

    def kill_broker(self) -> None:
        """With it goes what devices had handed to it and no gateway has taken."""
        self.broker.kill()
        self.kills["broker"] += 1
        self.publisher.stop()

    def restart_broker(self) -> None:
        for agent in self.agents.values():
            agent.forget_log()
        self.broker.start()
        self.publisher.start()

    def await_promise(self) -> None:
        """Until a buffer has promised something that it had not promised before."""
        before = self.witnessed_bytes()
        eventually(lambda: self.witnessed_bytes() > before, "a promise of a buffer")

    def await_append(self) -> None:
        """Until a buffer is at work; looks so often that it still is when this returns."""
        before, until = self.witnessed_bytes(), time.monotonic() + WAIT_S_MAX
        while self.witnessed_bytes() == before:
            assert time.monotonic() < until, "no append began"
            time.sleep(0.0005)

    def await_stored(self) -> None:
        """Until the collector has committed something new."""
        before = self.stored()
        eventually(lambda: self.stored() != before, "progress at the collector")

    def stored(self) -> dict[tuple[str, str, str], list[tuple[int, int]]]:
        """(gateway, stream, generation) → ranges the collector says it has stored."""
        return {key: ranges for key, (_, ranges) in self.marks().items()}

    def marks(self) -> dict[tuple[str, str, str], tuple[list[tuple[int, int]], list[tuple[int, int]]]]:
        """As `stored`, but (received, stored)."""
        return {
            (gateway, stream, generation): (_unpack(received), _unpack(stored))
            for gateway, stream, generation, received, stored in self.rows(
                "SELECT gateway, stream, generation, received, stored FROM streams"
            )
        }

    @property
    def records_place(self) -> Path | str:
        return self._stores.records_place(self.folder)

    def rows(self, query: str) -> list[Any]:
        """Of the records database, which may be in use."""
        return self._stores.rows(self.folder, query)

    def opened(self, columns: Any) -> list[tuple[Any, ...]]:
        """Of the same, sealed columns too."""
        return self._stores.opened(self.folder, columns)

    def settle(self, drain_s_max: float = 120) -> None:
        """Ends the load, lets everything arrive, stops everything in order."""
        self.publisher.stop()
        for name in self.gateways:
            if name not in self.agents or not self.agents[name].running:
                self.launch_gateway(name)
            eventually(lambda name=name: self._is_listening(name), f"gateway {name} listens")  # type: ignore[misc]
        if self.collector is None or not self.collector.running:
            self.launch_collector()
        for name in self.gateways:
            self._publish_last(name)
        eventually(self._is_drained, "the buffers are empty", drain_s_max)
        for agent in self.agents.values():
            assert agent.stop() == 0
        assert self.collector is not None
        assert self.collector.stop() == 0

    def _is_listening(self, name: str) -> bool:
        assert self.agents[name].running, self.agents[name].log()[-3000:]
        return self.agents[name].said("listening to devices")

    def _publish_last(self, name: str) -> None:
        """A reading and a fever after all others: once they are promised, everything before them is."""
        before = self.witness(name).stat().st_size
        self.publisher.readings += 1
        self.publisher.checks += 1
        self.publish(f"sensors/air-{name}", reading(self.publisher.readings))
        self.publish(f"stations/st-{name}/check", check(self.publisher.checks, fever=True))

        def is_promised() -> bool:
            lines = self.witness(name).read_bytes()[before:].split(b"\n")
            told = [json.loads(line).get("promised", []) for line in lines if line.startswith(b'{"promised')]
            return {"bulk", "urgent"} <= {id_[0] for ids in told for id_ in ids}

        eventually(is_promised, "the last reading and the last fever are promised")

    def _is_drained(self) -> bool:
        assert self.collector is not None
        assert self.collector.running, self.collector.log()[-3000:]
        return not self.buffered()

    def buffered(self) -> int:
        """Batches in the buffers of all gateways."""
        urls = (f"http://127.0.0.1:{port}" for port in self.metrics_ports.values())
        return int(sum(self.metric("campus_edge_buffer_batches", url) for url in urls))

    def check_balance(self) -> dict[str, int]:
        """What the gateways promised is in the stores, exactly once, and nothing else is.

        Everything must have ended before. Returns figures for a test's own assertions.
        """
        ledgers = {name: self.ledger(name) for name in self.gateways}
        marks = self.marks()
        expected: dict[tuple[str, str, str], list[tuple[int, int]]] = {}
        for name, ledger in ledgers.items():
            assert len(ledger.generations) == 1, "a new generation although no file was ever damaged"
            for (stream, generation), ranges in ledger.ranges().items():
                expected[f"gw-{name}", stream, generation] = ranges
            self._check_buffer(name, ledger)
        assert {key: stored for key, (_, stored) in marks.items()} == expected
        for key, (received, _) in marks.items():
            assert received == (expected[key] if key[1] == "urgent" else []), key

        points = self._stores.points(self.folder)
        promised: Counter[Any] = Counter()
        for point, count in _sum(ledger.points() for ledger in ledgers.values()).items():
            promised[self._stores.kept_of(point)] += count
        assert points - promised == Counter(), "stored twice, or never promised"
        assert promised - points == Counter(), "promised and lost"
        co2 = [point[-1] for point in points if point[0] == "co2"]
        of_gateways = sum(count for point, count in points.items() if point[0] == "device_silent")
        said = sum(points.values()) - of_gateways
        assert len(set(co2)) == len(co2) == said // 2, "a device said it once"

        checks = _sum(ledger.checks() for ledger in ledgers.values())
        stored = self.opened(morning_checks.c["device", "time_ms", "temperature_c"])
        assert Counter(stored) == checks
        alerts = self.opened(alert_rows.c["device", "at_ms", "value"])
        assert Counter(map(tuple, alerts)) == _sum(ledger.fevers() for ledger in ledgers.values())
        assert len({value for _, _, value in alerts}) == len(alerts), "each fever alerts once"
        assert self.rows("SELECT reason, count(*) FROM dead_letters GROUP BY reason") == []
        assert self.rows("SELECT * FROM gaps") == [], "nothing was given up, so nothing is declared"
        return {
            "batches": sum(ledger.count for ledger in ledgers.values()),
            "points": sum(points.values()),
            "records": sum(checks.values()),
            "alerts": len(alerts),
            "lives": sum(ledger.lives for ledger in ledgers.values()),
            "settled_after_kill": sum(ledger.settled_after_kill for ledger in ledgers.values()),
            "lost_before_disk": sum(ledger.lost_before_disk for ledger in ledgers.values()),
        }

    def _check_buffer(self, name: str, ledger: Ledger) -> None:
        folder = self.files[name].parent / "data"
        assert not [file.name for file in folder.iterdir() if "damaged" in file.name]
        buffer = folder / "buffer.db"
        assert rows_of(buffer, "SELECT count(*) FROM batch") == [(0,)]
        assert rows_of(buffer, "SELECT count(*) FROM gap") == [(0,)]
        ((generation, urgent, bulk),) = rows_of(buffer, "SELECT name, urgent_last, bulk_last FROM generation")
        names: list[StreamName] = [("urgent", generation), ("bulk", generation)]
        assert [urgent, bulk] == [ledger.last(one) for one in names]

    def close(self) -> None:
        self.publisher.stop()
        super().close()


def pause(chance: random.Random, up_to_s: float) -> None:
    """The random moment at which something is killed; nothing is awaited."""
    time.sleep(chance.uniform(0, up_to_s))


def _unpack(data: bytes) -> list[tuple[int, int]]:
    return msgspec.msgpack.decode(data, type=list[tuple[int, int]])


def _sum(counters: Any) -> Counter[Any]:
    total: Counter[Any] = Counter()
    for one in counters:
        total.update(one)
    return total
