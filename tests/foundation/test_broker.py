"""The MQTT link against real brokers: mosquitto (MQTT 5) and the demo's amqtt (3.1.1)."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from amqtt.broker import Broker
from structlog.testing import capture_logs

from foundation.backoff import Backoff
from foundation.broker import (
    BrokerMessage,
    BrokerSettings,
    BrokerUnavailableError,
    Link,
    Will,
    connect,
    keep_connected,
)
from foundation.mqttclient import PACKET_BYTES_MAX
from tests.conftest import MakeMosquitto, Mosquitto

_WAIT_S = 20.0


def settings_of(broker: Mosquitto) -> BrokerSettings:
    return BrokerSettings(host=broker.host, port=broker.port)


async def receive(link: Link, count: int) -> list[BrokerMessage]:
    found: list[BrokerMessage] = []
    async with asyncio.timeout(_WAIT_S):
        async for chunk in link.chunks():
            assert chunk, "a chunk without a message"
            found += chunk
            if len(found) >= count:
                return found
    raise AssertionError("chunks ended")


@pytest.fixture(autouse=True)
async def nothing_left_behind() -> AsyncIterator[None]:
    """After each test: no exception that nobody looked at, no orphan task."""
    complaints: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(str(context["message"])))
    before = asyncio.all_tasks()
    yield
    for _ in range(3):
        await asyncio.sleep(0)
        gc.collect()
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    assert complaints == []
    assert [task.get_name() for task in left] == []


@pytest.fixture
async def amqtt(unused_tcp_port: int) -> AsyncIterator[BrokerSettings]:
    broker = Broker(
        {
            "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{unused_tcp_port}"}},
            "plugins": {
                "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True},
            },
        }
    )
    await broker.start()
    yield BrokerSettings(host="127.0.0.1", port=unused_tcp_port)
    await broker.shutdown()


async def both_ways(settings: BrokerSettings) -> None:
    async with connect(settings, "one") as one, connect(settings, "two") as two:
        await one.subscribe(["to/one", "all/#"])
        await two.subscribe(["to/two"], qos=0)
        await two.publish("to/one", b"\x00\xff")
        await one.publish("to/two", b"", qos=0)
        await two.publish("all/deep/down", "温度".encode(), qos=0)
        got = {message.topic: message for message in await receive(one, 2)}
        assert got["to/one"] == BrokerMessage("to/one", b"\x00\xff", False)
        assert got["all/deep/down"].payload.decode() == "温度"
        assert await receive(two, 1) == [BrokerMessage("to/two", b"", False)]


async def test_both_ways_over_mqtt_5(mosquitto: Mosquitto) -> None:
    await both_ways(settings_of(mosquitto))
    assert "p5" in mosquitto.log()


async def test_both_ways_over_mqtt_3_1_1(amqtt: BrokerSettings) -> None:
    await both_ways(amqtt)


@pytest.mark.parametrize("qos", [0, 1])
async def test_retained_messages_say_so(mosquitto: Mosquitto, qos: int) -> None:
    async with connect(settings_of(mosquitto), "one") as link:
        await link.publish("kept", b"old", retain=True, qos=qos)
        await link.subscribe(["kept"], qos=qos)
        assert await receive(link, 1) == [BrokerMessage("kept", b"old", True)]
        await link.publish("kept", b"new", retain=True, qos=qos)
        assert await receive(link, 1) == [BrokerMessage("kept", b"new", False)]


@pytest.mark.parametrize("qos", [0, 1])
async def test_a_burst_arrives_whole_and_in_order(mosquitto: Mosquitto, qos: int) -> None:
    sizes = [0, 1, 100, 127, 128, 200, 16_383, 16_384, 300_000]
    payloads = [str(n).encode().ljust(sizes[n % len(sizes)], b".") for n in range(90)]
    async with connect(settings_of(mosquitto), "to") as to, connect(settings_of(mosquitto), "from") as from_:
        await to.subscribe(["burst"], qos)
        await asyncio.gather(*(from_.publish("burst", payload, qos=qos) for payload in payloads))
        assert [message.payload for message in await receive(to, len(payloads))] == payloads
        assert to.overflowed == 0


@pytest.mark.parametrize("qos", [0, 1])
async def test_what_is_too_large_comes_empty_and_ends_nothing(mosquitto: Mosquitto, qos: int) -> None:
    """Otherwise one message that a broker retains would end every new connection of a subscriber."""
    large, good = bytes(PACKET_BYTES_MAX + 1), b"good" * 1_000
    async with connect(settings_of(mosquitto), "to") as to, connect(settings_of(mosquitto), "from") as from_:
        for retained in (True, False):
            await from_.publish("any/large", large, qos=qos, retain=retained)
            if retained:
                await to.subscribe(["any/+"], qos)
            await from_.publish("any/good", good, qos=qos)
            found = {message.topic: message for message in await receive(to, 2)}
            assert found["any/large"] == BrokerMessage("any/large", b"", retained)
            assert found["any/good"].payload == good
        # All were answered: the broker lets more through than it leaves unanswered.
        for number in range(50):
            await from_.publish("any/good", str(number).encode(), qos=qos)
        assert len(await receive(to, 50)) == 50


async def test_a_will_is_published_when_the_connection_breaks(mosquitto: Mosquitto) -> None:
    settings = settings_of(mosquitto)
    async with connect(settings, "watcher") as watcher:
        await watcher.subscribe(["gone"])
        # The same client id twice: the broker ends the first connection without a farewell.
        async with connect(settings, "victim", will=Will("gone", b"1")), connect(settings, "victim"):
            assert (await receive(watcher, 1))[0].payload == b"1"


async def test_nobody_listens(unused_tcp_port: int) -> None:
    with pytest.raises(BrokerUnavailableError) as caught:
        async with connect(BrokerSettings(host="127.0.0.1", port=unused_tcp_port), "one"):
            pass
    assert not caught.value.refused


def password_file(path: Path, user: str, password: str) -> Path:
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(path), user, password], check=True)
    return path


async def test_a_wrong_password_is_a_refusal(make_mosquitto: MakeMosquitto, tmp_path: Path) -> None:
    right, wrong = tmp_path / "right", tmp_path / "wrong"
    right.write_text("correct\n", "utf-8")
    wrong.write_text("guess\n", "utf-8")
    users = password_file(tmp_path / "users", "gateway", "correct")
    broker = make_mosquitto("allow_anonymous false", f"password_file {users}")

    def settings(password_file: Path | None) -> BrokerSettings:
        return settings_of(broker).model_copy(
            update={"username": "gateway" if password_file else None, "password_file": password_file}
        )

    async with connect(settings(right), "one") as link:
        await link.publish("x", b"")
    for file in (wrong, None, tmp_path / "missing"):
        with pytest.raises(BrokerUnavailableError) as caught:
            async with connect(settings(file), "one"):
                pass
        assert caught.value.refused
        assert "guess" not in str(caught.value)


def security_plugin() -> Path:
    (plugin,) = Path("/usr/lib").glob("*/mosquitto_dynamic_security.so")
    return plugin


async def test_an_acl_refuses_a_subscription(make_mosquitto: MakeMosquitto, tmp_path: Path) -> None:
    # An ACL file only filters what is delivered; the security plugin answers SUBSCRIBE itself.
    rules = {
        "defaultACLAccess": {"publishClientSend": True, "publishClientReceive": True, "subscribe": False},
        "anonymousGroup": "all",
        "groups": [{"groupname": "all", "roles": [{"rolename": "reader"}]}],
        "roles": [
            {
                "rolename": "reader",
                "acls": [{"acltype": "subscribePattern", "topic": "fine/#", "allow": True}],
            }
        ],
    }
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(rules), "utf-8")
    broker = make_mosquitto(
        f"plugin {security_plugin()}", f"plugin_opt_config_file {file}", "allow_anonymous true"
    )
    async with connect(settings_of(broker), "one") as link:
        await link.subscribe(["fine/x"])
        with pytest.raises(BrokerUnavailableError, match=r"refused: secret/#$") as caught:
            await link.subscribe(["fine/y", "secret/#"])
        assert caught.value.refused


@pytest.mark.parametrize("how", ["kill", "stop"])
async def test_a_broker_that_dies_ends_every_call(mosquitto: Mosquitto, how: str) -> None:
    async with connect(settings_of(mosquitto), "one") as link:
        await link.subscribe(["x"])
        await link.publish("x", b"last words")
        waiting = asyncio.create_task(receive(link, 2))
        await asyncio.sleep(0)
        getattr(mosquitto, how)()
        with pytest.raises(BrokerUnavailableError):
            await waiting
        with pytest.raises(BrokerUnavailableError):
            await link.publish("x", b"")
        with pytest.raises(BrokerUnavailableError):
            await link.publish("x", b"", qos=0)
        with pytest.raises(BrokerUnavailableError):
            await link.subscribe(["y"])
        with pytest.raises(BrokerUnavailableError):
            await receive(link, 1)


async def test_what_arrived_before_the_end_is_handed_over_first(mosquitto: Mosquitto) -> None:
    async with connect(settings_of(mosquitto), "one") as link:
        await link.subscribe(["x"])
        await link.publish("x", b"1")  # answered: mosquitto delivers before it answers the next one
        await link.publish("y", b"")
        mosquitto.kill()
        with contextlib.suppress(BrokerUnavailableError):
            while True:
                await link.publish("y", b"")
        found: list[BrokerMessage] = []
        with contextlib.suppress(BrokerUnavailableError):
            async for chunk in link.chunks():
                found += chunk
        assert [message.payload for message in found] == [b"1"]


async def test_a_closed_link_is_unavailable(mosquitto: Mosquitto) -> None:
    async with connect(settings_of(mosquitto), "one") as link:
        pass
    with pytest.raises(BrokerUnavailableError, match="closed"):
        await link.publish("x", b"")
    with pytest.raises(BrokerUnavailableError, match="closed"):
        await receive(link, 1)


Speak = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def fake_broker(speak: Speak) -> AsyncIterator[BrokerSettings]:
    """A listener that says what no real broker says."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await speak(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield BrokerSettings(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    await server.wait_closed()


CONNACK_V5 = bytes.fromhex("20 03 00 00 00")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        bytes.fromhex("20 ff ff ff ff ff"),
        bytes.fromhex("20 00"),
        CONNACK_V5 + bytes.fromhex("30 02 00 09"),  # a topic longer than its packet
        CONNACK_V5 + bytes.fromhex("30 00"),
        CONNACK_V5 + bytes.fromhex("30 ff ff ff 7f 00 01"),  # 256 MB announced
        CONNACK_V5 + bytes.fromhex("f0 7f"),
        CONNACK_V5 + bytes.fromhex("90 03 12 34 00"),
    ],
    ids=bytes.hex,
)
async def test_a_broker_that_talks_nonsense_is_unavailable(answer: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1_000)
        writer.write(answer)
        await writer.drain()

    async with fake_broker(speak) as settings:
        with pytest.raises(BrokerUnavailableError):
            async with connect(settings, "one") as link:
                await receive(link, 1)


async def test_a_broker_of_3_1_1_that_only_hangs_up_on_mqtt_5() -> None:
    versions: list[int] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        versions.append((await reader.read(1_000))[8])
        if versions[-1] == 4:
            writer.write(bytes.fromhex("20 02 00 00  30 04 00 01 78 21"))
            await reader.read()

    async with fake_broker(speak) as settings, connect(settings, "one") as link:
        assert await receive(link, 1) == [BrokerMessage("x", b"!", False)]
    assert versions == [5, 4]


async def test_a_connection_can_be_cancelled_while_it_is_made() -> None:
    asked = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1_000)
        asked.set()
        await reader.read()  # never answers

    async def use(settings: BrokerSettings) -> None:
        async with connect(settings, "one"):
            raise AssertionError("connected")

    async with fake_broker(speak) as settings:
        task = asyncio.create_task(use(settings))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(2_000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("waited in vain")


async def test_keep_connected_comes_back_and_says_so_once(mosquitto: Mosquitto) -> None:
    links: asyncio.Queue[Link] = asyncio.Queue()

    async def use(link: Link) -> None:
        await link.subscribe(["x"])
        links.put_nowait(link)
        async for chunk in link.chunks():
            for message in chunk:
                await link.publish("answer", message.payload)

    backoff = Backoff(0.01, 0.02)
    with capture_logs() as logs:
        keeping = asyncio.create_task(
            keep_connected(settings_of(mosquitto), "kept", use, what="test", backoff=backoff)
        )
        try:
            async with asyncio.timeout(_WAIT_S):
                for _ in range(2):
                    await links.get()
                    async with connect(settings_of(mosquitto), "asker") as asker:
                        await asker.subscribe(["answer"])
                        await asker.publish("x", b"hello")
                        assert (await receive(asker, 1))[0].payload == b"hello"
                    mosquitto.kill()
                    await until(lambda: sum(entry["log_level"] == "debug" for entry in logs) >= 2)
                    mosquitto.start()
                    logs_so_far = [(entry["log_level"], entry["event"]) for entry in logs]
                    assert logs_so_far.count(("warning", "broker unavailable")) == 1
                    logs.clear()
                await links.get()
        finally:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping
    assert [entry["again"] for entry in logs if entry["event"] == "broker connected"] == [True]


async def test_keep_connected_ends_for_a_fault_of_the_program(mosquitto: Mosquitto) -> None:
    async def use(link: Link) -> None:
        raise KeyError("a bug")

    with pytest.raises(KeyError):
        await keep_connected(settings_of(mosquitto), "kept", use, what="test")
