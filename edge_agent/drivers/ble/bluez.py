"""bluetoothd as D-Bus shows it: whether it lives, whether the adapter is there and on; its reset.

bleak does not notice when bluetoothd dies: its connections look alive and nothing comes any more. So
the driver watches the owner of the name `org.bluez` and the adapter's power by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from types import TracebackType
from typing import Any, Final, Self

from bleak.exc import BleakError
from dbus_fast import AuthError, BusType, DBusError, InvalidAddressError, Message, MessageType, Variant
from dbus_fast.aio import MessageBus

CALL_S_MAX: Final = 10.0
OFF_S: Final = 0.5
"""How long a reset leaves the adapter off: USB adapters need a moment."""
BLUEZ: Final = "org.bluez"
ADAPTER: Final = "org.bluez.Adapter1"
DEVICE: Final = "org.bluez.Device1"
OBJECTS: Final = "org.freedesktop.DBus.ObjectManager"
DBUS: Final = "org.freedesktop.DBus"
PROPERTIES: Final = "org.freedesktop.DBus.Properties"
FOREIGN: Final = (
    BleakError,
    DBusError,
    AuthError,
    InvalidAddressError,
    OSError,  # TimeoutError is one
    EOFError,
    AssertionError,  # bleak asserts that its connection lives
    AttributeError,  # and so does, in other words, dbus-fast
)
"""What bleak and dbus-fast raise when bluetoothd or the bus goes away at a bad moment."""


class RadioAwayError(Exception):
    """No Bluetooth now; the message says what is missing. To be tried again."""


class Bluez:
    """A watch on one adapter, as long as it is entered. `gone` ends when it cannot be used any more.

    Raises RadioAwayError when entered without a D-Bus, a bluetoothd or the adapter.
    """

    def __init__(self, adapter: str) -> None:
        self._path = f"/org/bluez/{adapter}"
        self._adapter = adapter
        self._bus: MessageBus | None = None
        self._watching: asyncio.Task[None] | None = None
        self._gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._resetting = False

    async def __aenter__(self) -> Self:
        try:
            bus = self._bus = MessageBus(bus_type=BusType.SYSTEM)
            await bus.connect()
        except FOREIGN as error:
            raise RadioAwayError(f"no D-Bus: {_words(error)}") from error
        self._watching = asyncio.create_task(self._watch_bus(bus), name="ble-bus")
        try:
            bus.add_message_handler(self._overhear)
            await self._match(f"type='signal',sender='{DBUS}',member='NameOwnerChanged',arg0='{BLUEZ}'")
            await self._match(f"type='signal',sender='{BLUEZ}',interface='{PROPERTIES}',path='{self._path}'")
            await self._match(
                f"type='signal',sender='{BLUEZ}',member='InterfacesRemoved',arg0='{self._path}'"
            )
            await self._require()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        await self._close()

    async def gone(self) -> str:
        """Returns, with what happened, when adapter, bluetoothd or bus have gone."""
        return await asyncio.shield(self._gone)

    async def switch_on(self) -> bool:
        """Whether it was off. Raises RadioAwayError."""
        powered = await self._call(PROPERTIES, "Get", "ss", [ADAPTER, "Powered"])
        if powered[0].value:
            return False
        await self._power(on=True)
        return True

    async def free(self, addresses: Collection[str]) -> int:
        """Ends connections to these devices, and says how many there were. Raises RadioAwayError.

        BlueZ keeps the connections of a program that was killed. Whoever is connected does not
        advertise, and would not be heard again.
        """
        objects = (await self._call(OBJECTS, "GetManagedObjects", "", [], to=(BLUEZ, "/")))[0]
        freed = 0
        for path, interfaces in objects.items():
            device = interfaces.get(DEVICE, {})
            if not path.startswith(f"{self._path}/") or "Connected" not in device:
                continue
            if device["Connected"].value and device["Address"].value in addresses:
                with contextlib.suppress(RadioAwayError):  # it may have gone in between
                    await self._call(DEVICE, "Disconnect", "", [], to=(BLUEZ, path))
                freed += 1
        return freed

    async def reset(self) -> None:
        """Off and on: what helps when an adapter has gone deaf. Raises RadioAwayError."""
        self._resetting = True
        try:
            await self._power(on=False)
            await asyncio.sleep(OFF_S)
            await self._power(on=True)
        finally:
            self._resetting = False

    async def _power(self, *, on: bool) -> None:
        await self._call(PROPERTIES, "Set", "ssv", [ADAPTER, "Powered", Variant("b", on)])

    async def _require(self) -> None:
        owned = await self._call(DBUS, "NameHasOwner", "s", [BLUEZ], to=(DBUS, "/org/freedesktop/DBus"))
        if not owned[0]:
            raise RadioAwayError("bluetoothd does not run")
        await self._call(PROPERTIES, "GetAll", "s", [ADAPTER])

    async def _match(self, rule: str) -> None:
        await self._call(DBUS, "AddMatch", "s", [rule], to=(DBUS, "/org/freedesktop/DBus"))

    async def _call(
        self, interface: str, member: str, signature: str, body: list[Any], to: tuple[str, str] | None = None
    ) -> list[Any]:
        destination, path = to or (BLUEZ, self._path)
        assert self._bus is not None, "entered"
        message = Message(destination, path, interface, member, signature=signature, body=body)
        try:
            async with asyncio.timeout(CALL_S_MAX):
                reply = await self._bus.call(message)
        except FOREIGN as error:
            raise RadioAwayError(f"bluetoothd does not answer: {_words(error)}") from error
        if reply.message_type is MessageType.ERROR:
            if reply.error_name in {f"{DBUS}.Error.UnknownObject", f"{DBUS}.Error.UnknownMethod"}:
                raise RadioAwayError(f"adapter {self._adapter} is not there")
            raise RadioAwayError(f"adapter {self._adapter}: {reply.error_name}")
        return reply.body

    def _overhear(self, message: Message) -> bool:
        if message.message_type is MessageType.SIGNAL:
            if message.member == "NameOwnerChanged" and message.body[0] == BLUEZ and message.body[1]:
                self._end("bluetoothd has gone")
            elif message.member == "InterfacesRemoved" and message.body[0] == self._path:
                self._end("the adapter was pulled out")
            elif message.member == "PropertiesChanged" and message.body[0] == ADAPTER:
                powered = message.body[1].get("Powered")
                if powered is not None and not powered.value and not self._resetting:
                    self._end("the adapter was switched off")
        return False

    def _end(self, why: str) -> None:
        if not self._gone.done():
            self._gone.set_result(why)

    async def _watch_bus(self, bus: MessageBus) -> None:
        with contextlib.suppress(*FOREIGN):
            await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # dbus-fast leaves it so
        self._end("the D-Bus has gone")

    async def _close(self) -> None:
        if self._bus is not None:
            self._bus.disconnect()
        if self._watching is not None:
            await self._watching


def _words(error: BaseException) -> str:
    """The kind of an error, and what the system says of it: never a path of a device."""
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else type(error).__name__
