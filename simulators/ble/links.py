"""A connection to a simulated device: its services as D-Bus objects, reads, writes, notifications."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from typing import Any, Final

from dbus_fast import Message, Variant

from simulators.ble.objects import CallError, ObjectTree, Props
from simulators.ble.peripheral import Characteristic, Peripheral

SERVICE: Final = "org.bluez.GattService1"
CHARACTERISTIC: Final = "org.bluez.GattCharacteristic1"
FAILED: Final = "org.bluez.Error.Failed"
MTU: Final = 247
FIRST_HANDLE: Final = 0x0A


class Link:
    """One device's side of a connection; BlueZ keeps its services as objects when it has ended."""

    def __init__(self, tree: ObjectTree, peripheral: Peripheral, device_path: str) -> None:
        self.peripheral = peripheral
        self.path = device_path
        self._tree = tree
        self._characteristics = dict(_characteristic_paths(peripheral, device_path))
        self._notifying: dict[str, asyncio.Task[None]] = {}
        self._sockets: dict[str, socket.socket] = {}

    def show_services(self) -> None:
        """The objects of all services, unless they are known from an earlier connection."""
        for path, service in _service_paths(self.peripheral, self.path):
            if path in self._tree.objects:
                continue
            props = {"UUID": _text(service.uuid), "Primary": Variant("b", True), "Device": _path(self.path)}
            self._tree.add(path, SERVICE, props)
            for own, characteristic in _within(path, service.characteristics):
                self._tree.add(own, CHARACTERISTIC, _props(characteristic, path))

    def end(self) -> None:
        for path in list(self._notifying):
            self._stop(path)

    async def call(self, message: Message) -> Message | None:
        """Answers a call of a characteristic. Raises CallError."""
        path = message.path or ""
        characteristic = self._characteristics.get(path)
        if characteristic is None:
            raise CallError("org.freedesktop.DBus.Error.UnknownMethod", "no characteristic")
        member = message.member
        if self.peripheral.faults.latency_s:
            await asyncio.sleep(self.peripheral.faults.latency_s)
        if member == "ReadValue":
            return Message.new_method_return(message, "ay", [self._read(path, characteristic)])
        if member == "WriteValue":
            self._may(characteristic, "write", "Write not permitted")
            characteristic.written.append(bytes(message.body[0]))
        elif member == "StartNotify":
            self._start(path, characteristic)
        elif member == "StopNotify":
            self._stop(path)
        elif member == "AcquireNotify":
            theirs = self._acquire(path, characteristic)
            reply = Message.new_method_return(message, "hq", [0, MTU], [theirs.detach()])
            self._tree.later(_close_later(reply.unix_fds[0]), "ble-close-fd")
            return reply
        else:
            raise CallError("org.freedesktop.DBus.Error.UnknownMethod", f"no method {member}")
        return None

    def _may(self, characteristic: Characteristic, flag: str, refusal: str) -> None:
        if flag not in characteristic.flags:
            raise CallError("org.bluez.Error.NotPermitted", refusal)
        if (code := self.peripheral.faults.gatt_error) is not None:
            raise CallError(FAILED, f"Operation failed with ATT error: 0x{code:02x}")

    def _read(self, path: str, characteristic: Characteristic) -> bytes:
        self._may(characteristic, "read", "Read not permitted")
        value = self.peripheral.faults.spoil(characteristic.value())
        self._tree.change(path, CHARACTERISTIC, {"Value": Variant("ay", value)})
        return value

    def _start(self, path: str, characteristic: Characteristic) -> None:
        if "notify" not in characteristic.flags:
            raise CallError("org.bluez.Error.NotSupported", "Operation is not supported")
        if (code := self.peripheral.faults.gatt_error) is not None:
            raise CallError(FAILED, f"Operation failed with ATT error: 0x{code:02x}")
        if path not in self._notifying:
            self._tree.change(path, CHARACTERISTIC, {"Notifying": Variant("b", True)})
            self._notifying[path] = self._tree.later(self._notify(path, characteristic), "ble-notify")

    def _acquire(self, path: str, characteristic: Characteristic) -> socket.socket:
        if path in self._notifying:
            raise CallError("org.bluez.Error.NotPermitted", "Notify acquired")
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        self._sockets[path] = ours
        self._start(path, characteristic)
        return theirs

    def _stop(self, path: str) -> None:
        task = self._notifying.pop(path, None)
        if task is None:
            return
        task.cancel()
        if (ours := self._sockets.pop(path, None)) is not None:
            ours.close()
        if path in self._tree.objects:
            self._tree.change(path, CHARACTERISTIC, {"Notifying": Variant("b", False)})

    async def _notify(self, path: str, characteristic: Characteristic) -> None:
        """The first at once, as most devices do, then in their rhythm."""
        faults = self.peripheral.faults
        while True:
            if not (faults.mute or faults.silent):
                value = faults.spoil(characteristic.value())
                for _ in range(2 if faults.duplicate else 1):
                    self._say(path, value)
            await asyncio.sleep(characteristic.interval_s)

    def _say(self, path: str, value: bytes) -> None:
        if (ours := self._sockets.get(path)) is None:
            self._tree.change(path, CHARACTERISTIC, {"Value": Variant("ay", value)})
            return
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            ours.send(value)


async def _close_later(fd: int) -> None:
    """A descriptor is duplicated when it is sent; ours is closed after that."""
    try:
        await asyncio.sleep(1.0)
    finally:
        os.close(fd)


def _service_paths(peripheral: Peripheral, device_path: str) -> Iterator[tuple[str, Any]]:
    handle = FIRST_HANDLE
    for service in peripheral.services:
        yield f"{device_path}/service{handle:04x}", service
        handle += 1 + 3 * len(service.characteristics)


def _within(service_path: str, characteristics: Any) -> Iterator[tuple[str, Characteristic]]:
    handle = int(service_path[-4:], 16) + 1
    for characteristic in characteristics:
        yield f"{service_path}/char{handle:04x}", characteristic
        handle += 3


def _characteristic_paths(peripheral: Peripheral, device_path: str) -> Iterator[tuple[str, Characteristic]]:
    for path, service in _service_paths(peripheral, device_path):
        yield from _within(path, service.characteristics)


def _props(characteristic: Characteristic, service_path: str) -> Props:
    props = {
        "UUID": _text(characteristic.uuid),
        "Service": _path(service_path),
        "Value": Variant("ay", b""),
        "Flags": Variant("as", list(characteristic.flags)),
        "MTU": Variant("q", MTU),
    }
    if "notify" in characteristic.flags:
        props |= {"Notifying": Variant("b", False), "NotifyAcquired": Variant("b", False)}
    return props


def _text(text: str) -> Variant:
    return Variant("s", text)


def _path(path: str) -> Variant:
    return Variant("o", path)
