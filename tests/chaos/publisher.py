"""A device park that never stops: uniquely numbered readings and morning checks over MQTT."""

from __future__ import annotations

import json
import threading
from typing import Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

TICK_S: Final = 0.04
READINGS_A_TICK: Final = 6
FEVER_EVERY_TICKS: Final = 9


class Publisher:
    """Publishes from a thread of its own, `readings` messages so far. No number is published twice:
    a connection that breaks takes with it what had not been answered.
    """

    def __init__(self, port: int, suffixes: tuple[str, ...], readings_a_tick: int = READINGS_A_TICK) -> None:
        self._port = port
        self._suffixes = suffixes
        self._readings_a_tick = readings_a_tick
        self.readings = 0
        self.checks = 0
        self._ticks = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=self._work, name="publisher")
        self._thread.start()

    def stop(self) -> None:
        """What the broker has answered for has been published; a second call does nothing."""
        if self._thread:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", self._port)
        client.loop_start()
        last: list[paho.MQTTMessageInfo] = []
        while not self._stop.wait(TICK_S):
            last = [info for suffix in self._suffixes for info in self._tick(client, suffix)]
        for info in last:
            # The broker may have been killed: then nothing of the last tick is answered.
            if client.is_connected():
                info.wait_for_publish(5)
        client.disconnect()
        client.loop_stop()

    def _tick(self, client: paho.Client, suffix: str) -> list[paho.MQTTMessageInfo]:
        self._ticks += 1
        sent = []
        for _ in range(self._readings_a_tick):
            self.readings += 1
            sent.append(client.publish(f"sensors/air-{suffix}", reading(self.readings), 1))
        if self._ticks % 3 == 0:
            fever = self._ticks % FEVER_EVERY_TICKS == 0
            self.checks += 1
            sent.append(client.publish(f"stations/st-{suffix}/check", check(self.checks, fever=fever), 1))
        return sent


def reading(number: int) -> str:
    """Two readings; `number` below 3,900,000 gives a CO₂ value of its own."""
    return json.dumps({"co2": round(400 + number / 100, 2), "humidity": number % 100})


def check(number: int, *, fever: bool) -> str:
    """`number` below 100,000 gives a temperature of its own."""
    temperature_c = round((38.3 if fever else 36.1) + number / 100_000, 5)
    said = {"v": 1, "card": None, "site": "forehead", "ambient_c": 22.0, "temperature_c": temperature_c}
    # Only a fever is told about an unknown card; a known one tells every check.
    return json.dumps(said | {"card": CARD})


CARD: Final = "04A1B2C3D4E5F6"
