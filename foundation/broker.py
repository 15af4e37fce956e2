"""A supervised MQTT connection: what drivers, uplink and intake have in common.

Speaks MQTT 5 and falls back to 3.1.1 for a broker that does not, over aiomqtt. Messages are handed
over in chunks, everything that has arrived since the last time, so that a busy topic costs one
wake-up a chunk and not one a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn, Protocol, TypeVar

import aiomqtt
import structlog
from pydantic import Field

from foundation.backoff import Backoff
from foundation.mqttclient import BrokerMessage, ClosedByBrokerError, Inbox, QuickClient
from foundation.tomlfile import StrictModel

__all__ = [
    "BrokerMessage",
    "BrokerSettings",
    "BrokerUnavailableError",
    "Link",
    "Will",
    "connect",
    "keep_connected",
    "run_together",
]

Answer = TypeVar("Answer")

_REFUSED_V5: Final = {1, 132}
"""CONNACK codes with which a 3.1.1 broker refuses MQTT 5 (its own, and that of MQTT 5)."""
_NOT_AUTHORISED: Final = {4, 5, 134, 135}

log = structlog.get_logger()
_client_log = logging.getLogger("aiomqtt.quiet")
_client_log.setLevel(logging.CRITICAL)  # what it logs as errors also comes as exceptions


class BrokerSettings(StrictModel):
    """Where an MQTT broker is and how to log in."""

    host: str = Field(min_length=1)
    port: int = Field(default=1883, ge=1, le=65_535)
    username: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    """Given: TLS, and the broker's certificate must be signed by this authority."""
    certificate_file: Path | None = None
    key_file: Path | None = None
    keepalive_s: int = Field(default=30, ge=5, le=3_600)

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def relative_to(self, folder: Path) -> BrokerSettings:
        """The same with the files it names looked for in `folder`."""
        names = ("password_file", "ca_file", "certificate_file", "key_file")
        files = {name: getattr(self, name) for name in names}
        return self.model_copy(update={name: folder / file for name, file in files.items() if file})


class Will(NamedTuple):
    """What the broker publishes when the connection breaks."""

    topic: str
    payload: bytes


class BrokerUnavailableError(Exception):
    """The broker cannot be reached or refuses us; try again later."""

    def __init__(self, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.refused = refused
        """The broker answered and said no: trying again soon will not help."""


class Link(Protocol):
    """An open connection. Every method raises BrokerUnavailableError once it has broken."""

    async def subscribe(self, filters: Sequence[str], qos: int = 1) -> None: ...

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """With QoS 1: returns once the broker has answered for the message."""

    def chunks(self) -> AsyncIterator[list[BrokerMessage]]:
        """Everything that arrived since the last chunk, for ever; each chunk has a message."""

    @property
    def overflowed(self) -> int:
        """Messages dropped because chunks were not taken fast enough."""


class _AiomqttLink:
    def __init__(self, client: QuickClient, inbox: Inbox, broken: asyncio.Task[Any]) -> None:
        self._client = client
        self._inbox = inbox
        self._broken = broken
        broken.add_done_callback(lambda _: inbox.wake())

    @property
    def overflowed(self) -> int:
        return self._inbox.overflowed

    async def subscribe(self, filters: Sequence[str], qos: int = 1) -> None:
        asking = self._client.subscribe([(one, qos) for one in filters])
        answers = await self._while_unbroken(asking, "link-subscribe")
        codes = [code if isinstance(code, int) else code.value for code in answers]
        refused = [one for one, code in zip(filters, codes, strict=True) if code >= 0x80]
        if refused:
            raise BrokerUnavailableError(f"subscription refused: {', '.join(refused)}", refused=True)

    async def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        await self._while_unbroken(self._client.publish(topic, payload, qos, retain), "link-publish")

    async def chunks(self) -> AsyncIterator[list[BrokerMessage]]:
        while True:
            if self._broken.done():
                self._inbox.wake()  # what still waits is handed over before the error
            chunk = await self._inbox.take()
            if chunk:
                yield chunk
            elif self._broken.done():
                self._raise_broken()

    async def _while_unbroken(self, asking: Coroutine[Any, Any, Answer], name: str) -> Answer:
        """An answer of the broker; does not wait for it when the connection has broken."""
        if self._broken.done():
            asking.close()
            self._raise_broken()
        task = asyncio.create_task(asking, name=name)
        try:
            await asyncio.wait({task, self._broken}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                with _as_unavailable():
                    return task.result()
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        return self._raise_broken()

    def _raise_broken(self) -> NoReturn:
        if self._broken.cancelled():
            raise BrokerUnavailableError("the link is closed")
        with _as_unavailable():
            self._broken.result()
        raise BrokerUnavailableError("the link is broken")


@contextlib.contextmanager
def _as_unavailable() -> Any:
    try:
        yield
    except aiomqtt.MqttCodeError as error:
        code = getattr(error.rc, "value", error.rc)
        raise BrokerUnavailableError(str(error), refused=code in _NOT_AUTHORISED) from error
    except (aiomqtt.MqttError, OSError, ValueError) as error:
        text = str(error) or type(error).__name__
        if error.__cause__ is not None:
            text += f" ({error.__cause__})"
        raise BrokerUnavailableError(text) from error


@contextlib.asynccontextmanager
async def connect(
    settings: BrokerSettings, client_id: str, *, will: Will | None = None
) -> AsyncIterator[Link]:
    """An open connection with a clean session. Raises BrokerUnavailableError."""
    try:
        tls = _tls(settings)
        password = settings.password_file.read_text("utf-8").strip() if settings.password_file else None
    except (OSError, ValueError) as error:
        raise BrokerUnavailableError(_file_trouble(settings, error), refused=True) from error

    def client(version: aiomqtt.ProtocolVersion, inbox: Inbox) -> QuickClient:
        return QuickClient(
            settings.host,
            settings.port,
            identifier=client_id,
            username=settings.username,
            password=password,
            protocol=version,
            keepalive=settings.keepalive_s,
            tls_context=tls,
            will=aiomqtt.Will(will.topic, will.payload, 1) if will else None,
            max_inflight_messages=100,
            max_concurrent_outgoing_calls=200,
            timeout=10,
            logger=_client_log,
            inbox=inbox,
            clean_session=True if version is aiomqtt.ProtocolVersion.V311 else None,
        )

    async with contextlib.AsyncExitStack() as stack:
        opened, inbox = await _open(stack, client)
        # The client's own iterator never yields (its queue is ours) but raises when the link breaks.
        broken = asyncio.create_task(anext(opened.messages), name="link-watch")
        try:
            yield _AiomqttLink(opened, inbox, broken)
        finally:
            broken.cancel()
            with contextlib.suppress(asyncio.CancelledError, aiomqtt.MqttError):
                await broken


def _file_trouble(settings: BrokerSettings, error: Exception) -> str:
    named = (settings.ca_file, settings.certificate_file, settings.key_file, settings.password_file)
    files = ", ".join(str(file) for file in named if file)
    return f"one of {files} cannot be used: {error}"


async def _open(
    stack: contextlib.AsyncExitStack, client: Callable[[aiomqtt.ProtocolVersion, Inbox], QuickClient]
) -> tuple[QuickClient, Inbox]:
    """A connected client of the newest protocol version that the broker speaks."""
    inbox = Inbox()
    opened = client(aiomqtt.ProtocolVersion.V5, inbox)
    try:
        with _as_unavailable():
            await opened.__aenter__()
    except BrokerUnavailableError as error:
        if not _speaks_no_v5(error):
            raise
        inbox = Inbox()
        opened = client(aiomqtt.ProtocolVersion.V311, inbox)
        with _as_unavailable():
            await opened.__aenter__()
    stack.push_async_callback(_close, opened)
    return opened, inbox


def _speaks_no_v5(error: BrokerUnavailableError) -> bool:
    """Whether a connection failed in one of the ways of a broker that speaks only MQTT 3.1.1."""
    cause = error.__cause__
    if isinstance(cause, aiomqtt.MqttCodeError):
        return getattr(cause.rc, "value", cause.rc) in _REFUSED_V5
    return isinstance(cause, ClosedByBrokerError)


async def _close(client: QuickClient) -> None:
    # A connection that breaks while it is being closed is closed.
    with contextlib.suppress(aiomqtt.MqttError, OSError):
        await client.__aexit__(None, None, None)


class _HandshakeSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails, which paho leaves to the garbage collector."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002  # ssl's signature
        try:
            super().do_handshake(block)
        except BaseException:
            self.close()
            raise


def _tls(settings: BrokerSettings) -> ssl.SSLContext | None:
    if settings.ca_file is None:
        return None
    context = ssl.create_default_context(cafile=str(settings.ca_file))
    context.sslsocket_class = _HandshakeSocket
    if settings.certificate_file:
        context.load_cert_chain(settings.certificate_file, settings.key_file)
    return context


async def keep_connected(
    settings: BrokerSettings,
    client_id: str,
    use: Callable[[Link], Awaitable[None]],
    *,
    what: str,
    will: Will | None = None,
    backoff: Backoff | None = None,
) -> None:
    """Runs `use` on a connection, again and again, until cancelled.

    The first failure is logged as a warning, repeats at debug, recovery once. Only
    BrokerUnavailableError is expected of `use`; anything else ends this function.
    """
    backoff = backoff or Backoff()
    failing = False
    while True:
        try:
            async with connect(settings, client_id, will=will) as link:
                log.info("broker connected", what=what, broker=settings.address, again=failing)
                failing = False
                backoff.reset()
                await use(link)
        except BrokerUnavailableError as error:
            if error.refused:
                backoff.exhaust()
            delay_s = backoff.delay_s()
            report = log.debug if failing else log.warning
            report(
                "broker unavailable",
                what=what,
                broker=settings.address,
                error=str(error),
                retry_s=round(delay_s, 1),
            )
            failing = True
            await asyncio.sleep(delay_s)


async def run_together(**work: Coroutine[Any, Any, None]) -> None:
    """Runs the named coroutines until one fails; what it raised is raised, the rest is cancelled."""
    try:
        async with asyncio.TaskGroup() as group:
            for name, coroutine in work.items():
                group.create_task(coroutine, name=name)
    except* BrokerUnavailableError as failures:
        raise _first(failures) from None


def _first(group: BaseExceptionGroup[BrokerUnavailableError]) -> BaseException:
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
