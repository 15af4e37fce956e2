"""Our own `org.bluez`: what bluetoothd says on D-Bus, over simulated adapters and devices."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterable
from typing import Final

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

from simulators.ble.adapter import ADAPTER, DEVICE, MONITORS, Adapter
from simulators.ble.links import CHARACTERISTIC, FAILED
from simulators.ble.objects import OBJECT_MANAGER, CallError, ObjectTree
from simulators.ble.peripheral import Peripheral

NAME: Final = "org.bluez"
MONITOR: Final = "org.bluez.AdvertisementMonitor1"
DBUS: Final = "org.freedesktop.DBus"
TIDY_S: Final = 1.0


class Bluetoothd:
    """The daemon, from `start` to `stop`. It forgets everything in between, as the real one nearly does."""

    def __init__(
        self, address: str, adapters: Iterable[str], *, links_max: int = 7, passive: bool = True
    ) -> None:
        self._address = address
        self._names = tuple(adapters)
        self._links_max = links_max
        self._passive = passive
        self.adapters: dict[str, Adapter] = {}
        self.tree: ObjectTree | None = None
        self._bus: MessageBus | None = None
        self._due: list[tuple[float, int, Peripheral]] = []
        self._count = 0
        self._changed = asyncio.Event()

    def add(self, peripheral: Peripheral, delay_s: float) -> None:
        """The device is switched on; it advertises for the first time after `delay_s`."""
        self._count += 1
        heapq.heappush(self._due, (asyncio.get_running_loop().time() + delay_s, self._count, peripheral))
        self._changed.set()

    async def start(self) -> None:
        bus = MessageBus(self._address, negotiate_unix_fd=True)
        await bus.connect()
        self._bus = bus
        tree = self.tree = ObjectTree(bus, self._call, self._write)
        tree.objects["/org/bluez"] = {"org.bluez.AgentManager1": {}}
        for name in self._names:
            self.plug(name)
        bus.add_message_handler(self._overhear)
        await self._match(f"type='signal',sender='{DBUS}',member='NameOwnerChanged',arg2=''")
        await self._match(f"type='signal',interface='{OBJECT_MANAGER}',path_namespace='/org/bleak'")
        await bus.request_name(NAME)
        tree.later(self._advertise(), "ble-advertise")
        tree.later(self._tidy(), "ble-tidy")

    async def stop(self) -> None:
        """The name loses its owner at once, without a word: as when the daemon is killed."""
        bus, tree = self._bus, self.tree
        self._bus = self.tree = None
        for adapter in self.adapters.values():
            for link in adapter.links.values():
                link.end()
        if tree is not None:
            await tree.close()
        if bus is not None:
            bus.disconnect()
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # dbus-fast leaves it so

    def unplug(self, name: str) -> None:
        """The adapter is pulled out, with all its devices."""
        adapter = self.adapters.pop(name)
        adapter.power(on=False)
        if self.tree is not None:
            self.tree.remove(adapter.path)

    def plug(self, name: str) -> None:
        """It is put in again, and is on."""
        assert self.tree is not None, "the daemon runs"
        self.adapters[name] = Adapter(self.tree, name, links_max=self._links_max, passive=self._passive)

    async def _match(self, rule: str) -> None:
        assert self._bus is not None
        await self._bus.call(
            Message(DBUS, "/org/freedesktop/DBus", DBUS, "AddMatch", signature="s", body=[rule])
        )

    def _overhear(self, message: Message) -> bool:
        """Signals of others: clients that leave, monitors that are shown."""
        if message.message_type is not MessageType.SIGNAL or message.sender is None:
            return False
        if message.member == "NameOwnerChanged" and message.sender == DBUS:
            for adapter in self.adapters.values():
                adapter.client_gone(message.body[0])
        elif message.member == "InterfacesAdded":
            path, interfaces = message.body
            for adapter in self.adapters.values():
                key = (message.sender, path)
                if MONITOR in interfaces and key in adapter.monitors:
                    patterns = interfaces[MONITOR]["Patterns"].value
                    adapter.monitors[key] = tuple(
                        (start, kind, bytes(content)) for start, kind, content in patterns
                    )
        return False

    async def _call(self, message: Message) -> Message | None:
        path = message.path or ""
        adapter = self._adapter_of(path)
        if adapter is None:
            raise CallError("org.freedesktop.DBus.Error.UnknownMethod", "no such method")
        if message.interface in {ADAPTER, MONITORS}:
            adapter.call(message)
            return None
        if message.interface == DEVICE:
            if message.member == "Connect":
                await adapter.connect(path)
            elif message.member == "Disconnect":
                adapter.end_link(path)
            else:
                raise CallError("org.bluez.Error.NotSupported", "Operation is not supported")
            return None
        if message.interface == CHARACTERISTIC:
            link = adapter.links.get("/".join(path.split("/")[:5]))
            if link is None:
                raise CallError(FAILED, "Not connected")
            return await link.call(message)
        raise CallError("org.freedesktop.DBus.Error.UnknownMethod", "no such method")

    async def _write(self, message: Message) -> None:
        interface, name, value = message.body
        adapter = self._adapter_of(message.path or "")
        if adapter is not None and (interface, name) == (ADAPTER, "Powered"):
            adapter.power(on=bool(value.value))
        elif interface == DEVICE and name == "Trusted" and self.tree is not None:
            self.tree.change(message.path or "", DEVICE, {"Trusted": Variant("b", value.value)})
        else:
            raise CallError("org.freedesktop.DBus.Error.PropertyReadOnly", f"{name} cannot be set")

    def _adapter_of(self, path: str) -> Adapter | None:
        parts = path.split("/")
        return self.adapters.get(parts[3]) if len(parts) > 3 else None

    async def _advertise(self) -> None:
        """Every device in its rhythm."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            while self._due and self._due[0][0] <= loop.time():
                due_s, number, peripheral = heapq.heappop(self._due)
                for adapter in self.adapters.values():
                    if peripheral.is_heard_by(adapter.name):
                        adapter.hears(peripheral, loop.time())
                next_s = max(due_s + peripheral.interval_s, loop.time())
                heapq.heappush(self._due, (next_s, number, peripheral))
            try:
                async with asyncio.timeout_at(self._due[0][0] if self._due else None):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _tidy(self) -> None:
        while True:
            await asyncio.sleep(TIDY_S)
            for adapter in self.adapters.values():
                adapter.forget_old(asyncio.get_running_loop().time())
