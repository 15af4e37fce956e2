"""A client that publishes whatever bytes it is given and overhears what gateways and collector say."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from tests.line.running_site import eventually

HEARD_MAX = 50


class Talker:
    """Connected between `with`. `heard`: the first payloads by last level of their topic, without what the broker had kept."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.max_inflight_messages_set(1_000)
        self._client.on_message = self._on_message
        self._lock = threading.Lock()
        self.heard: dict[str, list[bytes]] = defaultdict(list)
        self.published = 0

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        return self

    def __exit__(self, *error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def listen(self, topic_filter: str) -> None:
        self._client.subscribe(topic_filter, 1)

    def stop_listening(self, topic_filter: str) -> None:
        self._client.unsubscribe(topic_filter)

    def say(self, topic: str, payload: bytes | str, *, retain: bool = False, wait: bool = False) -> None:
        """wait: until the broker has answered for it."""
        info = self._client.publish(topic, payload, 1, retain)
        assert info.rc == paho.MQTT_ERR_SUCCESS, paho.error_string(info.rc)
        self.published += 1
        if wait:
            info.wait_for_publish(30)
            assert info.is_published()

    def first(self, leaf: str) -> bytes:
        return eventually(lambda: self.heard[leaf], f"something on {leaf}")[0]

    def _on_message(self, client: paho.Client, userdata: object, message: paho.MQTTMessage) -> None:
        del client, userdata
        if message.retain:
            return
        with self._lock:
            found = self.heard[message.topic.rpartition("/")[2]]
            if len(found) < HEARD_MAX:
                found.append(bytes(message.payload))
