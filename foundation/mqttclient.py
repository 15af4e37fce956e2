"""aiomqtt's client with another way of reading its socket, and without its loose ends.

aiomqtt and paho read one packet a wake-up, each with three or more system calls. Here a wake-up
takes everything the socket has; messages of QoS 0, the many, are cut out of the bytes at once, and
every other packet is handed to paho whole. benchmarks/bench_broker.py measures the difference.

Held to aiomqtt 2.5 and paho 2.x, whose private names it uses: `_client`, `_connected`,
`_disconnected`, `_misc_loop`, `_sock_recv`, `_sock_close`, `_send_puback`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any, Final, NamedTuple, Self

import aiomqtt

QUEUE_MESSAGES_MAX: Final = 50_000
QUEUE_BYTES_MAX: Final = 32 * 1024 * 1024
PAUSE_MESSAGES: Final = 1_000
PAUSE_BYTES: Final = 8 * 1024 * 1024
"""With so much waiting the socket is left alone: the broker waits, and memory does not grow."""
PACKET_BYTES_MAX: Final = 16 * 1024 * 1024
"""A larger message comes without its content, and whoever reads it refuses and counts it like any other
rubbish: ours have 4 MiB at most, and one that a broker retains would otherwise end each new connection.
"""
_LENGTH_MAX: Final = 2**28 - 1
"""Of a packet, by MQTT."""
_READ_BYTES: Final = 64 * 1024
_PUBLISH_QOS0: Final = 0x30
_PUBLISH_QOS1: Final = 0x32


class ClosedByBrokerError(aiomqtt.MqttError):
    """The broker ended the connection before it had answered CONNECT, or made no sense."""


class BrokerMessage(NamedTuple):
    """A message as it came."""

    topic: str
    payload: bytes
    retained: bool


class Inbox(asyncio.Queue[aiomqtt.Message]):
    """Stands in for aiomqtt's queue: collects messages until somebody takes them all."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[BrokerMessage] = []
        self._waiting_bytes = 0
        self._woken = asyncio.Event()
        self._on_room: Callable[[], None] | None = None
        self.overflowed = 0

    @property
    def wants_pause(self) -> bool:
        return len(self._waiting) >= PAUSE_MESSAGES or self._waiting_bytes >= PAUSE_BYTES

    def when_taken(self, resume: Callable[[], None]) -> None:
        """Calls `resume` once, when what waits now has been taken."""
        self._on_room = resume

    def put_nowait(self, item: aiomqtt.Message) -> None:
        payload = item.payload if isinstance(item.payload, bytes) else b""
        self.put_many([BrokerMessage(item.topic.value, payload, item.retain)], len(payload))

    def put_many(self, messages: list[BrokerMessage], size_bytes: int) -> None:
        """Takes messages in, or drops and counts them where the bounds are reached."""
        if len(self._waiting) >= QUEUE_MESSAGES_MAX or self._waiting_bytes >= QUEUE_BYTES_MAX:
            self.overflowed += len(messages)
            return
        self._waiting += messages
        self._waiting_bytes += size_bytes
        self._woken.set()

    def wake(self) -> None:
        """Makes `take` return although there may be nothing."""
        self._woken.set()

    async def take(self) -> list[BrokerMessage]:
        """All that waits; empty only after `wake`."""
        await self._woken.wait()
        self._woken.clear()
        taken, self._waiting, self._waiting_bytes = self._waiting, [], 0
        resume, self._on_room = self._on_room, None
        if resume is not None:
            resume()
        return taken


class QuickClient(aiomqtt.Client):
    """An aiomqtt client that reads into an `Inbox` (its `queue_type` must return the same one)."""

    def __init__(self, *args: Any, inbox: Inbox, protocol: aiomqtt.ProtocolVersion, **kwargs: Any) -> None:
        super().__init__(*args, protocol=protocol, queue_type=_returning(inbox), **kwargs)
        self._inbox = inbox
        self._has_properties = protocol is aiomqtt.ProtocolVersion.V5
        self._buffer = b""
        self._packet = b""
        self._unwanted_bytes = 0
        self._ended: OSError | None = None
        self._broken: Exception | None = None

    async def __aenter__(self) -> Self:
        opening = asyncio.ensure_future(super().__aenter__())
        try:
            try:
                await asyncio.shield(opening)
            except asyncio.CancelledError:
                # paho connects in a thread, which nobody can stop; what it opens has to be closed again.
                self._fail(aiomqtt.MqttError("cancelled"))
                with contextlib.suppress(aiomqtt.MqttError):
                    await opening
                raise
            self._check_whole()
        except BaseException:
            self._abandon()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        try:
            await super().__aexit__(None, None, None)
        finally:
            self._abandon()

    def _check_whole(self) -> None:
        # aiomqtt forgets what happened between the CONNACK and its return.
        if self._broken is not None or self._client.socket() is None:
            raise aiomqtt.MqttError("the connection broke at once") from self._broken

    def _abandon(self) -> None:
        """Closes the socket, if that is still to be done; its callbacks end with it."""
        self._client._sock_close()  # noqa: SLF001  # see the module's docstring
        self._take_note()

    def _fail(self, error: Exception) -> None:
        """Ends the attempt to connect, or the connection."""
        future = self._disconnected if self._connected.done() else self._connected
        if not future.done():
            self._broken = error
            future.set_exception(error)
            self._take_note()

    def _take_note(self) -> None:
        """Looks at how the connection ended, or asyncio complains that nobody did: aiomqtt does not
        where the connection ends before somebody waits for messages, or while it is being made.
        """
        for future in (self._connected, self._disconnected):
            if future.done() and not future.cancelled():
                future.exception()

    def _on_disconnect(self, *args: Any) -> None:
        # A broker may close without a CONNACK; aiomqtt would wait for one until its timeout.
        if not self._connected.done():
            self._connected.set_exception(ClosedByBrokerError("the broker closed the connection"))
        super()._on_disconnect(*args)
        self._take_note()

    def _on_socket_open(self, client: Any, userdata: Any, sock: Any) -> None:  # noqa: ARG002  # aiomqtt's signature
        # Called from the thread that connects.
        self._buffer, self._unwanted_bytes, self._ended = b"", 0, None
        client._sock_recv = self._recv  # noqa: SLF001  # see the module's docstring

        def watch() -> None:
            if client.socket() is sock:
                self._misc_task = self._loop.create_task(self._misc_loop(), name="mqtt-keepalive")
                self._loop.add_reader(sock.fileno(), self._readable, sock)

        self._loop.call_soon_threadsafe(watch)

    def _on_socket_register_write(self, client: Any, userdata: Any, sock: Any) -> None:  # noqa: ARG002  # as above
        def watch() -> None:
            # aiomqtt does not ask whether the socket is still open, and its number still its own.
            if client.socket() is sock:
                self._loop.add_writer(sock.fileno(), self._writable)

        self._loop.call_soon_threadsafe(watch)

    def _writable(self) -> None:
        try:
            self._client.loop_write()
        except Exception as error:  # noqa: BLE001  # as for reading
            self._fail(error)

    def _readable(self, sock: socket.socket) -> None:
        try:
            self._fill(sock)
            self._consume()
            if self._ended is not None and self._client.socket() is not None:
                self._client.loop_read()  # it asks `_recv`, learns the end and closes
            if self._inbox.wants_pause and self._client.socket() is sock:
                self._loop.remove_reader(sock.fileno())
                self._inbox.when_taken(lambda: self._resume(sock))
        except Exception as error:  # noqa: BLE001  # whatever paho makes of a broken broker ends this link
            self._fail(error if self._connected.done() else ClosedByBrokerError(str(error)))

    def _resume(self, sock: socket.socket) -> None:
        if self._client.socket() is sock:
            self._loop.add_reader(sock.fileno(), self._readable, sock)
            if isinstance(sock, ssl.SSLSocket):  # its decrypted bytes wake nobody
                self._loop.call_soon(self._readable_if_open, sock)

    def _readable_if_open(self, sock: socket.socket) -> None:
        if self._client.socket() is sock:
            self._readable(sock)

    def _fill(self, sock: socket.socket) -> None:
        try:
            data = sock.recv(_READ_BYTES)
            # A TLS socket may hold decrypted bytes that no poll of the descriptor tells of.
            while data and isinstance(sock, ssl.SSLSocket) and sock.pending():
                data += sock.recv(sock.pending())
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        except OSError as error:
            self._ended = error
            return
        if not data:
            self._ended = ConnectionResetError("the broker closed the connection")
            return
        wanted = data[self._unwanted_bytes :] if self._unwanted_bytes else data
        self._unwanted_bytes -= len(data) - len(wanted)
        self._buffer = self._buffer + wanted if self._buffer else wanted

    def _recv(self, size: int) -> bytes:
        """What paho reads from in place of the socket: never more than the packet at hand."""
        if self._packet:
            data, self._packet = self._packet[:size], self._packet[size:]
            return data
        if self._ended is None:
            raise BlockingIOError
        if isinstance(self._ended, ConnectionResetError):
            return b""
        raise self._ended

    def _consume(self) -> None:
        """Takes all whole packets out of the buffer."""
        buffer = self._buffer
        found: list[BrokerMessage] = []
        at, end = 0, len(buffer)
        while end - at >= 2:
            first, length, head = buffer[at], buffer[at + 1], at + 2
            if length > 127:
                length, head = _varint(buffer, at + 1)
            stop = head + length
            if not head or stop > end:
                if length > PACKET_BYTES_MAX and (empty := self._without_content(buffer, at, head)):
                    found.append(empty)
                    self._unwanted_bytes, at = stop - end, end
                break
            if first & 0xFE == _PUBLISH_QOS0:
                found.append(self._message(buffer, head, stop, retained=first & 1 == 1))
            else:
                self._packet = buffer[at:stop]
                self._client.loop_read()
                if self._client.socket() is None:
                    break
            at = stop
        self._buffer = buffer[at:]
        if found:
            self._inbox.put_many(found, at)

    def _without_content(self, buffer: bytes, at: int, head: int) -> BrokerMessage | None:
        """A PUBLISH packet that is too large, answered, or the broker would send it again. None while its
        topic is not whole. Raises ConnectionAbortedError for what is no such packet.
        """
        first = buffer[at]
        asks = first & 0xF6 == _PUBLISH_QOS1
        if not (asks or first & 0xFE == _PUBLISH_QOS0) or _varint(buffer, at + 1)[0] > _LENGTH_MAX:
            raise ConnectionAbortedError("the broker sends a packet that is too large")
        begin = head + 2
        end = begin + int.from_bytes(buffer[head:begin], "big")
        if len(buffer) < (end + 2 if asks else end) or len(buffer) < begin:
            return None
        if asks:
            self._client._send_puback(int.from_bytes(buffer[end : end + 2], "big"))  # noqa: SLF001  # see the docstring
        return BrokerMessage(buffer[begin:end].decode("utf-8", "replace"), b"", first & 1 == 1)

    def _message(self, buffer: bytes, head: int, stop: int, *, retained: bool) -> BrokerMessage:
        """The PUBLISH packet of QoS 0 whose variable header begins at `head`."""
        topic_end = payload = (
            head + 2 + (buffer[head] << 8 | buffer[head + 1]) if stop - head >= 2 else stop + 1
        )
        if self._has_properties and payload < stop:
            size, payload = _varint(buffer, payload)
            payload += size
        if not topic_end <= payload <= stop:
            raise ConnectionAbortedError("the broker sends a malformed packet")
        topic = buffer[head + 2 : topic_end].decode("utf-8", "replace")
        return BrokerMessage(topic, buffer[payload:stop], retained)


def _varint(buffer: bytes, at: int) -> tuple[int, int]:
    """An MQTT variable byte integer and where it ends; (0, 0) while it is not whole."""
    value = 0
    for place, byte in enumerate(buffer[at : at + 4]):
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:
            return value, at + place + 1
    # Four bytes that all continue are no length: larger than any packet may be.
    return (2**32, at + 4) if len(buffer) >= at + 4 else (0, 0)


def _returning(inbox: Inbox) -> Any:
    """For aiomqtt, which makes its queue from a type: this one hands it ours."""

    def make(**_: object) -> Inbox:
        return inbox

    return make
