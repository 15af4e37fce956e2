"""Objects on a D-Bus as BlueZ shows them: properties by interface, and signals of what changes.

The library that carries them, dbus-fast 5.2, gives its connection up when the socket's buffer is full
for an instant, as it is after a burst of a few hundred signals. So everything goes out through one
queue that waits until the socket takes more.
"""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final

from dbus_fast import Message, MessageFlag, MessageType, Variant
from dbus_fast.aio import MessageBus

PROPERTIES: Final = "org.freedesktop.DBus.Properties"
OBJECT_MANAGER: Final = "org.freedesktop.DBus.ObjectManager"
SIGNALS_WAITING_MAX: Final = 20_000
"""More than a bus can carry in a second: what comes then is lost, as in the air."""
FULL_S: Final = 0.001

Props = dict[str, Variant]
Handler = Callable[[Message], Coroutine[Any, Any, Message | None]]


class CallError(Exception):
    """A method call that is refused; `name` is the D-Bus error."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


class ObjectTree:
    """Objects of one service, and its calls. `call` answers what is no plain look at properties.

    Raises CallError, or gives the reply; of that, None stands for an empty one.
    """

    def __init__(self, bus: MessageBus, call: Handler, write: Handler) -> None:
        self._bus = bus
        self._call = call
        self._write = write
        self.objects: dict[str, dict[str, Props]] = {}
        self.signals_lost = 0
        self._waiting: deque[Message] = deque()
        self._ready = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._pump = asyncio.create_task(self._send(), name="ble-signals")
        bus.add_message_handler(self._handle)

    async def close(self) -> None:
        """Nothing is sent or answered any more."""
        self._bus.remove_message_handler(self._handle)
        tasks = {self._pump, *self._tasks}
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)

    def add(self, path: str, interface: str, props: Props) -> None:
        self.objects.setdefault(path, {})[interface] = props
        self._signal("/", OBJECT_MANAGER, "InterfacesAdded", "oa{sa{sv}}", [path, {interface: props}])

    def remove(self, path: str) -> None:
        """The object, and all below it."""
        below = [one for one in self.objects if one == path or one.startswith(f"{path}/")]
        for one in sorted(below, reverse=True):
            interfaces = list(self.objects.pop(one))
            self._signal("/", OBJECT_MANAGER, "InterfacesRemoved", "oas", [one, interfaces])

    def change(self, path: str, interface: str, changed: Props, gone: Iterable[str] = ()) -> None:
        """Sets properties and says so in one signal; `gone` are those that have no value any more."""
        props = self.objects[path][interface]
        props.update(changed)
        invalidated = [name for name in gone if props.pop(name, None) is not None]
        if changed or invalidated:
            self._signal(path, PROPERTIES, "PropertiesChanged", "sa{sv}as", [interface, changed, invalidated])

    def get(self, path: str, interface: str, name: str) -> Any:
        """The value of a property, None where it has none."""
        found = self.objects[path][interface].get(name)
        return None if found is None else found.value

    def later(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Runs beside, and ends with the tree."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _signal(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
        if len(self._waiting) >= SIGNALS_WAITING_MAX:
            self.signals_lost += 1
            return
        self._put(Message.new_signal(path, interface, member, signature, body))

    def _put(self, message: Message) -> None:
        self._waiting.append(message)
        self._ready.set()

    async def _send(self) -> None:
        socket = self._bus._fd  # noqa: SLF001  # told by nobody else
        assert socket is not None, "the bus is connected"
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._waiting and self._bus.connected:
                # The kernel calls a socket writable while three quarters of its buffer are free.
                if not select.select((), (socket,), (), 0)[1]:
                    await asyncio.sleep(FULL_S)
                    continue
                self._bus.send(self._waiting.popleft())

    def _handle(self, message: Message) -> bool:
        if message.message_type is not MessageType.METHOD_CALL:
            return False
        if message.destination == "org.freedesktop.DBus" or message.interface in {
            "org.freedesktop.DBus.Peer",
            "org.freedesktop.DBus.Introspectable",
        }:
            return False
        self.later(self._answer(message), f"ble-{message.member}")
        return True

    async def _answer(self, message: Message) -> None:
        try:
            reply = await self._dispatch(message)
        except CallError as error:
            reply = Message.new_error(message, error.name, str(error))
        if not message.flags & MessageFlag.NO_REPLY_EXPECTED:
            self._put(reply or Message.new_method_return(message))

    async def _dispatch(self, message: Message) -> Message | None:
        interface, member, body = message.interface, message.member, message.body
        if interface == OBJECT_MANAGER and member == "GetManagedObjects":
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [self.objects])
        known = self.objects.get(message.path or "")
        if known is None:
            raise CallError("org.freedesktop.DBus.Error.UnknownObject", f"no object {message.path}")
        if interface != PROPERTIES:
            if interface not in known:
                raise CallError("org.freedesktop.DBus.Error.UnknownMethod", f"no interface {interface}")
            return await self._call(message)
        props: Mapping[str, Variant] | None = known.get(body[0]) if body else None
        if props is None:
            raise CallError("org.freedesktop.DBus.Error.InvalidArgs", "no such interface")
        if member == "GetAll":
            return Message.new_method_return(message, "a{sv}", [props])
        if member == "Get" and body[1] in props:
            return Message.new_method_return(message, "v", [props[body[1]]])
        if member == "Set":
            return await self._write(message)
        raise CallError("org.freedesktop.DBus.Error.InvalidArgs", "no such property")
