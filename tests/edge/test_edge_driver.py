"""The MQTT driver on a real mosquitto."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import structlog

from device_profiles.observations import CheckObservation, TapObservation
from device_profiles.registry import Catalogue
from edge_agent.config import load_config
from edge_agent.counters import Counters
from edge_agent.drivers import Driver
from edge_agent.drivers.mqtt import CHUNK_MESSAGES, MqttDriver
from edge_agent.drivers.mqtt_config import MqttDevice, MqttSource
from foundation.broker import BrokerMessage, BrokerSettings, connect
from foundation.keyfiles import create_signing_key, public_text
from foundation.tomlfile import FileProblems
from telemetry.readings import Chunk, SeriesTable
from tests.conftest import Mosquitto
from tests.edge.edge_parts import WAIT_S_MAX, HandClock, eventually

AIR = "zigbee2mqtt/tuya-ts0601-air"
GAS = "xiaomi-gateway3/aqara-gas"
STATION = "campus/morning-check-v1"


class Bag:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.checks: list[CheckObservation] = []
        self.taps: list[TapObservation] = []
        self.refusals: list[tuple[str, str]] = []

    def readings(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)

    def check(self, observation: CheckObservation) -> None:
        self.checks.append(observation)

    def tap(self, observation: TapObservation) -> None:
        self.taps.append(observation)

    def refused(self, device: str, reason: str, size_bytes: int) -> None:
        self.refusals.append((device, reason))

    @property
    def count(self) -> int:
        return sum(map(len, self.chunks))


def device(id_: str, profile: str = AIR, **more: Any) -> MqttDevice:
    return MqttDevice(id=id_, profile=profile, place="main/301", **more)


class Bench:
    """A driver with its table and counters."""

    def __init__(self, broker: BrokerSettings, *devices: MqttDevice) -> None:
        self.table, self.counters, self.bag = SeriesTable(), Counters(), Bag()
        self.broker = broker
        self.driver = MqttDriver(
            MqttSource(name="test", broker=broker, devices=devices),
            catalogue=Catalogue(()),
            table=self.table,
            zone=ZoneInfo("Asia/Shanghai"),
            clock=HandClock().clock(),
            counters=self.counters,
            client_id="test-driver",
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        with structlog.testing.capture_logs() as logs:
            task = asyncio.create_task(self.driver.run(self.bag), name="driver")
            await eventually(lambda: any(one["event"] == "listening to devices" for one in logs), "listening")
            self.logs = logs
            yield
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()

    async def publish(self, messages: Sequence[tuple[str, bytes]], *, retain: bool = False) -> None:
        async with connect(self.broker, "test-device") as link:
            for topic, payload in messages:
                await link.publish(topic, payload, qos=1, retain=retain)

    def devices_heard(self) -> set[str]:
        return {self.table[series].device for chunk in self.bag.chunks for series in chunk.series}


@pytest.fixture
def broker(mosquitto: Mosquitto) -> BrokerSettings:
    return BrokerSettings(host=mosquitto.host, port=mosquitto.port)


def test_a_driver_is_a_driver(broker: BrokerSettings) -> None:
    driver: Driver = Bench(broker, device("air-1")).driver
    assert driver.name == "test"
    assert asyncio.iscoroutinefunction(driver.run)
    assert callable(driver.check)


async def test_topics_wildcards_and_rubbish(broker: BrokerSettings) -> None:
    bench = Bench(broker, device("air-1"), device("air-wild", topics=("floor/+/air/#",)))
    async with bench.running():
        await bench.publish(
            [
                ("zigbee2mqtt/air-1", b'{"co2": 640, "temperature": 21.5}'),
                ("floor/2/air/north", b'{"co2": 700}'),
                ("floor/2/air/north", b"{not json"),
                ("zigbee2mqtt/air-1", b'{"state": "ON"}'),
                ("zigbee2mqtt/air-1", b"\xff\xfe"),
            ]
        )
        await eventually(lambda: bench.counters.messages_in == 5, "all messages")
    assert bench.devices_heard() == {"air-1", "air-wild"}
    assert bench.bag.count == 3
    assert [one for one, _ in bench.bag.refusals] == ["air-wild", "air-1", "air-1"]


async def test_devices_that_share_a_topic(broker: BrokerSettings) -> None:
    gas = [device(f"gas-{at}", GAS, address=f"lumi.{at}", topics=("gateway/log",)) for at in (1, 2)]
    bench = Bench(broker, *gas)
    router = bench.driver._router
    assert len(router.match("gateway/log")) == 2
    async with bench.running():
        await bench.publish(
            [
                ("gateway/log", b'{"did": "lumi.2", "gas density": 3, "gas": 0}'),
                ("gateway/log", b'{"did": "lumi.9", "gas": 1}'),
                ("gateway/log", b"{broken"),
            ]
        )
        await eventually(lambda: bench.counters.messages_in == 3, "all messages")
    assert bench.devices_heard() <= {"gas-2"}
    assert ("unknown", "no_device_for_message") in bench.bag.refusals
    blamed = [one for one, reason in bench.bag.refusals if reason != "no_device_for_message"]
    assert "gas-1" not in blamed, "whose message it was cannot be known"


async def test_subscribes_again_after_the_broker_was_away(mosquitto: Mosquitto) -> None:
    bench = Bench(BrokerSettings(host=mosquitto.host, port=mosquitto.port), device("air-1"))
    async with bench.running():
        mosquitto.kill()
        mosquitto.start()

        def listens_again() -> bool:
            return [one["event"] for one in bench.logs].count("listening to devices") == 2

        await eventually(listens_again, "listening again")
        await bench.publish([("zigbee2mqtt/air-1", b'{"co2": 640}')])
        await eventually(lambda: bench.bag.count == 1, "the reading")
        warnings = [one["event"] for one in bench.logs if one["log_level"] == "warning"]
        assert warnings == ["broker unavailable"], "the first failure warns, repeats do not"


async def test_a_chunk_is_many_messages(broker: BrokerSettings) -> None:
    bench = Bench(broker, device("air-1"))
    messages = [BrokerMessage("zigbee2mqtt/air-1", b'{"co2": 640, "humidity": 40}', False)] * 1_234
    await bench.driver._read(messages, bench.bag)
    assert [len(chunk) for chunk in bench.bag.chunks] == [2 * CHUNK_MESSAGES, 2 * CHUNK_MESSAGES, 468]


async def test_a_stop_hands_over_what_was_begun(broker: BrokerSettings) -> None:
    bench = Bench(broker, device("air-1"))
    messages = [BrokerMessage("zigbee2mqtt/air-1", b'{"co2": 640}', False)] * 2_000
    reading = asyncio.create_task(bench.driver._read(messages, bench.bag), name="reading")
    await asyncio.sleep(0)
    assert bench.bag.count == CHUNK_MESSAGES
    reading.cancel()
    await asyncio.wait([reading])
    assert reading.cancelled()
    assert bench.bag.count == 2_000


async def test_messages_that_do_not_fit_in_memory_are_counted(broker: BrokerSettings) -> None:
    bench = Bench(broker, device("air-1"))

    class Link:
        overflowed = 0

        async def subscribe(self, filters: Sequence[str], qos: int = 1) -> None: ...

        async def chunks(self) -> AsyncIterator[list[BrokerMessage]]:
            for lost in (0, 7, 7):
                self.overflowed = lost
                yield [BrokerMessage("zigbee2mqtt/air-1", b'{"co2": 1000}', False)]

    with structlog.testing.capture_logs() as logs:
        await bench.driver._listen(Link(), bench.bag)  # type: ignore[arg-type]  # what it needs of one
    assert bench.counters.dropped == {"messages_overflowed": 7}
    assert [one["log_level"] for one in logs] == ["info", "error"]


def gateway_file(folder: Path, devices: Sequence[dict[str, Any]]) -> Path:
    key = create_signing_key(folder / "gateway.key")
    file = folder / "gateway.toml"
    rows = "".join(
        "[[mqtt.devices]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in row.items())
        for row in devices
    )
    file.write_text(
        '[gateway]\nid = "gw-test"\nschool = "example-primary"\nkey_file = "gateway.key"\ndata_dir = "data"\n'
        f'[collector]\npublic_key = "{public_text(key.public_key())}"\nmqtt = {{ host = "127.0.0.1" }}\n'
        f'[[mqtt]]\nname = "devices"\nbroker = {{ host = "127.0.0.1" }}\n{rows}',
        "utf-8",
    )
    return file


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"id": "air-1"}, "two devices have the id 'air-1'"),
        (
            {"id": "air-2", "address": "air-1"},
            "device air-2: has the same profile, address and topics as air-1",
        ),
        ({"id": "air-2", "profile": "zigbee2mqtt/no-such"}, "device air-2: "),
        ({"id": "air-2", "address": "a/#"}, "device air-2: address 'a/#' cannot stand in a topic"),
    ],
)
def test_a_device_that_cannot_be_is_refused(tmp_path: Path, second: dict[str, Any], message: str) -> None:
    first = {"id": "air-1", "profile": AIR, "place": "main/301"}
    file = gateway_file(tmp_path, [first, first | second])
    with pytest.raises(FileProblems) as caught:
        load_config(file)
    (problem,) = caught.value.problems
    assert message in problem.message
    text = file.read_text("utf-8")
    second_line = text[: text.rindex("[[mqtt.devices]]")].count("\n") + 1
    assert int(problem.place.removeprefix(f"{file}:")) > second_line


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ('[[report]]\nmode = "every"\ndevices = ["air-9"]\n', "this gateway has no device 'air-9'"),
        (
            '[[report]]\nmode = "every"\nquantities = ["c02"]\n',
            "there is no quantity 'c02'; did you mean co2?",
        ),
        ('[silence]\nafter_s = { "air-9" = 60 }\n', "this gateway has no device 'air-9'"),
    ],
)
def test_a_rule_of_a_misspelt_name_is_refused(tmp_path: Path, tables: str, said: str) -> None:
    file = gateway_file(tmp_path, [{"id": "air-1", "profile": AIR, "place": "main/301"}])
    text = file.read_text("utf-8")
    file.write_text(text + tables, "utf-8")
    with pytest.raises(FileProblems) as caught:
        load_config(file)
    (problem,) = caught.value.problems
    assert problem.message == said
    assert problem.place == f"{file}:{(text + tables).count(chr(10))}"


def test_rules_may_have_patterns_that_fit_no_device(tmp_path: Path) -> None:
    file = gateway_file(tmp_path, [{"id": "air-1", "profile": AIR, "place": "main/301"}])
    rules = '[[report]]\nmode = "every"\ndevices = ["co2-*"]\n[silence]\nafter_s = { "door-?" = 60 }\n'
    file.write_text(file.read_text("utf-8") + rules, "utf-8")
    assert load_config(file).report[0].devices == ("co2-*",)


async def test_check_says_what_is_wrong_with_each(broker: BrokerSettings) -> None:
    bench = Bench(
        broker, device("air-1"), device("wrong-profile"), device("silent"), device("gate-1", STATION)
    )
    await bench.publish(
        [
            ("zigbee2mqtt/air-1", b'{"co2": 640}'),
            ("zigbee2mqtt/wrong-profile", b'{"state": "ON"}'),
        ],
        retain=True,
    )
    check = asyncio.create_task(_reports(bench.driver, 3.0), name="check")
    card = b'{"v": 1, "card": "04A2B31C", "site": "ear", "temperature_c": 38.4}'
    async with asyncio.timeout(WAIT_S_MAX), connect(broker, "station") as link:
        while not check.done():
            await link.publish("stations/gate-1/check", card)
    found = await check
    assert found["air-1"] == (True, "co2 640 (retained by the broker, perhaps old)")
    assert found["gate-1"] == (True, "a morning check")
    assert found["wrong-profile"][0] is False
    assert "give nothing (no_known_field); is its profile" in found["wrong-profile"][1]
    assert found["silent"][0] is False
    assert "no message within 3 s" in found["silent"][1]
    assert "topic zigbee2mqtt/silent" in found["silent"][1]


async def _reports(driver: Driver, timeout_s: float) -> dict[str, tuple[bool, str]]:
    return {one.device: (one.ok, one.text) async for one in driver.check(timeout_s)}
