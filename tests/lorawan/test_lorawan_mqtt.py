"""Uplinks as ChirpStack and The Things Stack publish them, and Sparkplug B, through the MQTT driver and a
real mosquitto.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest

from edge_agent.drivers.mqtt_config import MqttDevice
from foundation.broker import BrokerSettings
from telemetry.quality import Quality
from telemetry.readings import Reading
from tests.conftest import Mosquitto
from tests.edge.edge_parts import NOW_MS, eventually
from tests.edge.test_edge_driver import Bench
from tests.profiles.sparkplug_messages import FLOAT, INT16, metric, payload

EUI = "24e124136b000001"
LESSON = "0367ee00 04687c 050001 077da803"
PRESS = "017510 ff2e01"


@pytest.fixture
def broker(mosquitto: Mosquitto) -> BrokerSettings:
    return BrokerSettings(host=mosquitto.host, port=mosquitto.port)


def device(id_: str, profile: str, address: str) -> MqttDevice:
    return MqttDevice(id=id_, profile=profile, place="main/301", address=address)


def chirpstack(data: str, eui: str = EUI) -> tuple[str, bytes]:
    event = {
        "deviceInfo": {"devEui": eui},
        "fPort": 85,
        "data": base64.b64encode(bytes.fromhex(data)).decode(),
        "object": {"temperature": 99},
    }
    return f"application/4711/device/{eui}/event/up", json.dumps(event).encode()


def things_stack(data: str, eui: str = EUI) -> tuple[str, bytes]:
    event: dict[str, Any] = {
        "end_device_ids": {"device_id": "air", "dev_eui": eui.upper()},
        "uplink_message": {"f_port": 85, "frm_payload": base64.b64encode(bytes.fromhex(data)).decode()},
    }
    return "v3/school@tenant/devices/air/up", json.dumps(event).encode()


async def readings_of(
    bench: Bench, messages: Sequence[tuple[str, bytes]], *, retain: bool = False
) -> dict[str, Reading]:
    async with bench.running():
        await bench.publish(messages, retain=retain)
        await eventually(lambda: bench.counters.messages_in == len(messages), "all messages")
    found = [reading for chunk in bench.bag.chunks for reading in chunk.readings(bench.table)]
    return {reading.series.quantity: reading for reading in found}


@pytest.mark.parametrize("server", [chirpstack, things_stack])
async def test_an_uplink_of_either_network_server(broker: BrokerSettings, server: Any) -> None:
    bench = Bench(broker, device("air-301", "milesight/am307", EUI.upper()))
    found = await readings_of(bench, [server(LESSON)])
    assert {name: reading.value for name, reading in found.items()} == {
        "temperature": 23.8,
        "relative_humidity": 62.0,
        "motion": 1.0,
        "co2": 936.0,
    }
    assert bench.bag.refusals == []


async def test_another_device_of_the_same_application(broker: BrokerSettings) -> None:
    bench = Bench(broker, device("air-301", "milesight/am307", EUI))
    found = await readings_of(bench, [things_stack(LESSON, "24e124136b0000ff")])
    assert found == {}
    assert bench.bag.refusals == [("unknown", "no_device_for_message")]


async def test_broken_events_are_counted_not_read(broker: BrokerSettings) -> None:
    bench = Bench(broker, device("air-301", "milesight/am307", EUI))
    topic = chirpstack(LESSON)[0]
    events = [b"{}", b'{"data": "not base64!"}', b'{"data": "A2c="}', b"[1]", b'{"data": "mao="}']
    assert await readings_of(bench, [(topic, event) for event in events]) == {}
    reasons = [reason for _, reason in bench.bag.refusals]
    assert reasons == ["no_uplink", "not_base64", "truncated", "no_uplink", "unknown_channel"]


async def test_a_press_calls_for_help_once_and_not_from_the_brokers_memory(broker: BrokerSettings) -> None:
    button = device("sos-toilet", "milesight/ws101", EUI)
    found = await readings_of(Bench(broker, button), [chirpstack(PRESS)])
    assert found["panic"].value == 1.0
    bench = Bench(broker, button)
    await bench.publish([chirpstack(PRESS)], retain=True)
    found = await readings_of_retained(bench)
    await bench.publish([(chirpstack(PRESS)[0], b"")], retain=True)
    assert set(found) == {"battery", "button"}
    assert found["battery"].quality is Quality.UNCERTAIN
    assert bench.bag.refusals == [("sos-toilet", "retained_event")]


async def readings_of_retained(bench: Bench) -> dict[str, Reading]:
    async with bench.running():
        await eventually(lambda: bench.counters.messages_in == 1, "the retained message")
    found = [reading for chunk in bench.bag.chunks for reading in chunk.readings(bench.table)]
    return {reading.series.quantity: reading for reading in found}


async def test_sparkplug_data_after_its_birth(broker: BrokerSettings) -> None:
    bench = Bench(broker, device("air-302", "sparkplug/environment", "air-302"))
    birth = payload(
        [
            metric("temperature", INT16, 20, alias=1),
            metric("humidity", FLOAT, 40.5, alias=2),
            metric("Device Control/Reboot", 11, False, alias=3),
        ],
        time_ms=NOW_MS - 3_000,
        seq=1,
    )
    data = payload([metric(alias=1, value=-4), metric(alias=2, value=41.25)], time_ms=NOW_MS - 1_000, seq=2)
    unknown = payload([metric(alias=9, value=1)], time_ms=NOW_MS, seq=3)
    topics = [f"spBv1.0/school/{kind}/gateway-3/air-302" for kind in ("DBIRTH", "DDATA")]
    found = await readings_of(
        bench, [(topics[0], birth), (topics[1], data), (topics[1], unknown), (topics[1], b"{}")]
    )
    assert (found["temperature"].value, found["temperature"].time_ms) == (-4.0, NOW_MS - 1_000)
    assert found["relative_humidity"].value == 41.25
    assert bench.bag.count == 4
    assert bench.bag.refusals == [("air-302", "unknown_alias"), ("air-302", "not_protobuf")]
