"""One simulated adapter: scanning, the devices it hears, its links, its power.

Signals come as those of the real daemon: while somebody discovers with a filter, the strength of every
report, otherwise only a change of 8 dB; data only when it changes, unless somebody asked for
DuplicateData; at the end of a connection ServicesResolved and then Connected, each by itself; services
stay known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from dbus_fast import Message, Variant

from simulators.ble.links import FAILED, Link
from simulators.ble.objects import CallError, ObjectTree, Props
from simulators.ble.peripheral import Advert, Peripheral

ADAPTER: Final = "org.bluez.Adapter1"
DEVICE: Final = "org.bluez.Device1"
MONITORS: Final = "org.bluez.AdvertisementMonitorManager1"
NOT_READY: Final = "org.bluez.Error.NotReady"
RSSI_STEP_DB: Final = 8
"""The change of strength that BlueZ tells of when nobody discovers with a filter."""
TEMPORARY_S: Final = 30.0
"""BlueZ forgets a device that it has not heard for so long and that is not connected."""
ADDRESS_BASE: Final = 0x00_1A_7D_DA_71_00
Pattern = tuple[int, int, bytes]


class Adapter:
    """hci0, say. `links_max`: how many connections it can hold; `passive`: whether it has the
    interface for passive scans, which BlueZ hides on older kernels.
    """

    def __init__(self, tree: ObjectTree, name: str, *, links_max: int, passive: bool) -> None:
        self.name = name
        self.path = f"/org/bluez/{name}"
        self.links_max = links_max
        self.links: dict[str, Link] = {}
        self.monitors: dict[tuple[str, str], tuple[Pattern, ...]] = {}
        self.deaf = False
        """It hears nothing, and does not know: what a reset (off and on) mends."""
        self.drops_monitors = False
        """It takes the order for a passive scan, and does not carry it out: as some kernels do."""
        self.resets = 0
        self._tree = tree
        self._sessions: dict[str, Mapping[str, Any]] = {}
        self._filters: dict[str, Mapping[str, Any]] = {}
        self._heard_s: dict[str, float] = {}
        self._peripherals: dict[str, Peripheral] = {}
        address = ":".join(f"{byte:02X}" for byte in (ADDRESS_BASE + int(name[3:] or 0)).to_bytes(6, "big"))
        tree.add(
            self.path,
            ADAPTER,
            {
                "Address": Variant("s", address),
                "AddressType": Variant("s", "public"),
                "Name": Variant("s", "simulated"),
                "Alias": Variant("s", "simulated"),
                "Powered": Variant("b", True),
                "Discovering": Variant("b", False),
                "UUIDs": Variant("as", []),
                "Roles": Variant("as", ["central"]),
            },
        )
        if passive:
            types = {
                "SupportedMonitorTypes": Variant("as", ["or_patterns"]),
                "SupportedFeatures": Variant("as", []),
            }
            tree.add(self.path, MONITORS, types)

    @property
    def is_powered(self) -> bool:
        return bool(self._tree.get(self.path, ADAPTER, "Powered"))

    def power(self, *, on: bool) -> None:
        """Switches it; when it goes off, its links end and nobody discovers any more."""
        if on == self.is_powered:
            return
        if on:
            self.resets += 1
            self.deaf = False
        else:
            for path in list(self.links):
                self.end_link(path)
            self._sessions.clear()
            self._forget_strengths()
        self._tree.change(self.path, ADAPTER, {"Powered": Variant("b", on)})
        self._show_discovering()

    def client_gone(self, client: str) -> None:
        self._filters.pop(client, None)
        if self._sessions.pop(client, None) is not None:
            self._show_discovering()
        for key in [key for key in self.monitors if key[0] == client]:
            del self.monitors[key]

    def call(self, message: Message) -> None:
        """A call of the adapter itself. Raises CallError."""
        client, member, body = message.sender or "", message.member, message.body
        if member == "SetDiscoveryFilter":
            self._filters[client] = {name: one.value for name, one in body[0].items()}
        elif member == "RegisterMonitor":
            self.monitors[client, body[0]] = ()
        elif member == "UnregisterMonitor":
            if self.monitors.pop((client, body[0]), None) is None:
                raise CallError("org.bluez.Error.DoesNotExist", "Does Not Exist")
        elif not self.is_powered:
            raise CallError(NOT_READY, "Resource Not Ready")
        elif member == "RemoveDevice":
            self._remove(body[0])
        else:
            self._discover(client, member)

    def _discover(self, client: str, member: str | None) -> None:
        if member == "StartDiscovery":
            if client in self._sessions:
                raise CallError("org.bluez.Error.InProgress", "Operation already in progress")
            self._sessions[client] = self._filters.get(client, {})
        elif member == "StopDiscovery":
            if self._sessions.pop(client, None) is None:
                raise CallError(FAILED, "No discovery started")
            if not self._sessions:
                self._forget_strengths()
        else:
            raise CallError("org.freedesktop.DBus.Error.UnknownMethod", f"no method {member}")
        self._show_discovering()

    def hears(self, peripheral: Peripheral, now_s: float) -> None:
        """A device advertises."""
        path = self.path_of(peripheral.address)
        connected = path in self.links
        scanning = bool(self._sessions) or any(self.monitors.values())
        if (
            self.deaf
            or not (scanning and self.is_powered)
            or (connected and not peripheral.advertises_connected)
        ):
            return
        advert = peripheral.advert()
        if not self._sessions and (self.drops_monitors or not self._matches(advert, peripheral.name)):
            return
        self._heard_s[path] = now_s
        self._peripherals[path] = peripheral
        rssi = Variant("n", peripheral.rssi())
        for _ in range(2 if peripheral.faults.duplicate else 1):
            if path in self._tree.objects:
                self._changed(path, advert, rssi)
            else:
                self._tree.add(path, DEVICE, self._props(peripheral, advert, rssi))

    def forget_old(self, now_s: float) -> None:
        """Removes devices that have not been heard for long."""
        for path, heard_s in list(self._heard_s.items()):
            if now_s - heard_s > TEMPORARY_S and path not in self.links:
                self._remove(path)

    async def connect(self, path: str) -> None:
        """Raises CallError with the reason that BlueZ gives."""
        peripheral = self._peripherals.get(path)
        if not self.is_powered:
            raise CallError(NOT_READY, "Resource Not Ready")
        if path in self.links or peripheral is None:
            return
        await asyncio.sleep(peripheral.faults.latency_s)
        if len(self.links) >= self.links_max:
            raise CallError(FAILED, "le-connection-concurrent-connection-limit")
        if not peripheral.is_heard_by(self.name) or path not in self._tree.objects:
            raise CallError(FAILED, "le-connection-timeout")
        link = self.links[path] = Link(self._tree, peripheral, path)
        self._tree.change(path, DEVICE, {"Connected": Variant("b", True)})
        link.show_services()
        self._tree.change(path, DEVICE, {"ServicesResolved": Variant("b", True)})
        if peripheral.faults.drop_after_s is not None:
            self._tree.later(self._drop(link, peripheral.faults.drop_after_s), "ble-drop")

    def end_link(self, path: str) -> None:
        link = self.links.pop(path, None)
        if link is None:
            return
        link.end()
        self._tree.change(path, DEVICE, {"ServicesResolved": Variant("b", False)})
        self._tree.change(path, DEVICE, {"Connected": Variant("b", False)})

    def path_of(self, address: str) -> str:
        return f"{self.path}/dev_{address.replace(':', '_')}"

    def is_known(self, address: str) -> bool:
        """Whether a device of this address was heard, and not forgotten since."""
        return self.path_of(address) in self._tree.objects

    async def _drop(self, link: Link, after_s: float) -> None:
        await asyncio.sleep(after_s)
        if self.links.get(link.path) is link:
            self.end_link(link.path)

    def _remove(self, path: str) -> None:
        self.end_link(path)
        self._heard_s.pop(path, None)
        self._peripherals.pop(path, None)
        self._tree.remove(path)

    def _show_discovering(self) -> None:
        now = bool(self._sessions) and self.is_powered
        if now != self._tree.get(self.path, ADAPTER, "Discovering"):
            self._tree.change(self.path, ADAPTER, {"Discovering": Variant("b", now)})

    def _forget_strengths(self) -> None:
        for path in self._heard_s:
            self._tree.change(path, DEVICE, {}, gone=("RSSI",))

    def _matches(self, advert: Advert, name: str | None) -> bool:
        """Whether a monitor's pattern is in it: how a passive scan is asked for."""
        parts: list[tuple[int, bytes]] = [(0x01, advert.flags)] if advert.flags else []
        parts += [
            (0xFF, company.to_bytes(2, "little") + data) for company, data in advert.manufacturer.items()
        ]
        parts += [(0x16, bytes.fromhex(uuid[4:8])[::-1] + data) for uuid, data in advert.service_data.items()]
        parts += [(0x09, name.encode())] if name else []
        return any(
            kind == own_kind and own[start : start + len(content)] == bytes(content)
            for patterns in self.monitors.values()
            for start, kind, content in patterns
            for own_kind, own in parts
        )

    def _changed(self, path: str, advert: Advert, rssi: Variant) -> None:
        props = self._tree.objects[path][DEVICE]
        changed: Props = {}
        every = any(filters.get("DuplicateData") for filters in self._sessions.values())
        for name, new in _data(advert).items():
            before = props.get(name)
            if every:
                changed[name] = new
                continue
            # Otherwise BlueZ adds to what it knows, and tells only what is new.
            merged = Variant(new.signature, {**(before.value if before else {}), **new.value})
            if before is None or before != merged:
                changed[name] = merged
        before = props.get("RSSI")
        if self._sessions or before is None or abs(before.value - rssi.value) >= RSSI_STEP_DB:
            changed["RSSI"] = rssi
        self._tree.change(path, DEVICE, changed)

    def _props(self, peripheral: Peripheral, advert: Advert, rssi: Variant) -> Props:
        name = peripheral.name
        props = {
            "Address": Variant("s", peripheral.address),
            "AddressType": Variant("s", peripheral.address_type),
            "Alias": Variant("s", name or peripheral.address.replace(":", "-")),
            "Adapter": Variant("o", self.path),
            "UUIDs": Variant("as", list(advert.uuids)),
            "RSSI": rssi,
            "AdvertisingFlags": Variant("ay", advert.flags),
            **{flag: Variant("b", False) for flag in ("Paired", "Bonded", "Trusted", "Blocked")},
            **{flag: Variant("b", False) for flag in ("LegacyPairing", "Connected", "ServicesResolved")},
            **_data(advert),
        }
        if name:
            props["Name"] = Variant("s", name)
        return props


def _data(advert: Advert) -> Props:
    props: Props = {}
    if advert.manufacturer:
        data: dict[int, Variant] = {key: Variant("ay", value) for key, value in advert.manufacturer.items()}
        props["ManufacturerData"] = Variant("a{qv}", data)
    if advert.service_data:
        services = {key: Variant("ay", value) for key, value in advert.service_data.items()}
        props["ServiceData"] = Variant("a{sv}", services)
    return props
